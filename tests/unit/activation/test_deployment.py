"""What becomes of those who wait when starts fail that overlap."""

from __future__ import annotations

from maelstrom.activation.deployment import Deployment
from maelstrom.activation.instance import Instance
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import MaelstromError, StartFailed

KEY = ComponentKey("shop", "web")


class Caller:
    """A waiter that remembers how it was refused."""

    patient = False

    def __init__(self) -> None:
        self.error: MaelstromError | None = None

    def granted(self, instance: Instance) -> None:
        raise AssertionError("nothing is ready")

    def refused(self, error: MaelstromError) -> None:
        self.error = error


def waited_for(*states: str) -> tuple[Deployment, Caller]:
    """A component with these instances, in the order of their start, and somebody who waits."""
    component = Component(KEY, 1, 0, ComponentDefinition.model_validate({"image": "web:1"}))
    deployment = Deployment(component, "f", lambda _: None, lambda _: None)
    caller = Caller()
    assert deployment.pool.claim(caller) is None
    for n, state in enumerate(states):
        instance = Instance(f"i{n}", KEY, 1, "f", 1)
        instance.state = state  # type: ignore[assignment]
        deployment.pool.instances.append(instance)
    return deployment, caller


def fail(deployment: Deployment, n: int) -> None:
    instance = deployment.pool.instances[n]
    deployment.start_failed(StartFailed("exited with code 3"), instance, 1.0)
    assert instance not in deployment.pool.instances


def test_who_waits_is_told_by_the_oldest_start_though_younger_ones_are_on_their_way() -> None:
    deployment, caller = waited_for("starting", "starting")
    fail(deployment, 0)
    assert isinstance(caller.error, StartFailed), "starts that overlap would keep him waiting to his deadline"


def test_a_younger_start_that_fails_leaves_hope_in_the_older_one() -> None:
    deployment, caller = waited_for("starting", "starting")
    fail(deployment, 1)
    assert caller.error is None
    fail(deployment, 0)
    assert isinstance(caller.error, StartFailed)


def test_where_an_instance_serves_nobody_is_refused() -> None:
    deployment, caller = waited_for("starting", "ready")
    fail(deployment, 0)
    assert caller.error is None
