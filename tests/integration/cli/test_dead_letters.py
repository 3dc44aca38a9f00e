"""`maelctl es dlq`: lists, shows and moves, with its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli.conftest import Ctl

PROJECT = """
name: shop
components:
  web:
    image: app:1
    eventsources:
      site: {http: {hostname: shop.example}}
      jobs: {sqs: {queuename: jobs, path: /}}
"""


@pytest.fixture
def shop(ctl: Ctl) -> Ctl:
    Path("project.yml").write_text(PROJECT)
    assert ctl("put").code == 0
    return ctl


def test_ls_names_the_queues(shop: Ctl) -> None:
    (row,) = shop("es", "dlq", "ls", "jobs", "--json").json()
    assert row == {"queue": "jobs", "dead_letters": "jobs-dead", "max_receives": 3, "messages": 1, "in_flight": 0}
    assert "jobs-dead" in shop("es", "dlq", "ls", "shop_jobs").out


def test_show_prints_messages_and_the_whole_of_one(shop: Ctl) -> None:
    (row,) = shop("es", "dlq", "show", "jobs", "--json").json()
    assert (row["id"], row["body"], row["receives"]) == ("m-1", "größe", 4)
    assert "größe" in shop("es", "dlq", "show", "jobs").out
    assert shop("es", "dlq", "show", "jobs", "m-1", "--json").json()["body"] == "größe"
    assert "größe" in shop("es", "dlq", "show", "jobs", "m-1").out
    assert "may be more" in shop("es", "dlq", "show", "jobs", "--limit", "1").err
    assert "may be more" not in shop("es", "dlq", "show", "jobs").err


def test_redrive_says_how_far_it_is_and_what_it_did(shop: Ctl) -> None:
    done = shop("es", "dlq", "redrive", "jobs", "--max", "3", "--to", "other", "--json")
    assert done.json() == [{"queue": "jobs-dead", "to": "other", "moved": 1, "total": 1, "state": "done", "by": "task"}]
    assert "0 of about 1" in done.err


def test_wrong_sources_have_their_exit_codes(shop: Ctl) -> None:
    for verb in ("ls", "show", "redrive"):
        assert shop("es", "dlq", verb, "site").code == 2
        assert shop("es", "dlq", verb, "nobody").code == 4
    assert shop("es", "dlq", "redrive", "jobs", "--max", "0").code == 2
