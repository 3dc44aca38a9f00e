"""Two processes of one node share the slots of its containers while the former drains: a limit is never exceeded."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.daemon.handover import Former, Heir, Message
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import MaelstromError, QueueFull, StartFailed
from maelstrom.model.instance import Address

KEY = ComponentKey("shop", "web")
LIMIT = 3


class Caller:
    """Somebody with a request."""

    patient = False

    def __init__(self) -> None:
        self.instance: Instance | None = None
        self.error: MaelstromError | None = None

    def granted(self, instance: Instance) -> None:
        assert self.instance is None, "granted twice"
        self.instance = instance

    def refused(self, error: MaelstromError) -> None:
        self.error = error

    def seconds_left(self) -> float:
        return float("inf")

    def fairness_key(self, by: str) -> bytes:
        return b""


def new_pool(instances: int = 1, **fields: object) -> Pool:
    definition = ComponentDefinition.model_validate({"image": "x", "maxconcurrency": LIMIT, **fields})
    pool = Pool(Component(KEY, 1, 1, definition), lambda pool: None, lambda pool: None)
    for n in range(instances):
        add(pool, f"i{n}")
    return pool


def add(pool: Pool, id: str) -> Instance:
    instance = Instance(id, KEY, 1, "f", LIMIT)
    instance.state = "ready"
    pool.instances.append(instance)
    pool.grant()
    return instance


def claim(pool: Pool) -> Caller:
    caller = Caller()
    caller.instance = pool.claim(caller)
    return caller


class Both:
    """Two processes with a wire between them; `flow` delivers what is on it."""

    def __init__(self, instances: int = 1, **fields: object) -> None:
        self.wires: tuple[deque[Message], deque[Message]] = deque(), deque()
        self.old, self.new = new_pool(instances, **fields), new_pool(0, **fields)
        self.former = Former([self.old], self.wires[0].append)
        self.heir = Heir(lambda name: self.new if name == KEY.full_name else None, self.wires[1].append, lambda: 0.0)

    def switch(self) -> None:
        self.heir.holds(self.former.switch())
        for instance in self.old.instances:
            adopted = Instance(instance.id, KEY, 1, "f", LIMIT)
            self.new.instances.append(adopted)
            self.heir.adopted(self.new, adopted)
            adopted.state = "ready"
        self.former.begin()

    def flow(self) -> None:
        self.former.look()
        while any(self.wires):
            while self.wires[0]:
                self.heir.told(self.wires[0].popleft())
            while self.wires[1]:
                self.former.told(self.wires[1].popleft())

    def in_use(self, id: str) -> int:
        return sum(i.in_flight for i in self.old.instances if i.id == id) + sum(
            i.in_flight for i in self.new.instances if i.id == id
        )


def test_what_the_former_has_in_flight_counts_in_the_new_one_until_it_ends() -> None:
    both = Both()
    running = [claim(both.old) for _ in range(2)]
    both.switch()
    assert claim(both.new).instance is not None
    waiting = claim(both.new)
    assert waiting.instance is None
    first = running[0].instance
    assert first is not None
    both.old.release(first, 1.0)
    both.flow()
    assert waiting.instance is not None


def test_one_more_request_on_a_connection_of_the_former_is_served_by_asking() -> None:
    both = Both()
    both.switch()
    caller = claim(both.old)
    assert caller.instance is None
    both.flow()
    assert caller.instance is both.old.instances[0]
    assert both.new.in_flight == 1
    both.old.release(caller.instance, 1.0)
    both.flow()
    assert both.new.in_flight == 0


def test_who_waits_at_the_switch_is_served_in_its_turn_also_by_an_instance_of_the_new_process() -> None:
    both = Both(instances=0)
    early = claim(both.old)
    both.switch()
    both.flow()
    late = claim(both.new)
    add(both.new, "made later")
    both.flow()
    assert early.instance is not None
    assert early.instance.id == "made later"
    assert late.instance is not None


def test_an_instance_of_the_new_process_is_spoken_to_as_it_wants() -> None:
    both = Both(instances=0)
    early = claim(both.old)
    both.switch()
    both.flow()
    instance = Instance("made later", KEY, 1, "f", LIMIT)
    instance.address = Address("10.0.0.1", 80, http2=True)
    instance.state = "ready"
    both.new.instances.append(instance)
    both.new.grant()
    both.flow()
    assert early.instance is not None
    assert early.instance.address == instance.address


def test_a_slot_that_nobody_wants_any_more_goes_back() -> None:
    both = Both()
    both.switch()
    caller = claim(both.old)
    both.old.withdraw(caller)
    both.flow()
    assert both.new.in_flight == 0


def test_a_start_that_fails_is_told_to_all_who_wait() -> None:
    both = Both(instances=0)
    callers = [claim(both.old) for _ in range(3)]
    both.switch()
    both.flow()
    both.new.refuse_all(StartFailed("it exits with 1"))
    both.flow()
    assert {type(caller.error) for caller in callers} == {StartFailed}
    assert {caller.error.message for caller in callers if caller.error} == {"it exits with 1"}


def test_a_full_queue_refuses_with_its_own_code() -> None:
    both = Both(instances=0, maxqueue=1)
    both.switch()
    claim(both.new)
    caller = claim(both.old)
    both.flow()
    assert isinstance(caller.error, QueueFull)


def test_a_container_that_dies_takes_the_requests_of_both_with_it() -> None:
    class Link:
        cut = False

        def lost(self) -> None:
            self.cut = True

    both = Both()
    caller = claim(both.old)
    assert caller.instance is not None
    link = Link()
    caller.instance.links.add(link)
    both.switch()
    (gone,) = both.new.instances
    both.new.instances.remove(gone)
    gone.cut()
    both.flow()
    assert link.cut
    both.old.release(caller.instance, 1.0)
    both.flow()
    assert both.new.in_flight == 0


def test_a_container_that_is_not_adopted_is_known_to_be_in_use_until_it_is_not() -> None:
    both = Both()
    caller = claim(both.old)
    assert caller.instance is not None
    both.heir.holds(both.former.switch())
    assert both.heir.uses("i0")
    both.old.release(caller.instance, 1.0)
    both.flow()
    assert not both.heir.uses("i0")


def test_the_end_of_the_former_process_gives_everything_back() -> None:
    both = Both()
    claim(both.old)
    both.switch()
    both.heir.over()
    assert both.new.in_flight == 0
    assert both.new.instances[0].in_flight == 0


def test_without_a_new_process_those_who_wait_are_told() -> None:
    both = Both()
    both.switch()
    caller = claim(both.old)
    both.former.abandoned()
    assert caller.error is not None
    with pytest.raises(MaelstromError):
        claim(both.old)


class Machine(RuleBasedStateMachine):
    """Callers come and go in both, messages take their time: no instance has more than its limit, nobody is lost."""

    @initialize(instances=st.integers(0, 3), before=st.integers(0, 8))
    def begin(self, instances: int, before: int) -> None:
        self.both = Both(instances)
        self.callers: list[tuple[Pool, Caller]] = [(self.both.old, claim(self.both.old)) for _ in range(before)]
        self.both.switch()
        self.made = 0

    @rule(new=st.booleans())
    def comes(self, new: bool) -> None:
        pool = self.both.new if new else self.both.old
        self.callers.append((pool, claim(pool)))

    @rule(which=st.integers(0, 50))
    def ends(self, which: int) -> None:
        if self.callers:
            pool, caller = self.callers.pop(which % len(self.callers))
            if caller.instance is not None:
                pool.release(caller.instance, 1.0)
            else:
                pool.withdraw(caller)

    @rule()
    def looks(self) -> None:
        self.both.former.look()

    @rule(way=st.integers(0, 1), count=st.integers(1, 3))
    def delivers(self, way: int, count: int) -> None:
        wire = self.both.wires[way]
        for _ in range(min(count, len(wire))):
            message = wire.popleft()
            if way:
                self.both.former.told(message)
            else:
                self.both.heir.told(message)

    @rule()
    def starts(self) -> None:
        if self.made < 2:
            self.made += 1
            add(self.both.new, f"new{self.made}")

    @invariant()
    def within_limits(self) -> None:
        if not hasattr(self, "both"):
            return
        used: dict[str, int] = {}
        for _, caller in self.callers:
            if caller.instance is not None:
                used[caller.instance.id] = used.get(caller.instance.id, 0) + 1
        assert all(count <= LIMIT for count in used.values()), used
        for instance in self.both.new.instances:
            assert instance.in_flight <= LIMIT

    def teardown(self) -> None:
        if not hasattr(self, "both"):
            return
        both = self.both
        both.flow()
        if both.new.instances:
            waiting = [(pool, caller) for pool, caller in self.callers if caller.instance is None]
            for pool, caller in [pair for pair in self.callers if pair not in waiting]:
                assert caller.instance is not None
                pool.release(caller.instance, 1.0)
                both.flow()
            for _ in range(len(waiting)):
                for pair in [pair for pair in waiting if pair[1].instance is not None]:
                    waiting.remove(pair)
                    assert pair[1].instance is not None
                    pair[0].release(pair[1].instance, 1.0)
                    both.flow()
            assert waiting == [], "everybody is served in the end"
            assert both.new.in_flight == 0
            assert both.old.in_flight == 0


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
