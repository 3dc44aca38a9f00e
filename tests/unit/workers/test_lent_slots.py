"""The promise of lent slots: whatever workers do, however messages cross, no container gets more than its limit."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.workers.fleet import Caller, FakeWorker, Fleet


class LentSlots(RuleBasedStateMachine):
    """Requests, messages, deaths and losses in any order."""

    fleet: Fleet

    @initialize(workers=st.integers(2, 3), limits=st.lists(st.integers(1, 5), min_size=1, max_size=2))
    def begin(self, workers: int, limits: list[int]) -> None:
        self.fleet = Fleet(workers, limits)

    def worker(self, data: st.DataObject) -> FakeWorker:
        return data.draw(st.sampled_from(self.fleet.workers))

    @precondition(lambda self: self.fleet.workers)
    @rule(data=st.data())
    def request_comes(self, data: st.DataObject) -> None:
        self.worker(data).ask(Caller())

    @precondition(lambda self: any(w.open for w in self.fleet.workers))
    @rule(data=st.data())
    def request_ends(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([w for w in self.fleet.workers if w.open]))
        worker.end(data.draw(st.sampled_from(worker.open)))

    @precondition(lambda self: any(w.waiting for w in self.fleet.workers))
    @rule(data=st.data())
    def client_leaves(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([w for w in self.fleet.workers if w.waiting]))
        worker.leave(data.draw(st.sampled_from(worker.waiting)))

    @rule()
    def source_asks(self) -> None:
        self.fleet.ask(Caller())

    @precondition(lambda self: self.fleet.own)
    @rule()
    def source_is_answered(self) -> None:
        self.fleet.end(self.fleet.own[0])

    @precondition(lambda self: any(w.inbox for w in self.fleet.workers))
    @rule(data=st.data())
    def worker_reads(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([w for w in self.fleet.workers if w.inbox])).read()

    @precondition(lambda self: any(w.outbox for w in self.fleet.workers))
    @rule(data=st.data())
    def main_reads(self, data: st.DataObject) -> None:
        self.fleet.hear(data.draw(st.sampled_from([w for w in self.fleet.workers if w.outbox])))

    @rule()
    def all_is_read(self) -> None:
        self.fleet.settle()

    @precondition(lambda self: self.fleet.workers)
    @rule(data=st.data(), seconds=st.sampled_from([0.001, 0.1, 0.6, 2.0]))
    def time_passes(self, data: st.DataObject, seconds: float) -> None:
        self.fleet.now += seconds
        worker = self.worker(data)
        worker.borrower.look()
        worker.time_passes()

    @precondition(lambda self: any(w.open for w in self.fleet.workers))
    @rule(data=st.data())
    def exchange_breaks(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([w for w in self.fleet.workers if w.open]))
        caller = data.draw(st.sampled_from(worker.open))
        worker.doubt(caller)

    @precondition(lambda self: any(i.suspect for i in self.fleet.pool.instances))
    @rule()
    def engine_confirms(self) -> None:
        self.fleet.confirm()

    @precondition(lambda self: any(i.state == "ready" for i in self.fleet.pool.instances))
    @rule(data=st.data())
    def instance_drains(self, data: st.DataObject) -> None:
        ready = [i for i in self.fleet.pool.instances if i.state == "ready"]
        instance = data.draw(st.sampled_from(ready))
        instance.state = "draining"
        self.fleet.pool.recall(instance)

    @precondition(lambda self: self.fleet.pool.instances)
    @rule(data=st.data())
    def instance_dies(self, data: st.DataObject) -> None:
        instance = data.draw(st.sampled_from(self.fleet.pool.instances))
        self.fleet.pool.instances.remove(instance)
        instance.state = "failed"
        instance.cut()

    @precondition(lambda self: len(self.fleet.pool.instances) < 3)
    @rule(limit=st.integers(1, 4))
    def instance_starts(self, limit: int) -> None:
        self.fleet.start(limit)

    @precondition(lambda self: len(self.fleet.workers) > 1)
    @rule(data=st.data())
    def worker_is_killed(self, data: st.DataObject) -> None:
        worker = self.worker(data)
        self.fleet.crash(worker, data.draw(st.integers(0, len(worker.outbox))))

    @precondition(lambda self: len(self.fleet.workers) < 3)
    @rule()
    def worker_is_replaced(self) -> None:
        self.fleet.workers.append(FakeWorker(self.fleet, self.fleet.component))

    @precondition(lambda self: self.fleet.dead)
    @rule(data=st.data())
    def container_ends_what_a_dead_worker_had_open(self, data: st.DataObject) -> None:
        _, uses = data.draw(st.sampled_from(self.fleet.dead))
        if uses:
            uses -= Counter([data.draw(st.sampled_from(sorted(uses)))])

    @precondition(lambda self: self.fleet.dead)
    @rule(data=st.data())
    def dead_worker_is_settled(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.fleet.dead) - 1))
        if self.fleet.reap(*self.fleet.dead[at]):
            del self.fleet.dead[at]

    @invariant()
    def no_container_has_more_than_its_limit(self) -> None:
        uses = self.fleet.uses()
        for instance in self.fleet.made:
            assert uses[instance.id] <= instance.limit

    @invariant()
    def what_is_lent_is_claimed(self) -> None:
        branches = [w.branch for w in self.fleet.workers] + [w.branch for w, _ in self.fleet.dead]
        own = Counter(caller.instance.id for caller in self.fleet.own if caller.instance is not None)
        for instance in self.fleet.made:
            lent = sum(b.loans[instance.id].slots for b in branches if instance.id in b.loans)
            spare = sum(b.loans[instance.id].spare for b in branches if instance.id in b.loans)
            assert instance.in_flight == lent + own[instance.id] <= instance.limit
            assert 0 <= instance.spare == spare <= lent
        assert self.fleet.pool.in_flight == sum(i.in_flight for i in self.fleet.made)

    @invariant()
    def what_workers_have_and_what_is_on_its_way_is_what_was_lent(self) -> None:
        for worker in self.fleet.workers:
            on_the_way: Counter[str] = Counter()
            for kind, id, *rest in worker.inbox:
                on_the_way[id] += 1 + rest[1] if kind == "grant" else 0
            for kind, id, *rest in worker.outbox:
                on_the_way[id] += rest[0] if kind == "back" else 0
            for id, loan in worker.branch.loans.items():
                holding = worker.borrower.holdings.get(id)
                assert loan.slots == on_the_way[id] + (0 if holding is None else holding.instance.limit)

    @invariant()
    def nobody_asks_beside_a_free_slot_when_all_is_read(self) -> None:
        if any(w.inbox or w.outbox for w in self.fleet.workers):
            return
        if self.fleet.own_waiting or any(w.pool.asked for w in self.fleet.workers):
            uses = self.fleet.uses()
            dead = {id for w, _ in self.fleet.dead for id, loan in w.branch.loans.items() if loan.slots}
            for instance in self.fleet.pool.instances:
                if instance.state == "ready" and not instance.suspect and instance.id not in dead:
                    assert uses[instance.id] == instance.limit

    @invariant()
    def who_waits_in_a_worker_asks_or_is_quiet_behind_those_who_ask(self) -> None:
        for worker in self.fleet.workers:
            pool = worker.pool
            assert set(pool.queue) == {*pool.asked, *pool.quiet}
            assert list(pool.queue)[len(pool.asked) :] == list(pool.quiet)
            assert pool.in_flight or not pool.quiet

    @invariant()
    def nothing_that_takes_no_requests_is_at_hand_when_all_is_read(self) -> None:
        known = {instance.id: instance for instance in self.fleet.made}
        for worker in self.fleet.workers:
            if worker.inbox or worker.outbox:
                continue
            for id, holding in worker.borrower.holdings.items():
                if known[id].state != "ready" or known[id].suspect:
                    assert holding.instance.limit == holding.instance.in_flight

    def teardown(self) -> None:
        """Everything ends: everybody is served, and every slot comes home."""
        fleet = self.fleet
        for worker, uses in fleet.dead:
            uses.clear()
            assert fleet.reap(worker, uses)
        fleet.dead.clear()
        self.engine_confirms()
        fleet.start(1)
        fleet.wait(1.0)
        while fleet.own or any(w.open for w in fleet.workers):
            for worker in fleet.workers:
                for caller in list(worker.open):
                    worker.end(caller)
            for caller in list(fleet.own):
                fleet.end(caller)
            fleet.wait(1.0)
        assert not fleet.own_waiting
        assert not any(w.waiting for w in fleet.workers)
        for _ in range(20):
            for worker in fleet.workers:
                worker.borrower.look()
            fleet.wait(1.0)
        assert [i.in_flight for i in fleet.made] == [0] * len(fleet.made)
        assert fleet.pool.in_flight == 0


TestLentSlots = LentSlots.TestCase
TestLentSlots.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
