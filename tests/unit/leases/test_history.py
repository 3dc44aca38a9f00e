"""A state directory knows when a database has gone back in time."""

from __future__ import annotations

import pytest

from maelstrom.leases.history import WRITE_SECONDS, History
from maelstrom.leases.rows import Ground


class Kept:
    def __init__(self, text: str = "") -> None:
        self.text = text
        self.writes = 0

    def recall(self) -> str:
        return self.text

    def keep(self, text: str) -> None:
        self.text = text
        self.writes += 1


def ground(era: str, flushed: int, server: str = "one/1") -> Ground:
    return Ground(era, current=True, durable=True, writable=True, server=server, flushed=flushed)


def contradicts(history: History, now: Ground) -> str:
    return history.contradicts(now, history.flushed)


def test_a_new_directory_believes_everything() -> None:
    assert contradicts(History(Kept()), ground("a", 5)) == ""


@pytest.mark.parametrize("restarted", [False, True])
def test_a_shorter_log_of_the_same_server_contradicts(restarted: bool) -> None:
    kept = Kept()
    history = History(kept)
    history.heard(0.0, ground("a", 50))
    history.heard(1.0, ground("a", 70))
    history.keep()
    if restarted:
        history = History(kept)
    assert contradicts(history, ground("a", 70)) == ""
    assert contradicts(history, ground("a", 69)) != ""
    assert contradicts(history, ground("a", 69, server="one/2")) == "", "another timeline says so itself"
    assert contradicts(history, ground("b", 1)) == "", "somebody has begun a new era: it is taken care of"


def test_an_era_that_was_over_does_not_come_back() -> None:
    kept = Kept()
    history = History(kept)
    history.heard(0.0, ground("a", 50))
    history.heard(1.0, ground("b", 10))
    assert contradicts(history, ground("b", 10)) == ""
    assert contradicts(history, ground("a", 60)) != ""
    assert contradicts(History(kept), ground("a", 60)) != ""


def test_an_answer_that_was_overtaken_contradicts_nothing() -> None:
    history = History(Kept())
    history.heard(0.0, ground("a", 50))
    before = history.flushed
    history.heard(1.0, ground("a", 90))
    assert history.contradicts(ground("a", 60), before) == ""


def test_it_is_written_rarely_and_at_each_new_era() -> None:
    kept = Kept()
    history = History(kept)
    for second in range(100):
        history.heard(float(second), ground("a", second))
    assert kept.writes == 1 + int(99 // WRITE_SECONDS)
    history.heard(100.0, ground("b", 1))
    assert kept.writes == 3


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"eras": 3}', '{"flushed": "x"}'])
def test_what_cannot_be_read_says_nothing(text: str) -> None:
    assert contradicts(History(Kept(text)), ground("a", 5)) == ""
