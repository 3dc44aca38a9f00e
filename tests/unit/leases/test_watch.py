"""What an observer concludes from rows that do not change."""

from __future__ import annotations

from dataclasses import replace

from maelstrom.leases.watch import (
    KEEP_DEAD_SECONDS,
    WRITE_BACK_SECONDS,
    Pauses,
    SeenDeadline,
    SeenLease,
    SeenPause,
    SeenSession,
    Settling,
    WaitOut,
    Watch,
)

A = SeenSession("a", 3, 10_000, alive=True)
LEASE = SeenLease("l", 60_000, 4)
ERA = "era"


def look(watch: Watch, at: float, *sessions: SeenSession, era: str = ERA, wrote: float | None = None) -> list[str]:
    return [session.id for session in watch.saw(at, era, sessions, "me", at if wrote is None else wrote)[0]]


def test_a_session_is_buried_when_its_beat_stood_still_for_its_own_ttl() -> None:
    watch = Watch(10)
    patient = replace(A, id="b", ttl_ms=30_000)
    assert look(watch, 100, A, patient) == []
    assert look(watch, 109.9, A, patient) == []
    assert look(watch, 110, A, patient) == ["a"]
    assert look(watch, 120, patient) == []
    assert look(watch, 130, patient) == ["b"]


def test_a_beat_begins_the_watch_anew() -> None:
    watch = Watch(10)
    look(watch, 100, A)
    look(watch, 108, replace(A, beat=4))
    assert look(watch, 112, replace(A, beat=4)) == []
    assert look(watch, 118, replace(A, beat=4)) == ["a"]


def test_the_own_session_is_not_watched() -> None:
    watch = Watch(10)
    me = replace(A, id="me")
    for at in range(100, 140, 5):
        assert look(watch, at, me) == []


def test_who_could_not_read_for_a_ttl_begins_anew() -> None:
    watch = Watch(10)
    look(watch, 100, A)
    assert look(watch, 111, A) == [], "an outage says nothing about others"
    assert look(watch, 120.9, A) == []
    assert look(watch, 121, A) == ["a"]


def test_who_could_not_write_begins_anew() -> None:
    watch = Watch(10)
    look(watch, 100, A, wrote=100)
    assert look(watch, 110, A, wrote=104) == [], "nobody's beats got through"
    assert look(watch, 114, A, wrote=111) == []
    assert look(watch, 119.9, A, wrote=119) == []
    assert look(watch, 120, A, wrote=119) == ["a"]


def test_a_new_era_forgets_what_was_seen() -> None:
    watch, waits = Watch(10), WaitOut()
    look(watch, 100, A)
    assert look(watch, 105, A, era="new") == []
    assert look(watch, 111, A, era="new") == []
    waits.saw(100, ERA, [LEASE])
    assert waits.saw(161, "new", [LEASE]) == ([], [])


def test_the_dead_are_forgotten_late_and_only_without_leases() -> None:
    watch = Watch(10)
    dead, holding = replace(A, alive=False), replace(A, id="b", alive=False, leases=1)
    at = 100.0
    forgotten: list[str] = []
    while not forgotten:
        assert at <= 100 + KEEP_DEAD_SECONDS
        bury, forgotten = watch.saw(at, ERA, [dead, holding], None, at)
        assert bury == []
        at += 5
    assert forgotten == ["a"]
    assert at >= 100 + KEEP_DEAD_SECONDS


def test_a_lease_is_over_when_its_row_stood_still_for_what_it_promises() -> None:
    waits = WaitOut()
    assert waits.saw(100, ERA, [LEASE]) == ([], [])
    assert waits.soonest == 60
    over, rest = waits.saw(160, ERA, [LEASE])
    assert (over, rest) == ([LEASE], [])


def test_a_row_that_promises_nothing_is_over_at_once() -> None:
    waits = WaitOut()
    idle = SeenLease("l", 0, 9)
    assert waits.saw(100, ERA, [idle]) == ([idle], [])


def test_a_write_begins_the_wait_anew() -> None:
    waits = WaitOut()
    waits.saw(100, ERA, [LEASE])
    later = replace(LEASE, busy_ms=5000, busy_seq=5)
    waits.saw(159, ERA, [later])
    assert waits.saw(161, ERA, [later]) == ([], [])
    assert waits.saw(164, ERA, [later]) == ([later], [])


def test_a_part_that_was_waited_for_is_written_back() -> None:
    waits = WaitOut()
    waits.saw(100, ERA, [LEASE])
    assert waits.saw(100 + WRITE_BACK_SECONDS, ERA, [LEASE]) == ([], [(LEASE, 40_000)])


def test_a_row_out_of_sight_is_waited_for_anew() -> None:
    waits = WaitOut()
    waits.saw(100, ERA, [LEASE])
    waits.saw(130, ERA, [])
    assert waits.soonest == float("inf")
    waits.saw(140, ERA, [LEASE])
    assert waits.saw(161, ERA, [LEASE])[0] == []


def test_a_raised_deadline_is_used_when_it_cannot_be_lost_any_more() -> None:
    settling = Settling(60)
    raised = [SeenDeadline(1, 600_000, 300_000), SeenDeadline(2, 60_000, 60_000)]
    assert settling.saw(100, ERA, raised) == ({1: 300_000, 2: 60_000}, [])
    assert settling.saw(159, ERA, raised) == ({1: 300_000, 2: 60_000}, [])
    assert settling.saw(160, ERA, raised) == ({1: 300_000, 2: 60_000}, [(1, 600_000)])
    again = [SeenDeadline(1, 900_000, 300_000)]
    assert settling.saw(161, ERA, again) == ({1: 300_000}, []), "from when it was raised again"
    assert settling.saw(230, "another era", again) == ({1: 300_000}, []), "it may have been lost and put again"
    assert settling.saw(290, "another era", again) == ({1: 300_000}, [(1, 900_000)])


def test_where_nothing_can_be_lost_a_raised_deadline_is_used_at_once() -> None:
    assert Settling(0).saw(100, ERA, [SeenDeadline(1, 600_000, 300_000)]) == ({1: 600_000}, [])


def test_a_pause_counts_from_when_it_was_seen_and_is_written_back() -> None:
    pauses = Pauses()
    seen = [SeenPause(1, 50_000, 4), SeenPause(2, 0, 9)]
    assert pauses.saw(100, seen) == ({1: 150}, [])
    assert pauses.soonest == 50
    assert pauses.saw(110, seen) == ({1: 150}, [])
    assert pauses.saw(100 + WRITE_BACK_SECONDS, seen) == ({1: 150}, [(1, 4, 30_000)])
    assert pauses.saw(121, [SeenPause(1, 30_000, 5)]) == ({1: 151}, []), "it goes on from there"
    assert pauses.saw(151, [SeenPause(1, 30_000, 5)]) == ({}, [(1, 5, 0)])
    assert pauses.saw(152, [SeenPause(1, 0, 6)]) == ({}, [])
