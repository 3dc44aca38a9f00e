"""Answers on their way to the client: the same bytes however they come, and a connection that is fit for the next."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.fuzz.wires import Wires

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def answered(answer: bytes, *cuts: int) -> tuple[bytes, bool]:
    """(what the client got, whether the container's connection may be used again); the answer comes cut like that."""
    wires = Wires()
    client, wire = wires.connect()
    client.data_received(GET)
    link = next(link for link in wires.links if link.exchange is client.exchange)
    for begin, end in pairwise([0, *cuts, len(answer)]):
        link.data_received(answer[begin:end])
    kept = link in wires.instance.idle
    client.connection_lost(None)
    return wire.written, kept


@pytest.mark.parametrize(
    "body", [b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n00a\r\n0123456789\r\n0\r\n\r\n"]
)
async def test_a_chunked_answer_goes_on_as_it_came_however_it_is_cut(body: bytes) -> None:
    answer = CHUNKED + body
    assert answered(answer) == (answer, True)
    for cut in range(1, len(answer)):
        assert answered(answer, cut) == (answer, True)


async def test_what_means_nothing_to_the_client_is_taken_off_a_chunked_answer() -> None:
    said = CHUNKED.replace(b"Server: x", b"Connection: keep-alive")
    body = b"5\r\nhello\r\n0\r\n\r\n"
    assert answered(said + body) == (CHUNKED.replace(b"Server: x\r\n", b"") + body, True)
    assert answered(CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX: y\r\nContent-Length: 1\r\n\r\n") == (
        CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        True,
    )


async def test_what_follows_a_chunked_answer_is_not_passed_on_and_the_connection_not_used_again() -> None:
    answer = CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"
    assert answered(answer + answer) == (answer, False)
    assert answered(answer + b"0\r\n\r\n") == (answer, False)


async def test_an_answer_without_a_body_has_none_though_it_looks_chunked() -> None:
    head = CHUNKED.replace(b"200 OK", b"304 Not Modified")
    assert answered(head) == (head, True)
    assert answered(head + b"0\r\n\r\n") == (head, False)


@pytest.mark.parametrize("size", [b"+5", b" 5", b"5 ", b"0x5", b"0_5", b"5\t", b"", b"0" * 15 + b"5", b"5\r", b"-5"])
async def test_a_chunk_whose_size_could_be_read_otherwise_is_refused(size: bytes) -> None:
    got, kept = answered(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n")
    assert b"\r\nMaelstrom-Error: upstream_broken\r\n" in got
    assert not kept
