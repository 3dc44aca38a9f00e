"""What a holder may do with its lease, as far as it knows."""

from __future__ import annotations

from maelstrom.leases.term import (
    CONFIRM_SECONDS,
    EXTRA_SECONDS,
    NEVER,
    SLACK_SECONDS,
    Ask,
    Note,
    Term,
    Use,
    Verdict,
    busy_milliseconds,
    longest_busy_milliseconds,
    margin,
)
from maelstrom.leases.trust import Trust

NOW = 1000.0


def held(capacity: int = 2, limit: int = 2) -> Term:
    term = Term(7, limit)
    term.granted("row", capacity, 5)
    return term


def confirmed(capacity: int = 2, limit: int = 2, *, seconds: float = 10, at: float = NOW, fits: bool = True) -> Term:
    """Just confirmed, for requests of so many seconds."""
    term = held(capacity, limit)
    term.want(at, seconds)
    term.ask(at)
    term.answered(at, "row", capacity, limit, fits)
    return term


def fly(term: Term, slot: object, deadline: float = NOW + 10) -> None:
    term.move(slot, Use.NONE, Use.POLL)
    term.move(slot, Use.POLL, Use.WAIT)
    term.move(slot, Use.WAIT, Use.FLIGHT, deadline)


def test_trust_counts_from_the_sending_and_ends_before_the_ttl() -> None:
    trust = Trust(10)
    assert not trust.holds(NOW)
    trust.answered(NOW)
    assert trust.holds(NOW + 10 - margin(10) - 0.001)
    assert not trust.holds(NOW + 10 - margin(10))


def test_an_answer_that_comes_late_never_shortens_trust() -> None:
    trust = Trust(10)
    trust.answered(NOW)
    trust.answered(NOW - 5)
    assert trust.holds(NOW + 9)
    trust.end()
    assert not trust.holds(NOW)


def test_what_is_promised_outlasts_a_clock_that_is_a_little_slower() -> None:
    assert busy_milliseconds(0) == 0
    assert busy_milliseconds(-3) == 0
    assert busy_milliseconds(10) >= 10_000 * 1.01
    assert longest_busy_milliseconds(60_000) >= busy_milliseconds(60 + SLACK_SECONDS + EXTRA_SECONDS)


def test_without_a_row_there_is_nothing_to_admit_with() -> None:
    assert Term(7, 2).verdict(NOW, 1) is Verdict.LOST


def test_a_new_row_must_be_confirmed_first() -> None:
    assert held().verdict(NOW, 1) is Verdict.ASK


def test_a_confirmed_lease_goes_for_a_second() -> None:
    term = confirmed()
    assert term.verdict(NOW + CONFIRM_SECONDS, 5) is Verdict.GO
    assert term.verdict(NOW + CONFIRM_SECONDS + 0.001, 5) is Verdict.ASK


def test_a_request_beyond_the_horizon_needs_a_longer_one_first() -> None:
    term = confirmed(seconds=10)
    assert term.verdict(NOW, 10 + EXTRA_SECONDS) is Verdict.GO
    assert term.verdict(NOW, 10 + EXTRA_SECONDS + 0.001) is Verdict.ASK


def test_no_more_in_flight_than_capacity() -> None:
    term = confirmed(capacity=2, limit=5)
    fly(term, "a")
    fly(term, "b")
    assert term.verdict(NOW, 1) is Verdict.FULL
    term.move("a", Use.FLIGHT, Use.NONE)
    assert term.verdict(NOW, 1) is Verdict.GO


def test_while_the_limit_is_exceeded_nothing_goes_and_the_question_is_paced() -> None:
    term = confirmed(fits=False)
    assert term.verdict(NOW + 0.1, 1) is Verdict.FULL
    assert term.verdict(NOW + 0.3, 1) is Verdict.ASK


def test_polls_take_what_is_free_of_the_own_share() -> None:
    term = held(capacity=3, limit=3)
    assert term.free == 3
    term.move("a", Use.NONE, Use.POLL)
    term.move("b", Use.NONE, Use.WAIT)
    assert term.free == 1
    term.ahead = 1
    assert term.free == 0
    term.ahead = 0
    term.works = False
    assert term.free == 0


def test_an_ask_covers_what_is_in_flight_and_what_is_wanted() -> None:
    term = confirmed()
    fly(term, "a", NOW + 30)
    term.want(NOW + 1, 5)
    assert term.ask(NOW + 1) == Ask("row", busy_milliseconds(29 + SLACK_SECONDS + EXTRA_SECONDS), None, 1)
    term = confirmed()
    fly(term, "a", NOW + 2)
    term.want(NOW + 1, 20)
    assert term.ask(NOW + 1) == Ask("row", busy_milliseconds(20 + SLACK_SECONDS + EXTRA_SECONDS), None, 1)


def test_a_shorter_horizon_is_obeyed_from_the_sending_a_longer_one_from_the_answer() -> None:
    term = confirmed(seconds=60)
    term.ask(NOW)  # nothing is in flight: no promise is needed
    assert term.horizon == NOW
    assert term.verdict(NOW, 1) is Verdict.ASK

    term = confirmed(seconds=5)
    before = term.horizon
    term.want(NOW, 60)
    term.ask(NOW)
    assert term.horizon == before
    term.answered(NOW, "row", 2, 2, fits=True)
    assert term.verdict(NOW, 60) is Verdict.GO


def test_an_answer_about_a_row_that_is_gone_changes_nothing() -> None:
    term = confirmed()
    term.want(NOW, 60)
    term.ask(NOW)
    term.forfeited()
    term.answered(NOW, "row", 2, 2, fits=True)
    assert term.verdict(NOW, 1) is Verdict.LOST


def test_after_an_unknown_outcome_nothing_goes_until_it_is_confirmed_again() -> None:
    term = confirmed()
    term.reread("row", 2, 5)
    assert (term.horizon, term.confirmed) == (NEVER, NEVER)
    assert term.verdict(NOW, 1) is Verdict.ASK


def test_growing_keeps_what_was_confirmed_another_row_does_not() -> None:
    term = confirmed(capacity=1, limit=3)
    term.granted("row", 3, 5)
    assert term.verdict(NOW, 1) is Verdict.GO
    term.granted("other", 3, 6)
    assert term.verdict(NOW, 1) is Verdict.ASK


def test_a_lower_limit_cuts_to_what_is_in_use() -> None:
    term = held(capacity=5, limit=5)
    term.move("poll", Use.NONE, Use.POLL)
    fly(term, "a")
    fly(term, "b")
    term.limit = 2
    assert term.target == 3
    assert term.excess
    assert term.ask(NOW).capacity == 3
    assert term.capacity == 3, "obeyed from the sending on"
    term.move("poll", Use.POLL, Use.WAIT)
    assert term.target == 2, "work that waits needs no capacity yet"
    term.move("a", Use.FLIGHT, Use.NONE)
    assert term.target == 2


def test_rows_that_came_later_give_way_where_all_together_exceed_the_limit() -> None:
    term = held(capacity=2, limit=2)
    term.ahead = 2
    assert term.target == 0
    assert term.spent
    fly(term, "a")
    assert (term.target, term.spent) == (1, False)


def test_a_lease_that_is_let_go_keeps_what_is_open_and_what_waits() -> None:
    term = held(capacity=3, limit=3)
    term.move("a", Use.NONE, Use.WAIT)
    term.closing = True
    assert (term.free, term.missing, term.target) == (0, 0, 1)
    term.move("a", Use.WAIT, Use.NONE)
    assert term.spent


def test_capacity_is_asked_for_up_to_the_limit_while_some_may_be_free() -> None:
    term = held(capacity=1, limit=4)
    assert term.missing == 3
    term.seeks = False
    assert term.missing == 0


def test_an_idle_row_with_a_promise_is_worth_lowering() -> None:
    term = confirmed(seconds=60)
    assert term.idle(NOW + 5)
    term.ask(NOW + 5)
    term.answered(NOW + 5, "row", 2, 2, fits=True)
    assert not term.idle(NOW + 5)
    fly(term, "a")
    assert not term.idle(NOW + 5)


def test_peaks_between_two_reports_are_told() -> None:
    term = held()
    assert term.note() is None
    fly(term, "a")
    fly(term, "b")
    term.move("a", Use.FLIGHT, Use.NONE)
    assert term.note() == Note("row", 7, 1, 2)
    assert term.note() is None
    term.move("b", Use.FLIGHT, Use.NONE)
    assert term.note() == Note("row", 7, 0, 1)


def test_more_than_was_ever_reported_is_untold_as_long_as_the_row_has_room_for_it() -> None:
    term = held()
    assert not term.untold
    fly(term, "a")
    term.move("a", Use.FLIGHT, Use.NONE)
    assert term.untold
    term.note()
    fly(term, "b")
    assert not term.untold, "as many were reported before"
    fly(term, "c")
    assert term.untold
    term.give()
    assert not term.untold, "what was given counts elsewhere now"


def test_what_was_in_flight_under_a_row_that_is_gone_is_not_told_of_the_next_one() -> None:
    term = held()
    fly(term, "a")
    term.note()
    term.forfeited()
    term.move("a", Use.FLIGHT, Use.NONE)
    term.granted("other", 2, 6)
    assert term.note() == Note("other", 7, 0, 0)


def test_a_report_that_was_not_answered_is_told_again() -> None:
    term = held()
    fly(term, "a")
    term.move("a", Use.FLIGHT, Use.NONE)
    note = term.note()
    assert note is not None
    term.unnoted(note)
    assert term.note() == note
