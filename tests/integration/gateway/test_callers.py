"""Who may call whom on the internal listener."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from maelstrom.gateway.doorkeeper import MAX_WAITING
from maelstrom.model.component import ComponentKey
from tests.integration.gateway.world import CONTAINER, Message, World, friendly, request
from tests.support.wait import eventually

ASK = request("GET / HTTP/1.1\nHost: a\nMaelstrom-Component: shop_web")
BY_ROUTE = request("GET / HTTP/1.1\nHost: a")


async def ask(gate: World, data: bytes = ASK) -> Message:
    return await (await gate.caller(gate.internal, CONTAINER)).ask(data)


async def test_components_of_its_own_project_may_and_those_of_others_may_not(gate: World) -> None:
    await gate.component(friendly)
    assert (await ask(gate)).status == 200
    gate.book.addresses[CONTAINER] = ComponentKey("bank", "desk")
    for data in (ASK, BY_ROUTE):
        answer = await ask(gate, data)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert b"bank_desk may not call shop_web" in answer.body
    assert len(gate.containers[0].requests) == 1
    assert (await gate.ask(BY_ROUTE)).status == 200, "the public listener asks nobody who he is"


@pytest.mark.parametrize("allow", ["bank", "bank_desk", "Bank/Desk", "*"])
async def test_others_may_where_they_are_allowed(gate: World, allow: str) -> None:
    await gate.component(friendly, allow=("other", allow))
    gate.book.addresses[CONTAINER] = ComponentKey("bank", "desk")
    assert (await ask(gate)).status == 200


@pytest.mark.parametrize("allow", ["bank_vault", "bank/vault", "desk", "ban"])
async def test_names_that_are_like_theirs_do_not_help(gate: World, allow: str) -> None:
    await gate.component(friendly, allow=(allow,))
    gate.book.addresses[CONTAINER] = ComponentKey("bank", "desk")
    assert (await ask(gate)).code == "forbidden"


async def test_strangers_may_only_where_anybody_may(gate: World, caplog: pytest.LogCaptureFixture) -> None:
    await gate.component(friendly)
    await gate.component(friendly, name="open", prefix="", allow=("*",))
    del gate.book.addresses[CONTAINER]
    for _ in range(3):
        assert (await ask(gate)).code == "forbidden"
    assert caplog.text.count(f"{CONTAINER} may not call shop_web: refused") == 1, "not once per request"
    assert (await ask(gate, ASK.replace(b"shop_web", b"shop_open"))).status == 200


async def test_the_host_s_own_programs_may_call_all(gate: World) -> None:
    await gate.component(friendly)
    gate.book.addresses.clear()
    assert (await (await gate.caller(gate.internal)).ask(ASK)).status == 200


async def test_where_callers_come_with_other_addresses_all_are_strangers(gate: World) -> None:
    await gate.component(friendly)
    gate.gateway.doorkeeper.by_address = False
    assert (await ask(gate)).code == "forbidden"


async def test_a_connection_is_refused_request_by_request_and_by_what_is_allowed_now(gate: World) -> None:
    pool = await gate.component(friendly)
    gate.book.addresses[CONTAINER] = ComponentKey("bank", "desk")
    caller = await gate.caller(gate.internal, CONTAINER)
    assert (await caller.ask(ASK)).code == "forbidden"
    component = pool.component
    pool.component = replace(component, definition=component.definition.model_copy(update={"allow": ("bank",)}))
    gate.gateway.set_routes(gate.gateway.routes)
    assert (await caller.ask(BY_ROUTE)).status == 200
    assert (await caller.ask(BY_ROUTE)).status == 200
    pool.component = component
    gate.gateway.set_routes(gate.gateway.routes)
    assert (await caller.ask(BY_ROUTE)).code == "forbidden"


async def test_a_container_that_calls_before_its_address_is_known_is_waited_for(gate: World) -> None:
    await gate.component(friendly)
    key = gate.book.addresses.pop(CONTAINER)
    gate.book.settled = False
    asking = asyncio.create_task(ask(gate))
    await eventually(lambda: gate.internal.connections)
    done, _ = await asyncio.wait((asking,), timeout=0.05)
    assert not done
    gate.book.addresses[CONTAINER] = key
    assert (await asking).status == 200


async def test_nobody_is_waited_for_longer_than_the_engine_may_need(gate: World) -> None:
    await gate.component(friendly)
    gate.book.addresses.clear()
    gate.book.settled = False
    asking = asyncio.create_task(ask(gate))
    await eventually(lambda: gate.internal.connections)
    gate.pass_time(6)
    assert (await asking).code == "forbidden"


async def test_a_caller_who_leaves_while_it_is_looked_up_leaves_nothing(gate: World) -> None:
    gate.book.addresses.clear()
    gate.book.settled = False
    caller = await gate.caller(gate.internal, CONTAINER)
    await eventually(lambda: gate.internal.connections)
    caller.reset()
    gate.book.settled = True
    await eventually(lambda: not gate.internal.connections)


async def test_refusals_are_in_the_log_with_their_names(gate: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "maelstrom.gateway")
    await gate.component(friendly)
    gate.book.addresses[CONTAINER] = ComponentKey("bank", "desk")
    await ask(gate)
    (record,) = [record for record in caplog.records if "may not call" in record.getMessage()]
    assert (record.__dict__["caller"], record.__dict__["component"]) == ("bank_desk", "shop_web")


async def test_only_so_many_are_waited_for_at_a_time(gate: World) -> None:
    await gate.component(friendly)
    gate.book.settled = False
    gate.book.addresses.clear()
    crowd = [await gate.caller(gate.internal, CONTAINER) for _ in range(MAX_WAITING)]
    await eventually(lambda: gate.internal.connections == MAX_WAITING)
    assert (await ask(gate)).code == "forbidden", "at once"
    gate.book.addresses[CONTAINER] = ComponentKey("shop", "caller")
    assert (await crowd[0].ask(ASK)).status == 200
    await eventually(lambda: not gate.gateway.doorkeeper._waiting)
