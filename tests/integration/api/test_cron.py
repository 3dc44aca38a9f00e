"""Runs of cron through the API."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from maelstrom.api.client import Client
from maelstrom.model.cron import Ended, Followed, Outcome, Tick
from maelstrom.model.errors import AmbiguousName, BadRequest, Conflict, Draining, NotFound
from maelstrom.model.source import EventSource
from maelstrom.registry.cron import CronLedger
from maelstrom.registry.cron_opening import Writer
from tests.support.admin import AdminThread

NIGHTLY = {"cron": {"schedule": "15 3 * * *", "http": {"method": "GET", "path": "/nightly"}}}


@pytest.fixture
def client(threaded: AdminThread) -> Client:
    client = threaded.client()
    sources: dict[str, Any] = {"nightly": NIGHTLY, "site": {"http": {"pathprefix": "/"}}}
    for project in ("shop", "blog"):
        web = {"component": {"image": "app:1"}, "eventsources": sources}
        client.put_project({"name": project, "components": {"web": web}})
    return client


@pytest.fixture
def ledger(threaded: AdminThread, client: Client) -> CronLedger:
    """Runs that are asked for are in it; nobody works them."""
    made = CronLedger(threaded.registry.engine, Writer("n1", "h1", "p1"))

    async def run(source: EventSource) -> str:
        tick = Tick(uuid.uuid4().hex, source.id, int(time.time()), "forbid", 60_000)
        return (await made.open_manual(tick, time.time())).tick.id

    threaded.node.run = run
    return made


def test_a_run_by_hand_is_answered_as_it_begins_and_can_be_looked_up(
    client: Client, threaded: AdminThread, ledger: CronLedger
) -> None:
    begun = client.run_cron("nightly", project="shop")
    assert (begun["project"], begun["name"], begun["kind"], begun["state"]) == ("shop", "nightly", "manual", "running")
    threaded.call(ledger.close([Ended(begun["id"], Outcome("failed", 500, "the component answered 500: oops"), 9.5)]))
    ended = client.cron_run(begun["id"])
    assert ended == begun | {
        "state": "failed",
        "status": 500,
        "reason": "the component answered 500: oops",
        "ended_at": 9.5,
    }
    with pytest.raises(NotFound):
        client.cron_run("0" * 32)
    with pytest.raises(NotFound):
        client.cron_run("no-id")


def test_a_run_by_hand_is_refused_with_the_reason(client: Client, threaded: AdminThread, ledger: CronLedger) -> None:
    client.run_cron("shop_nightly")
    with pytest.raises(Conflict, match="open"):
        client.run_cron("shop_nightly")
    with pytest.raises(NotFound):
        client.run_cron("nothing")
    with pytest.raises(AmbiguousName):
        client.run_cron("nightly")
    with pytest.raises(BadRequest, match="no cron source but http"):
        client.run_cron("shop_site")
    threaded.node.run = None
    with pytest.raises(Draining):
        client.run_cron("blog_nightly")


def test_runs_are_listed_newest_first_of_all_or_of_one(
    client: Client, threaded: AdminThread, ledger: CronLedger
) -> None:
    assert client.cron_runs() == []
    ids = {source.key: source.id for source in threaded.call(threaded.registry.list_sources())}
    for number, project in enumerate(("shop", "blog", "shop"), 1):
        id = ids[project, "nightly"]  # type: ignore[index]
        threaded.call(ledger.follow([Followed(id, 1, "")], 0, 1))
        threaded.call(ledger.open([Tick(uuid.uuid4().hex, id, number, "allow", 1)], 1, float(number)))
    assert [row["scheduled_at"] for row in client.cron_runs()] == [3, 2, 1]
    assert [row["scheduled_at"] for row in client.cron_runs(limit=2)] == [3, 2]
    assert [row["scheduled_at"] for row in client.cron_runs(project="shop")] == [3, 1]
    assert [row["scheduled_at"] for row in client.cron_runs("blog_nightly")] == [2]
    with pytest.raises(AmbiguousName):
        client.cron_runs("nightly")
    with pytest.raises(BadRequest):
        client.cron_runs("shop_site")
    with pytest.raises(NotFound):
        client.cron_runs("nothing")
    client.remove_project("blog")
    assert [row["scheduled_at"] for row in client.cron_runs("blog_nightly")] == [2]
