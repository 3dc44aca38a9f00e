"""`maelctl cron`: runs listed, and begun by hand."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom.model.cron import Ended, Outcome, RunState, Tick
from maelstrom.model.source import EventSource
from maelstrom.registry.cron import CronLedger
from maelstrom.registry.cron_opening import Writer
from tests.integration.cli.conftest import Ctl
from tests.support.admin import AdminThread

PROJECT = """
name: shop
components:
  web:
    image: app:1
    eventsources:
      nightly: {cron: {schedule: 15 3 * * *, http: {method: GET, path: /nightly}}}
      site: {http: {pathprefix: /}}
"""


class Worker:
    """Works what is asked for: each run ends so after a while."""

    def __init__(self, threaded: AdminThread) -> None:
        self.ends_after = 0.2
        self.outcome = Outcome("succeeded", 200)
        self.timers: list[threading.Timer] = []
        self._threaded = threaded
        self._ledger = CronLedger(threaded.registry.engine, Writer("n1", "h1", "p1"))
        threaded.node.run = self._run

    async def _run(self, source: EventSource) -> str:
        tick = Tick(uuid.uuid4().hex, source.id, int(time.time()), "allow", 60_000)
        await self._ledger.open_manual(tick, time.time())
        self.timers.append(threading.Timer(self.ends_after, self._end, (tick.id,)))
        self.timers[-1].start()
        return tick.id

    def _end(self, id: str) -> None:
        self._threaded.call(self._ledger.close([Ended(id, self.outcome, time.time())]))


@pytest.fixture
def worker(ctl: Ctl, threaded: AdminThread) -> Iterator[Worker]:
    Path("project.yml").write_text(PROJECT)
    assert ctl("put").code == 0
    made = Worker(threaded)
    yield made
    for timer in made.timers:
        timer.join()


def test_runs_are_a_table_and_json(ctl: Ctl, worker: Worker) -> None:
    assert ctl("cron", "runs", "--json").json() == []
    assert ctl("cron", "runs").err == "No runs.\n"
    worker.outcome = Outcome("failed", 500, "the component answered 500: " + "x" * 100)
    assert ctl("cron", "run", "nightly", "--wait").code == 1
    (row,) = ctl("cron", "runs", "nightly", "--limit", "5", "--project", "shop", "-o", "json").json()
    assert (row["project"], row["name"], row["kind"], row["state"], row["status"], row["attempts"]) == (
        "shop",
        "nightly",
        "manual",
        "failed",
        500,
        1,
    )
    head, line = ctl("cron", "runs").out.splitlines()
    assert head.split()[:4] == ["PROJECT", "EVENT", "SOURCE", "SCHEDULED"]
    assert "failed" in line
    assert line.endswith("…")


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
def test_run_waits_for_the_outcome_if_asked_to(ctl: Ctl, worker: Worker, state: RunState, code: int) -> None:
    worker.outcome = Outcome(state, 200, "the reason")
    begun = ctl("cron", "run", "nightly", "--json").json()
    assert (begun["state"], begun["kind"]) == ("running", "manual")
    ended = ctl("cron", "run", "shop_nightly", "--wait", "--json")
    assert ended.code == code
    assert f'"state": "{state}"' in ended.out
    assert ("the reason" in ended.err) == (code == 1)


def test_run_says_what_is_wrong(ctl: Ctl, worker: Worker) -> None:
    assert ctl("cron", "run", "nothing").code == 4
    assert ctl("cron", "run", "site").code == 2
    assert ctl("cron", "run").code == 2
    assert ctl("cron", "runs", "nothing").code == 4
    assert ctl("cron", "runs", "--limit", "0").code == 2
    worker.ends_after = 1.0
    done = ctl("cron", "run", "nightly", "--wait", "--timeout", "0.1")
    assert done.code == 7
    assert "it goes on" in done.err


def test_completion_and_help_know_it(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("cron", "cron runs", "cron run"):
        assert ctl(*command.split(), "--help").out.startswith("Usage: maelctl cron")
    monkeypatch.setenv("_MAELCTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "maelctl cron ru")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert ctl().out.split() == ["plain,run", "plain,runs"]
