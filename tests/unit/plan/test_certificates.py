"""Who gets an automatic certificate, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maelstrom.model.certificate import IssuedState, RenewalWindow
from maelstrom.plan.certificates import (
    BACKOFF,
    ask_again,
    due_at,
    forgettable,
    in_order,
    orderable,
    renewal,
    suggested,
)

DAY = 86400.0
NONE = IssuedState("a.test", 1, 0.0, 0.0, 0, 0.0, "", 0.0)


def test_only_exact_names_that_an_authority_knows_are_ordered() -> None:
    hosts = ["Shop.Example.org.", "*.example.org", "localhost", "10.0.0.1", "::1", "", "a b.example.org", "x.y.z.org"]
    assert orderable(hosts) == ["shop.example.org", "x.y.z.org"]


def test_certificates_are_renewed_at_two_thirds_of_their_life_or_a_little_before() -> None:
    assert renewal(0.0, 90 * DAY, 0.0) == 60 * DAY
    assert 55 * DAY < renewal(0.0, 90 * DAY, 0.999) < 56 * DAY


def test_who_has_none_is_due_at_once_and_after_a_failure_later() -> None:
    assert due_at(None) == 0.0
    assert due_at(replace(NONE, failures=1, retry_at=900.0)) == 900.0
    assert due_at(replace(NONE, not_after=90.0, renew_at=60.0)) == 60.0
    assert due_at(replace(NONE, not_after=90.0, renew_at=60.0, failures=2, retry_at=75.0)) == 75.0


def test_the_most_urgent_host_is_ordered_first() -> None:
    states = {"b.test": replace(NONE, not_after=90.0), "c.test": replace(NONE, not_after=50.0)}
    assert [host for _, host in in_order(["a.test", "b.test", "c.test"], states)] == ["a.test", "c.test", "b.test"]


def test_failures_keep_to_what_authorities_allow() -> None:
    """Five failed validations an hour and host are what Let's Encrypt allows."""
    at, tries = 0.0, []
    for failures in range(1, 20):
        tries.append(at)
        at += BACKOFF.delay(failures, 0.999)
    assert max(sum(1 for one in tries if begin <= one < begin + 3600) for begin in tries) <= 4
    assert tries[-1] - tries[-2] > DAY / 2 - 60


def test_what_nobody_wants_is_remembered_for_a_while() -> None:
    states = {
        "wanted.test": replace(NONE, not_after=1.0),
        "failed.test": replace(NONE, changed_at=10 * DAY),
        "ended.test": replace(NONE, not_after=12 * DAY, changed_at=1.0),
    }
    assert forgettable(["wanted.test"], states, 16 * DAY) == []
    assert forgettable(["wanted.test"], states, 18 * DAY) == ["failed.test"]
    assert forgettable([], states, 20 * DAY) == ["ended.test", "failed.test", "wanted.test"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (50, 70, 60),  # what was planned is within it
        (70, 80, 75),
        (10, 20, 15),  # it is to be revoked: at once
        (80, 200, 85),  # never later than its end
        (95, 99, 60),  # that would be too late
        (70, 70, 60),  # no window at all
        (70, 50, 60),
    ],
)
def test_an_authority_may_say_when_it_likes_to_renew(start: float, end: float, expected: float) -> None:
    state = replace(NONE, not_after=90.0, renew_at=60.0)
    assert suggested(RenewalWindow(start, end, 0.0), state, 0.5) == expected


@pytest.mark.parametrize(("said", "expected"), [(0, 21600), (7200, 7200), (1, 60), (1e9, 86400)])
def test_it_is_asked_as_often_as_it_likes_within_bounds(said: float, expected: float) -> None:
    assert ask_again(RenewalWindow(0, 1, said)) == expected


def test_an_authority_that_could_not_say_is_asked_later() -> None:
    assert ask_again(None) == 21600
