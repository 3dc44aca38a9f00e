"""What becomes of those who wait when starts fail that overlap, and of instances when their component changes."""

from __future__ import annotations

from maelstrom.activation.deployment import Deployment
from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
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


class Lending:
    """A lender that remembers which instances it was to take nothing of any more."""

    def __init__(self) -> None:
        self.recalled: list[str] = []

    def wanted(self, pool: Pool) -> None: ...

    def recall(self, pool: Pool, instance: Instance) -> None:
        self.recalled.append(instance.id)


def changed(version: int, **fields: object) -> Component:
    return Component(KEY, version, 0, ComponentDefinition.model_validate({"image": "web:1", **fields}))


def running(*fingerprints: str, maxconcurrency: int) -> tuple[Deployment, Lending]:
    deployment = Deployment(changed(1, maxconcurrency=maxconcurrency), "f", lambda _: None, lambda _: None)
    for n, fingerprint in enumerate(fingerprints):
        instance = Instance(f"i{n}", KEY, 1, fingerprint, maxconcurrency)
        instance.state = "ready"
        deployment.pool.instances.append(instance)
    lending = deployment.pool.lender = Lending()
    return deployment, lending


def test_a_lower_limit_lets_end_what_there_is_and_grants_nothing_beyond_it() -> None:
    deployment, lending = running("f", maxconcurrency=3)
    pool = deployment.pool
    (instance,) = pool.instances
    assert [pool.claim(Caller()) for _ in range(3)] == [instance] * 3
    deployment.want(changed(2, maxconcurrency=1), "f")
    assert (instance.version, lending.recalled) == (2, ["i0"])
    assert pool.claim(Caller()) is None
    pool.release(instance, 1.0)
    pool.release(instance, 1.0)
    assert (instance.in_flight, len(pool.queue)) == (1, 1), "the one that is left takes the only slot"


def test_a_higher_limit_serves_who_waits_at_once() -> None:
    class Served(Caller):
        by: Instance | None = None

        def granted(self, instance: Instance) -> None:
            self.by = instance

    deployment, lending = running("f", maxconcurrency=1)
    pool = deployment.pool
    (instance,) = pool.instances
    waiting = [Served(), Served()]
    assert [pool.claim(one) for one in (Served(), *waiting)] == [instance, None, None]
    deployment.want(changed(2, maxconcurrency=2), "f")
    assert [one.by for one in waiting] == [instance, None]
    deployment.want(changed(3, softconcurrencylimit=True), "f")
    assert [one.by for one in waiting] == [instance, instance]
    assert lending.recalled == []


def test_instances_that_are_made_otherwise_or_go_keep_their_version_and_limit() -> None:
    deployment, _ = running("f", "old", "f", maxconcurrency=3)
    deployment.pool.instances[2].state = "draining"
    deployment.image_id = "sha256:a"
    deployment.want(changed(2, maxconcurrency=9), "f")
    assert [(i.version, i.limit) for i in deployment.pool.instances] == [(2, 9), (1, 3), (1, 3)]
    assert deployment.image_id == "sha256:a", "what the image's name stands for has not changed"
    deployment.want(changed(3), "new")
    assert [(i.version, i.limit) for i in deployment.pool.instances] == [(2, 9), (1, 3), (1, 3)]
    assert deployment.image_id is None
    assert not any(map(deployment.current, deployment.pool.instances))
