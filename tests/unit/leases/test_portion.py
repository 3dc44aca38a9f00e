"""What a node may have of a source beside its share, and when it says that it has less."""

from __future__ import annotations

from maelstrom.leases.portion import Portion, Sight

PATIENCE = 5.0


def portion(share: int) -> Portion:
    made = Portion(PATIENCE)
    made.share = share
    return made


def allowed(p: Portion) -> int | None:
    return p.allowed


def sight(total: int, own: int, *, limit: int = 4, wanted: bool = False) -> Sight:
    return Sight(limit, total, own, wanted)


def test_before_the_first_deal_there_is_nothing_to_have() -> None:
    assert Portion(PATIENCE).allowed == 0


def test_what_stays_free_is_taken_by_whoever_has_its_share() -> None:
    p = portion(2)
    p.saw(0, sight(2, 2))
    assert allowed(p) == 2
    p.saw(4.9, sight(3, 2))
    assert allowed(p) == 2, "others may be about to take it"
    p.saw(5, sight(3, 2))
    assert allowed(p) is None
    p.saw(6, sight(4, 4))
    assert allowed(p) is None, "and is kept"


def test_what_is_free_now_and_then_is_not_taken() -> None:
    p = portion(2)
    for now in range(0, 60, 3):
        p.saw(now, sight(4 if now % 2 else 3, 2))
        assert allowed(p) == 2


def test_who_has_less_than_its_share_takes_no_more_than_that() -> None:
    p = portion(2)
    p.saw(0, sight(2, 1))
    p.saw(9, sight(2, 1))
    assert allowed(p) == 2


def test_who_lacks_its_share_for_a_while_says_so() -> None:
    p = portion(2)
    assert not p.saw(0, sight(4, 1))
    assert not p.saw(4.9, sight(4, 1))
    assert p.saw(5, sight(4, 1))
    assert not p.saw(6, sight(3, 1)), "something is free"
    assert not p.saw(7, sight(4, 2)), "it has it"


def test_what_others_want_is_given_back_at_once_and_not_taken_again_soon() -> None:
    p = portion(2)
    p.saw(0, sight(2, 2))
    p.saw(5, sight(2, 2))
    assert allowed(p) is None
    p.saw(6, sight(4, 4, wanted=True))
    assert allowed(p) == 2
    p.saw(7, sight(2, 2))
    assert allowed(p) == 2
    p.saw(8, sight(4, 2))
    p.saw(20, sight(4, 2))
    assert allowed(p) == 2


def test_who_came_too_late_for_what_was_free_goes_back_to_waiting() -> None:
    p = portion(2)
    p.saw(0, sight(2, 2))
    p.saw(5, sight(2, 2))
    p.saw(6, sight(4, 2))
    assert allowed(p) == 2


def test_a_new_deal_begins_all_waits_anew() -> None:
    p = portion(2)
    p.saw(0, sight(2, 2))
    p.saw(5, sight(2, 2))
    p.begin_anew()
    assert allowed(p) == 2
    p.saw(9, sight(2, 2))
    p.saw(13.9, sight(2, 2))
    assert allowed(p) == 2
    p.saw(14, sight(2, 2))
    assert allowed(p) is None
