"""The pool's promises: limits, order, and every waiter told exactly once."""

from __future__ import annotations

from contextlib import suppress
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import NO_LIMIT, Pool
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import Draining, MaelstromError, NoRoute, QueueFull, StartFailed
from maelstrom.plan.pace import LEAST_ENDS

KEY = ComponentKey("shop", "web")


def component(**fields: object) -> Component:
    return Component(KEY, 1, 1, ComponentDefinition.model_validate({"image": "web:1", **fields}))


class Caller:
    """A waiter that remembers what it was told."""

    patient = False

    def __init__(self, key: bytes = b"", left: float = inf, told: list[Caller] | None = None) -> None:
        self.key = key
        self.left = left
        self.instance: Instance | None = None
        self.error: MaelstromError | None = None
        self.told = 0
        self.grants = [] if told is None else told

    def granted(self, instance: Instance) -> None:
        self.told += 1
        self.instance = instance
        self.grants.append(self)

    def refused(self, error: MaelstromError) -> None:
        self.told += 1
        self.error = error

    def seconds_left(self) -> float:
        return self.left

    def fairness_key(self, by: str) -> bytes:
        assert by, "asked for a key where nobody asks for fairness"
        return self.key


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


def queued(pool: Pool, *keys: str) -> list[Caller]:
    """Callers with these keys, all of whom wait."""
    callers = [Caller(key.encode()) for key in keys]
    for caller in callers:
        assert pool.claim(caller) is None
    return callers


def order_of_grants(pool: Pool, callers: list[Caller]) -> str:
    """Serves all who wait; the keys in the order in which they were served."""
    grants: list[Caller] = []
    for caller in callers:
        caller.grants = grants
    instance = pool.instances[0]
    while pool.queue:
        pool.release(instance, 1.0)
    return b"".join(caller.key for caller in grants).decode()


def busy_pool(**fields: object) -> Pool:
    pool = pool_of(1, **fields)
    assert pool.claim(Caller()) is not None
    return pool


def test_where_a_component_asks_for_fairness_its_clients_take_turns() -> None:
    pool = busy_pool(fairness="client")
    callers = queued(pool, *"aaaaabcbc")
    assert order_of_grants(pool, callers) == "abcabcaaa"


def test_without_fairness_nobody_is_asked_for_a_key_and_the_first_comes_first() -> None:
    pool = busy_pool()
    assert order_of_grants(pool, queued(pool, *"aaabca")) == "aaabca"


def test_a_key_that_comes_back_waits_for_its_next_turn() -> None:
    pool = busy_pool(fairness="client")
    callers = queued(pool, *"abc")
    pool.release(pool.instances[0], 1.0)
    assert callers[0].told
    callers = callers[1:] + queued(pool, "a")
    assert order_of_grants(pool, callers) == "bca"


def test_one_who_leaves_takes_no_turn() -> None:
    pool = busy_pool(fairness="client")
    callers = queued(pool, *"aab")
    assert pool.withdraw(callers[0])
    assert pool.withdraw(callers[2])
    assert not pool.withdraw(callers[2])
    assert order_of_grants(pool, callers) == "a"


def test_in_a_full_queue_a_newcomer_takes_a_place_of_the_key_that_has_most() -> None:
    pool = busy_pool(fairness="client", maxqueue=6)
    noisy = queued(pool, *"aaaaaa")
    with pytest.raises(QueueFull):
        pool.claim(Caller(b"a"))
    quiet = queued(pool, "b", "b", "b")
    assert [caller.told for caller in noisy] == [0, 0, 0, 1, 1, 1], "the last who came go first"
    assert isinstance(noisy[5].error, QueueFull)
    assert noisy[5].error.fields["retry_after"] >= 1
    for key in (b"a", b"b"):
        with pytest.raises(QueueFull):
            pool.claim(Caller(key))
    assert len(pool.queue) == 6
    assert order_of_grants(pool, noisy[:3] + quiet) == "ababab"


def test_a_place_lost_is_told_to_one_after_the_other_however_fast_they_come_back() -> None:
    """Who is told comes again with another key, at once: thousands of them must not be one deep call."""
    pool = busy_pool(fairness="header:X-Tenant", maxqueue=3000)
    depth = [0]
    names = iter(range(100_000))

    class Stubborn(Caller):
        def refused(self, error: MaelstromError) -> None:
            super().refused(error)
            depth[0] += 1
            assert depth[0] == 1
            with suppress(QueueFull):
                pool.claim(Stubborn(b"other-%d" % next(names)))
            depth[0] -= 1

    for _ in range(3000):
        pool.claim(Stubborn(b"noisy"))
    pool.claim(Stubborn(b"quiet"))
    assert len(pool.queue) == 3000


def test_a_change_of_fairness_counts_for_those_who_wait_too() -> None:
    pool = busy_pool()
    callers = queued(pool, *"aaa")
    pool.component = component(fairness="client")
    callers += queued(pool, "b", "b")
    pool.component = component(fairness="header:x")
    callers += queued(pool, "c")
    assert order_of_grants(pool, callers) == "abcaba"
    pool.component = component()
    assert order_of_grants(pool, queued(pool, *"aab")) == "aab"


def served_steadily(pool: Pool, seconds: float, times: int) -> list[Caller]:
    """A pool of one slot that ends a request every so many seconds while others wait; who waits still."""
    waiting = queued(pool, *"x" * (times + 1))
    for n in range(times + 1):
        pool.release(pool.instances[0], 100.0 + n * seconds)
        assert waiting[n].told
        waiting += queued(pool, "x")
    return waiting[times + 1 :]


def test_who_would_still_wait_at_its_deadline_is_refused_at_once() -> None:
    pool = busy_pool()
    waiting = served_steadily(pool, 2.0, 20)
    assert len(waiting) == 21
    with pytest.raises(QueueFull, match=r"another would wait about 42\.0 s and has 40\.0") as refused:
        pool.claim(Caller(left=40.0))
    assert refused.value.fields["retry_after"] == 8, "three times the time of the work itself is missing, too"
    assert pool.claim(Caller(left=48.5)) is None
    assert pool.claim(Caller()) is None, "who has no deadline is not refused because of one"


def test_nobody_is_refused_by_a_guess() -> None:
    thin = busy_pool()
    served_steadily(thin, 2.0, LEAST_ENDS - 2)
    assert thin.claim(Caller(left=1.0)) is None, "too little was measured"

    stale = busy_pool()
    for caller in served_steadily(stale, 2.0, 40):
        stale.withdraw(caller)
    queued(stale, "x", "y")
    assert stale.claim(Caller(left=1.0)) is None, "nobody waited meanwhile: it may be faster now"

    growing = busy_pool()
    served_steadily(growing, 2.0, 40)
    growing.instances.append(ready(1, 1))
    growing.instances[1].state = "starting"
    assert growing.claim(Caller(left=1.0)) is None, "another instance is on its way"


def test_a_short_queue_refuses_nobody_however_long_requests_take() -> None:
    pool = busy_pool()
    waiting = served_steadily(pool, 100.0, 20)
    for caller in waiting[1:]:
        pool.withdraw(caller)
    pool.withdraw(waiting[0])
    assert pool.claim(Caller(left=5.0)) is None


def test_of_a_noisy_key_only_its_own_requests_are_refused_for_want_of_time() -> None:
    pool = busy_pool(fairness="client")
    served_steadily(pool, 2.0, 20)
    with pytest.raises(QueueFull):
        pool.claim(Caller(b"x", left=20.0))
    assert pool.claim(Caller(b"quiet", left=20.0)) is None


def test_retry_after_of_a_full_queue_is_the_time_to_serve_it() -> None:
    for seconds, said in ((0.01, 1), (1.0, 21), (30.0, 60)):
        pool = busy_pool(maxqueue=21)
        served_steadily(pool, seconds, 20)
        with pytest.raises(QueueFull) as refused:
            pool.claim(Caller())
        assert refused.value.fields["retry_after"] == said


class PoolMachine(RuleBasedStateMachine):
    """Random storms of claims, releases, deaths and drains."""

    fairness = ""

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool_of(maxqueue=20, fairness=self.fairness)
        self.callers: list[Caller] = []
        self.withdrawn: set[Caller] = set()
        self.held: list[tuple[Caller, Instance]] = []
        self.grants: list[Caller] = []  # of those who waited
        self.now = 0.0
        self.seen = 0  # grants that were looked at
        self.since: dict[bytes, set[bytes]] = {}  # keys that wait → keys that had a turn meanwhile

    @initialize(limits=st.lists(st.integers(1, 3), max_size=3))
    def start(self, limits: list[int]) -> None:
        self.pool.instances = [ready(n, limit) for n, limit in enumerate(limits)]

    def _collect(self) -> None:
        waiting = self._waiting()
        while self.seen < len(self.grants):
            caller = self.grants[self.seen]
            self.seen += 1
            assert caller.instance is not None
            self.held.append((caller, caller.instance))
            self._turn(caller.key)
            still = waiting | {later.key for later in self.grants[self.seen :]}
            self.since = {key: turns for key, turns in self.since.items() if key in still}
        self.since = {key: turns for key, turns in self.since.items() if key in waiting}

    def _turn(self, key: bytes) -> None:
        self.since[key] = set()
        for other, turns in self.since.items():
            if other != key and self.fairness:
                assert key not in turns, "it had a second turn while another key waited for its first"
                turns.add(key)

    def _waiting(self) -> set[bytes]:
        return {caller.key for caller in self.callers if caller in self.pool.queue}

    @rule(key=st.sampled_from([b"a", b"a", b"a", b"b", b"c"]))
    def claim(self, key: bytes) -> None:
        caller = Caller(key, told=self.grants)
        before = {other: len([c for c in self._queued() if c.key == other]) for other in self._waiting()}
        try:
            instance = self.pool.claim(caller)
        except QueueFull:
            assert len(self.pool.queue) == 20
            if self.fairness:
                own = before.get(key, 0)
                assert own * len(before) >= 20 or own + 1 >= max(before.values()), "refused below its share"
            return
        if instance is not None:
            self.held.append((caller, instance))
        else:
            self.callers.append(caller)
            self.since.setdefault(key, set())

    def _queued(self) -> list[Caller]:
        return [caller for caller in self.callers if caller in self.pool.queue]

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
        self._collect()

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
        self._collect()

    @invariant()
    def no_instance_is_over_its_limit(self) -> None:
        assert all(0 <= i.in_flight <= i.limit for i in self.pool.instances)

    @invariant()
    def everything_is_counted_once(self) -> None:
        assert self.pool.in_flight == len(self.held)
        assert len(self.pool.queue) <= 20

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
        for key in {caller.key for caller in self.grants} if self.fairness else {None}:
            order = [c for c in self.grants if key in (c.key, None)]
            assert order == [c for c in self.callers if c in order]


class FairPoolMachine(PoolMachine):
    """The same where keys take turns."""

    fairness = "client"


TestPoolStorm = PoolMachine.TestCase
TestPoolStorm.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestFairPoolStorm = FairPoolMachine.TestCase
TestFairPoolStorm.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)
