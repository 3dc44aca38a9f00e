"""What is counted and what is logged."""

from __future__ import annotations

import logging

import pytest

from maelstrom.gateway import AccessLog
from tests.integration.gateway.world import GET, World, friendly, request, world
from tests.support.wait import eventually


async def test_requests_are_counted_by_component_and_status(gate: World) -> None:
    await gate.component(friendly)
    caller = await gate.caller()
    for _ in range(3):
        await caller.ask(GET)
    await caller.ask(request("POST / HTTP/1.1\nHost: a\nContent-Length: 1000", bytes(1000)))
    await gate.ask(b"nonsense\r\n\r\n")
    stats = gate.gateway.stats.components["shop_web"]
    assert {code: row.count for code, row in stats.codes.items()} == {200: 4}
    assert sum(stats.codes[200].buckets) == 4
    assert stats.codes[200].seconds > 0
    assert stats.busy_seconds == pytest.approx(stats.codes[200].seconds)
    assert stats.bytes_in == 1000
    assert stats.bytes_out > 1000
    assert (stats.requests, stats.queued, stats.errors) == (4, 0, {})
    assert gate.gateway.stats.components[""].errors == {"bad_request": 1}
    assert gate.gateway.stats.connections_total == 2


async def test_waiting_is_counted_apart(gate: World) -> None:
    pool = await gate.component()
    caller = await gate.caller()
    caller.send(GET)
    await eventually(lambda: len(pool.queue) == 1)
    gate.pass_time(20.0)
    await gate.instance(pool)
    await caller.answer()
    stats = gate.gateway.stats.components["shop_web"]
    assert stats.queued == 1
    assert 20 <= stats.queued_seconds < 21
    assert stats.busy_seconds < 1


async def test_each_request_is_one_line_of_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="maelstrom.access")
    async with world(access=AccessLog.of("all")) as gate:
        await gate.component(friendly)
        await gate.ask(request('GET /a"b?token=secret HTTP/1.1\nHost: a\nX-Request-Id: given-1'))
        await gate.ask(request("GET /made HTTP/1.1\nHost: a"))
        await gate.ask(request("GET /x HTTP/1.1\nHost: a\nContent-Length: x"))
        seen = gate.containers[0].requests[1]["x-request-id"]
    first, second, third = [record for record in caplog.records if record.name == "maelstrom.access"]
    assert first.getMessage().startswith('127.0.0.1 "GET /a%22b" 200 shop_web ')
    assert "secret" not in str(first.__dict__)
    assert first.__dict__["request_id"] == "given-1"
    assert first.__dict__["component"] == "shop_web"
    assert second.__dict__["request_id"] == seen
    assert third.getMessage() == '127.0.0.1 "- -" 400 bad_request 0.0 ms'


@pytest.mark.parametrize(("setting", "lines"), [("off", 0), ("0", 0), ("0.25", 5), ("1", 20)])
async def test_a_share_of_the_requests_is_logged(caplog: pytest.LogCaptureFixture, setting: str, lines: int) -> None:
    caplog.set_level(logging.INFO, logger="maelstrom.access")
    async with world(access=AccessLog.of(setting)) as gate:
        await gate.component(friendly)
        caller = await gate.caller()
        for _ in range(20):
            await caller.ask(GET)
    assert len([record for record in caplog.records if record.name == "maelstrom.access"]) == lines


@pytest.mark.parametrize("setting", ["some", "1.5", "-1", "nan"])
def test_another_setting_of_the_access_log_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        AccessLog.of(setting)
