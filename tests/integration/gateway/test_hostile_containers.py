"""Containers that mean harm: what they send costs them their own request, and nothing else."""

from __future__ import annotations

import pytest

from tests.integration.gateway.world import GET, Conversation, World

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 \r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
async def test_interim_answers_without_end_are_no_answer(gate: World, interim: bytes) -> None:
    async def flood(talk: Conversation) -> None:
        await talk.head()
        talk.send(interim * 5000 + OK)
        await talk.gone()

    await gate.component(flood)
    caller = await gate.caller()
    caller.send(GET)
    answer = await caller.answer()
    while answer.status < 200:
        answer = await caller.answer()
    assert (answer.status, answer.code) == (502, "upstream_broken")
    await gate.at_rest()


async def test_a_head_whose_lines_do_not_end_in_crlf_is_refused_at_once(gate: World) -> None:
    async def old(talk: Conversation) -> None:
        await talk.head()
        talk.send(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
        await talk.gone()

    await gate.component(old)
    assert (await gate.ask(GET)).code == "upstream_broken"
    await gate.at_rest()


async def test_a_number_of_interim_answers_that_a_component_may_need_is_passed_on(gate: World) -> None:
    async def patient(talk: Conversation) -> None:
        for _ in range(2):  # they count for each request
            await talk.head()
            talk.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 60 + OK)

    await gate.component(patient)
    caller = await gate.caller()
    for _ in range(2):
        answers = [await caller.ask(GET)]
        while answers[-1].status < 200:
            answers.append(await caller.answer())
        assert [answer.status for answer in answers] == [102] * 60 + [200]
