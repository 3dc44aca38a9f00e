"""A thousand broken bodies: each gets a 4xx that says why, or is a valid definition; nothing is half-stored."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from typing import Any

from tests.support.admin import TOKEN, Admin
from tests.support.rawhttp import read_answer, request

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
MUTATIONS = 1000
VALID: dict[str, Any] = {
    "definition": {
        "name": "shop",
        "components": {
            "web": {
                "component": {
                    "image": "registry.example:5000/shop/web:1",
                    "command": ["serve", "--fast"],
                    "environment": ["A=1", "B=two"],
                    "ulimits": ["nofile=10:20"],
                    "volumes": [{"type": "bind", "source": "/srv", "target": "/data", "readonly": True}],
                    "ports": ["127.0.0.1:8080:80/tcp"],
                    "limitmemory": 256,
                    "mininstances": 1,
                    "maxinstances": 3,
                    "scaleupconcurrencypct": 0.8,
                    "restartorder": "startstop",
                    "logdriveroptions": {"max-size": "10m"},
                    "pullpassword": "secret",
                },
                "eventsources": {
                    "site": {"http": {"hostname": "shop.example", "pathprefix": "/a"}},
                    "tick": {"cron": {"schedule": "*/5 * * * *", "http": {"method": "GET", "path": "/tick"}}},
                    "orders": {"sqs": {"queuename": "orders", "path": "/orders", "messagesperpoll": 10}},
                    "split": {"awsstepfunc": {"activityname": "split", "path": "/split"}},
                },
            },
            "jobs": {"component": {"image": "jobs:1"}, "eventsources": {}},
        },
    },
    "diff_only": False,
    "expected_revision": None,
    "author": "me@here",
}
JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 10**12, 2**53, -(2**63), 1.5, 1e308, "", " ", "x" * 5000, "\x00", "\ud800", "é/../", "${X}",
    "a b", [], {}, [[]], [None], {"": {}}, {"a": {"b": {"c": []}}}, ["x"] * 50,
)  # fmt: skip


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places in it, deep ones too."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, item in items for path in paths(item, (*here, key)))]


def mutated(dice: random.Random) -> bytes:
    """A valid body with up to five things changed, and perhaps broken as text."""
    value = copy.deepcopy(VALID)
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        *parents, last = dice.choice(paths(value)[1:])
        parent = value
        for key in parents:
            parent = parent[key]
        match dice.randrange(5):
            case 0:
                del parent[last]
            case 1 if isinstance(parent, dict):
                parent[str(last) + dice.choice(("", "s", "_", "\x00", "É"))] = parent.pop(last)
            case 2 if isinstance(parent, dict):
                parent[dice.choice(("", "nonsense", "name", "__proto__", "x" * 300))] = copy.deepcopy(dice.choice(JUNK))
            case 3 if isinstance(parent, list):
                parent.extend(copy.deepcopy([parent[last]] * dice.choice((1, 50))))
            case _:
                parent[last] = copy.deepcopy(dice.choice(JUNK))
        if not isinstance(value, dict) or len(paths(value)) < 2:
            break
    text = json.dumps(value).encode()
    return text if dice.random() < 0.7 else broken(text, dice)


def broken(text: bytes, dice: random.Random) -> bytes:
    """Bytes cut out, put in, or turned over."""
    at = dice.randrange(len(text))
    match dice.randrange(4):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + text[at + dice.randrange(1, 20) :]
        case 2:
            return text[:at] + dice.randbytes(dice.randrange(1, 8)) + text[at:]
        case _:
            return text[:at] + bytes([text[at] ^ (1 << dice.randrange(8))]) + text[at + 1 :]


async def test_broken_bodies_are_refused_and_leave_nothing(admin: Admin) -> None:
    dice = random.Random(20240131)
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    statuses: dict[int, int] = {}
    for number in range(MUTATIONS):
        body = mutated(dice)
        writer.write(request("PUT", "/v1/projects/shop", HEADERS, body))
        answer = await read_answer(reader)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        if answer.status == 200:
            assert await _is_whole(admin, answer.json()["project"]), (number, body)
            continue
        assert 400 <= answer.status < 500, (number, answer.status, body)
        error = answer.json()
        assert error["code"] in ("bad_request", "invalid_input", "conflict"), (number, error)
        assert error["message"], number
        assert error["code"] != "invalid_input" or error["errors"], (number, body)
        assert b"Traceback" not in answer.body
        if number % 50 == 0:
            assert await admin.registry.list_projects() == [], number
    writer.close()
    assert await admin.registry.list_projects() == []
    assert sum(count for status, count in statuses.items() if status >= 400) > MUTATIONS * 0.7, statuses


async def test_broken_filters_are_refused_and_change_nothing(admin: Admin) -> None:
    await _put_valid(admin)
    dice = random.Random(7)
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    valid = {"project": "other", "component": "web", "type": "http", "prefix": "s", "names": ["site"]}
    for _ in range(200):
        filters = {key: dice.choice((value, *JUNK)) for key, value in valid.items() if dice.random() < 0.6}
        filters["project"] = "other"
        body = json.dumps(filters).encode()
        writer.write(
            request("POST", "/v1/eventsources/disable", HEADERS, body if dice.random() < 0.8 else broken(body, dice))
        )
        answer = await read_answer(reader)
        assert answer.status == 200 or 400 <= answer.status < 500, (filters, answer)
    writer.close()


async def _put_valid(admin: Admin) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    writer.write(request("PUT", "/v1/projects/shop", HEADERS, json.dumps(VALID).encode()))
    assert (await read_answer(reader)).status == 200
    writer.close()


async def _is_whole(admin: Admin, name: str) -> bool:
    """What was accepted is there completely; then it is removed again."""
    stored = await admin.registry.list_projects()
    if not stored:  # diff_only
        return True
    definition = (await admin.registry.get_project(name)).definition
    sources = sum(len(entry.eventsources) for entry in definition.components.values())
    await admin.registry.remove_project(name)
    return [(row.components, row.eventsources) for row in stored] == [(len(definition.components), sources)]
