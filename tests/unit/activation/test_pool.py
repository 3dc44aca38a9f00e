"""The pool's promises: limits, order, and every waiter told exactly once."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import NO_LIMIT, Pool
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import Draining, MaelstromError, NoRoute, QueueFull, StartFailed

KEY = ComponentKey("shop", "web")


def component(**fields: object) -> Component:
    return Component(KEY, 1, 1, ComponentDefinition.model_validate({"image": "web:1", **fields}))


class Caller:
    """A waiter that remembers what it was told."""

    patient = False

    def __init__(self) -> None:
        self.instance: Instance | None = None
        self.error: MaelstromError | None = None
        self.told = 0

    def granted(self, instance: Instance) -> None:
        self.told += 1
        self.instance = instance

    def refused(self, error: MaelstromError) -> None:
        self.told += 1
        self.error = error


def pool_of(*limits: int, **fields: object) -> Pool:
    pool = Pool(component(**fields), lambda _: None, lambda _: None)
    for n, limit in enumerate(limits):
        pool.instances.append(ready(n, limit))
    return pool


def ready(n: int, limit: int) -> Instance:
    instance = Instance(f"i{n}", KEY, 1, "f", limit)
    instance.state = "ready"
    return instance


def test_claim_takes_the_instance_with_the_least_in_flight() -> None:
    pool = pool_of(3, 3)
    first, second, third = (pool.claim(Caller()) for _ in range(3))
    assert first is pool.instances[0]
    assert second is pool.instances[1]
    assert third in pool.instances
    assert sorted(i.in_flight for i in pool.instances) == [1, 2]


def test_those_who_wait_are_granted_in_the_order_of_their_arrival() -> None:
    pool = pool_of(1)
    taken = pool.claim(Caller())
    assert taken is not None
    callers = [Caller() for _ in range(3)]
    for caller in callers:
        assert pool.claim(caller) is None
    for n in range(3):
        pool.release(taken, 1.0)
        assert [c.told for c in callers] == [1] * (n + 1) + [0] * (2 - n)


def test_a_newcomer_does_not_overtake_those_who_wait() -> None:
    pool = pool_of(1)
    taken = pool.claim(Caller())
    assert taken is not None
    first = Caller()
    assert pool.claim(first) is None
    pool.instances.append(ready(9, 1))
    assert pool.claim(Caller()) is None
    pool.grant()
    assert first.instance is pool.instances[1]


def test_a_full_queue_refuses_at_once() -> None:
    pool = pool_of(maxqueue=2)
    assert pool.claim(Caller()) is None
    assert pool.claim(Caller()) is None
    with pytest.raises(QueueFull) as refused:
        pool.claim(Caller())
    assert refused.value.fields["retry_after"] >= 1
    assert len(pool.queue) == 2


def test_while_starts_are_backed_off_new_claims_get_the_reason_at_once() -> None:
    pool = pool_of()
    pool.failure = StartFailed("exited with code 3")
    with pytest.raises(StartFailed, match="code 3"):
        pool.claim(Caller())
    pool.instances.append(ready(0, 1))
    assert pool.claim(Caller()) is not None, "an instance that serves is not hidden by a failed start of another"


def test_an_instance_that_drains_or_is_suspect_gets_nothing() -> None:
    pool = pool_of(5, 5)
    pool.instances[0].state = "draining"
    pool.suspect(pool.instances[1])
    assert pool.claim(Caller()) is None


def test_draining_and_removed_components_refuse() -> None:
    pool = pool_of(1)
    pool.draining = True
    with pytest.raises(Draining):
        pool.claim(Caller())
    pool.draining, pool.closed = False, True
    pool.instances.clear()
    with pytest.raises(NoRoute):
        pool.claim(Caller())


def test_a_soft_limit_queues_nobody() -> None:
    pool = pool_of(NO_LIMIT)
    assert all(pool.claim(Caller()) is pool.instances[0] for _ in range(500))


def test_a_cut_instance_tells_every_link_once() -> None:
    told: list[str] = []

    class Link:
        def lost(self) -> None:
            told.append("lost")

    instance = ready(0, 1)
    instance.links = {Link(), Link()}
    instance.cut()
    instance.cut()
    assert told == ["lost", "lost"]


class PoolMachine(RuleBasedStateMachine):
    """Random storms of claims, releases, deaths and drains."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool_of(maxqueue=20)
        self.callers: list[Caller] = []
        self.withdrawn: set[Caller] = set()
        self.held: list[tuple[Caller, Instance]] = []
        self.arrivals: list[Caller] = []
        self.grants: list[Caller] = []
        self.now = 0.0

    @initialize(limits=st.lists(st.integers(1, 3), max_size=3))
    def start(self, limits: list[int]) -> None:
        self.pool.instances = [ready(n, limit) for n, limit in enumerate(limits)]

    def _collect(self) -> None:
        held = {caller for caller, _ in self.held}
        for caller in self.callers:
            if caller.instance is not None and caller not in held and caller not in self.grants:
                self.grants.append(caller)
                self.held.append((caller, caller.instance))

    @rule()
    def claim(self) -> None:
        caller = Caller()
        try:
            instance = self.pool.claim(caller)
        except QueueFull:
            return
        if instance is not None:
            self.held.append((caller, instance))
            self.grants.append(caller)
        else:
            self.callers.append(caller)
            self.arrivals.append(caller)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        _, instance = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.now += 1
        self.pool.release(instance, self.now)
        self._collect()

    @precondition(lambda self: self.pool.queue)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        waiting = list(self.pool.queue)
        caller = waiting[data.draw(st.integers(0, len(waiting) - 1))]
        assert isinstance(caller, Caller)
        assert self.pool.withdraw(caller)
        assert not self.pool.withdraw(caller)
        self.withdrawn.add(caller)

    @precondition(lambda self: self.pool.instances)
    @rule(data=st.data(), state=st.sampled_from(["ready", "draining", "stopping"]))
    def change_state(self, data: st.DataObject, state: str) -> None:
        instance = self.pool.instances[data.draw(st.integers(0, len(self.pool.instances) - 1))]
        instance.state = state  # type: ignore[assignment]
        self.pool.grant()
        self._collect()

    @rule(limit=st.integers(1, 3))
    def becomes_ready(self, limit: int) -> None:
        self.pool.instances.append(ready(len(self.pool.instances), limit))
        self.pool.grant()
        self._collect()

    @precondition(lambda self: self.pool.instances)
    @rule()
    def dies(self) -> None:
        self.pool.instances.pop(0)

    @rule()
    def refuse(self) -> None:
        self.pool.refuse_all(StartFailed("no"))

    @invariant()
    def no_instance_is_over_its_limit(self) -> None:
        assert all(0 <= i.in_flight <= i.limit for i in self.pool.instances)

    @invariant()
    def everything_is_counted_once(self) -> None:
        assert self.pool.in_flight == len(self.held)

    @invariant()
    def everybody_is_told_at_most_once_and_nobody_is_forgotten(self) -> None:
        for caller in self.callers:
            waiting = caller in self.pool.queue
            assert caller.told + waiting + (caller in self.withdrawn) == 1

    @invariant()
    def nobody_waits_beside_a_free_slot(self) -> None:
        if self.pool.queue:
            assert not any(i.accepts for i in self.pool.instances)

    @invariant()
    def grants_follow_arrivals(self) -> None:
        order = [c for c in self.grants if c in self.arrivals]
        assert order == [c for c in self.arrivals if c in order]


TestPoolStorm = PoolMachine.TestCase
TestPoolStorm.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
