"""HTTP/2 of hostile clients: each attack has a defined answer, and costs little."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hpack import Encoder

from maelstrom.gateway.http2.clients import MAX_STREAMS
from maelstrom.gateway.http2.frames import PREFACE
from tests.integration.gateway.secure import AUTHORITY, Secure, secure_world
from tests.integration.gateway.world import Conversation, friendly
from tests.support.http2 import Headers, Http2Caller
from tests.support.http2_noise import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH,
    REQUEST,
    RST,
    SETTINGS,
    WINDOW,
    Noise,
    frame,
    nonsense,
    plausible,
)
from tests.support.wait import eventually


@pytest.fixture
async def secure() -> AsyncIterator[Secure]:
    async with secure_world() as made:
        yield made


async def waits(talk: Conversation) -> None:
    await talk.head()
    await talk.gone()


async def ended_with(caller: Http2Caller, data: bytes) -> int | None:
    """The error that the connection ends with for these bytes."""
    caller.writer.write(data)
    goaway = await caller.closed()
    return None if goaway is None or goaway.error_code is None else int(goaway.error_code)


@pytest.mark.parametrize(
    "fields",
    [
        [*REQUEST, (b":path", b"/again")],
        [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.test")],
        [*REQUEST, (b"x", b"y"), (b":late", b"1")],
        [*REQUEST, (b"connection", b"keep-alive, x")],
        [*REQUEST, (b"transfer-encoding", b"chunked")],
        [*REQUEST, (b"te", b"gzip")],
        [*REQUEST, (b"Upper", b"x")],
        [*REQUEST, (b"x", b"a\r\nTransfer-Encoding: chunked")],
        [*REQUEST, (b"x\r\ny", b"a")],
        [*REQUEST, (b"x", b"\x00")],
        [*REQUEST, (b"host", b"other.test")],
        [*REQUEST, (b"content-length", b"1"), (b"content-length", b"2")],
        [*REQUEST, (b"content-length", b"1x")],
        [*REQUEST[:3], (b":path", b"")],
        [*REQUEST, (b":status", b"200")],
    ],
)
async def test_heads_that_break_the_rules_end_the_connection(secure: Secure, fields: Headers) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    caller.send(fields)
    goaway = await caller.closed()
    assert goaway is not None
    assert goaway.error_code == ErrorCodes.PROTOCOL_ERROR
    assert not secure.gate.containers[0].requests


@pytest.mark.parametrize(
    "fields",
    [
        [*REQUEST[:3], (b":path", b"http://other.test/")],
        [*REQUEST[:3], (b":path", b"/a b")],
        [*REQUEST[:3], (b":path", b"*")],
        [(b":method", b"G T"), *REQUEST[1:]],
        [*REQUEST[:2], (b":authority", b"user@a.test"), REQUEST[3]],
        [REQUEST[0], (b":scheme", b"ftp"), *REQUEST[2:]],
        [*REQUEST, (b"content-length", b"5")],
        [*REQUEST, (b"expect", b"magic")],
        [(b":method", b"CONNECT"), (b":authority", b"a.test:1")],
    ],
)
async def test_heads_that_mean_nothing_here_are_answered(secure: Secure, fields: Headers) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    answer = await caller.answer(caller.send(fields))
    assert (answer.status, answer["maelstrom-error"]) == (400, "bad_request")
    assert (await caller.ask()).status == 200
    assert len(secure.gate.containers[0].requests) == 1


@pytest.mark.parametrize("size", [66_000, 100_000])
async def test_heads_that_are_too_large_are_answered_and_the_connection_lives(secure: Secure, size: int) -> None:
    await secure.gate.component(friendly)
    caller = await secure.caller()
    answer = await caller.ask("/", *((f"x-{n}", "y" * 1000) for n in range(size // 1000)))
    assert (answer.status, answer["maelstrom-error"]) == (431, "head_too_large")
    assert (await caller.ask()).status == 200


async def test_heads_that_grow_when_they_are_unpacked_end_the_connection(secure: Secure) -> None:
    caller = await secure.caller()
    encoder = Encoder()
    encoder.encode([(b"x", b"y" * 3000)])
    again = encoder.encode([(b"x", b"y" * 3000)]) * 10_000
    block = Encoder().encode([(b"x", b"y" * 3000)]) + again
    assert await ended_with(caller, frame(HEADERS, block, END_HEADERS | END_STREAM, 1)) == ErrorCodes.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    ("length", "sent"),
    [(b"5", b"abc"), (b"2", b"abc"), (b"0", b"a"), (b"5", None)],
    ids=["less", "more", "any", "none"],
)
async def test_bodies_that_are_not_as_long_as_they_say_reach_no_component_whole(
    secure: Secure, length: bytes, sent: bytes | None
) -> None:
    whole: list[bytes] = []

    async def script(talk: Conversation) -> None:
        whole.append((await talk.message()).body)

    await secure.gate.component(script)
    caller = await secure.caller()
    stream = caller.send([(b":method", b"POST"), *REQUEST[1:], (b"content-length", length)], end=False)
    if sent is None:
        caller.trailers(stream, ("x", "y"))
    else:
        caller.data(stream, sent, end=True)
    await caller.until(lambda: caller.gone or caller.answers[stream].over)
    assert caller.gone or caller.answers[stream].reset == ErrorCodes.PROTOCOL_ERROR
    await secure.gate.at_rest()
    assert whole in ([], [b""])  # nothing but the empty body, where that was what it said


async def test_more_streams_than_allowed_are_refused_one_by_one(secure: Secure) -> None:
    pool = await secure.gate.component(waits, maxconcurrency=1000)
    caller = await secure.caller()
    streams = []
    for _ in range(MAX_STREAMS + 20):
        streams.append(caller.http2.get_next_available_stream_id())
        caller.send(REQUEST)
    await caller.until(lambda: caller.answers[streams[-1]].over)
    refused = [stream for stream in streams if caller.answers[stream].reset == ErrorCodes.REFUSED_STREAM]
    assert refused == streams[MAX_STREAMS:]
    await eventually(lambda: pool.in_flight == MAX_STREAMS)
    caller.close()
    await secure.gate.at_rest()


async def test_rapid_resets_end_the_connection(secure: Secure) -> None:
    """CVE-2023-44487."""
    await secure.gate.component(waits, maxconcurrency=1000)
    caller = await secure.caller()
    block = Encoder().encode(REQUEST)
    attack = b"".join(
        frame(HEADERS, block, END_HEADERS | END_STREAM, 2 * n + 1) + frame(RST, struct.pack("!I", 8), 0, 2 * n + 1)
        for n in range(2000)
    )
    assert await ended_with(caller, attack) == ErrorCodes.ENHANCE_YOUR_CALM
    await secure.gate.at_rest()
    assert secure.gate.containers[0].connections < 300


@pytest.mark.parametrize(
    ("attack", "error"),
    [
        (frame(PING, b"12345678") * 5000, ErrorCodes.ENHANCE_YOUR_CALM),  # CVE-2019-9512
        (frame(SETTINGS, b"") * 5000, ErrorCodes.ENHANCE_YOUR_CALM),  # CVE-2019-9515
        (frame(PRIORITY, bytes(4) + b"\x10", 0, 3) * 5000, ErrorCodes.ENHANCE_YOUR_CALM),  # CVE-2019-9513
        (frame(HEADERS, b"", 0, 1) + frame(CONTINUATION, b"", 0, 1) * 5000, ErrorCodes.ENHANCE_YOUR_CALM),
        (frame(0xEE, b"") * 5000, ErrorCodes.ENHANCE_YOUR_CALM),
        (frame(WINDOW, struct.pack("!I", 0x7FFFFFFF)) * 2, ErrorCodes.FLOW_CONTROL_ERROR),
        (frame(WINDOW, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
        (frame(DATA, b"x", 0, 1), ErrorCodes.PROTOCOL_ERROR),
        (frame(CONTINUATION, b"x", 4, 1), ErrorCodes.PROTOCOL_ERROR),
        (frame(HEADERS, b"\x82", END_HEADERS, 2), ErrorCodes.PROTOCOL_ERROR),
        (frame(HEADERS, b"\x82", END_HEADERS, 0), ErrorCodes.PROTOCOL_ERROR),
        (frame(HEADERS, b"\xff\xff\xff\xff\xff\xff", END_HEADERS, 1), ErrorCodes.PROTOCOL_ERROR),
        (frame(PUSH, bytes(8), END_HEADERS, 1), ErrorCodes.PROTOCOL_ERROR),
        (frame(SETTINGS, b"x"), None),
        (frame(SETTINGS, struct.pack("!HI", 4, 0x80000000)), ErrorCodes.FLOW_CONTROL_ERROR),
        (frame(SETTINGS, struct.pack("!HI", 2, 7)), ErrorCodes.PROTOCOL_ERROR),
        (frame(PING, b"short"), None),
        (b"\x00\x40\x01" + bytes(6), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(GOAWAY, bytes(8), 0, 1), None),
    ],
)
async def test_floods_and_nonsense_end_the_connection(secure: Secure, attack: bytes, error: ErrorCodes | None) -> None:
    caller = await secure.caller()
    told = await ended_with(caller, attack)
    assert told == error if error is not None else told
    assert sum(secure.gate.gateway.stats.http2_failed.values()) == 1
    await eventually(lambda: secure.listener.connections == 0)


async def test_what_is_not_http2_is_refused(secure: Secure) -> None:
    host, port = secure.listener.address
    reader, writer = await asyncio.open_connection(host, port, ssl=AUTHORITY.trust("h2"), server_hostname="a.test")
    writer.write(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    async with asyncio.timeout(5):
        assert b"begin as HTTP/2" in await reader.read(-1)
    writer.close()


async def test_a_client_that_begins_nothing_is_not_waited_for(secure: Secure) -> None:
    host, port = secure.listener.address
    reader, writer = await asyncio.open_connection(host, port, ssl=AUTHORITY.trust("h2"), server_hostname="a.test")
    writer.write(PREFACE[:20])
    await secure.connection()
    secure.gate.pass_time(31)
    async with asyncio.timeout(5):
        await reader.read(-1)
    writer.close()
    await eventually(lambda: secure.listener.connections == 0)


async def test_a_header_block_that_does_not_end_is_not_waited_for(secure: Secure) -> None:
    await secure.gate.component(waits)
    caller = await secure.caller()
    caller.request()
    await eventually(lambda: secure.gate.containers[0].requests)
    connection = await secure.connection()
    caller.writer.write(frame(HEADERS, b"\x82", END_STREAM, 3))
    await eventually(lambda: connection._frames.in_block)
    for seconds in (6, 31):
        secure.gate.pass_time(seconds)
    await caller.closed()


async def test_nothing_is_read_from_a_client_that_reads_nothing(secure: Secure) -> None:
    """So it cannot make us collect what it does not take; and it is not waited for endlessly."""

    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.reply(b"x" * (1 << 25))

    await secure.gate.component(script)
    caller = await secure.caller()
    caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
    caller.http2.increment_flow_control_window(1 << 30)
    stream = caller.request(end=False, method="POST")
    caller.http2.increment_flow_control_window(1 << 30, stream)
    caller.data(stream, b"", end=True)
    connection = await secure.connection()
    await eventually(lambda: connection.blocked)
    caller.writer.write(frame(PING, b"12345678") * 900)
    assert (await (await secure.caller()).ask("/_mael_health_check")).status == 200  # who comes later is served
    assert connection.transport.get_write_buffer_size() < 1 << 20

    def over() -> bool:
        secure.gate.pass_time(61)
        return secure.listener.connections == 0

    await eventually(over)
    await secure.gate.at_rest()


async def test_an_answer_is_not_sent_byte_by_byte_for_ever(secure: Secure) -> None:
    """CVE-2019-9511: each byte's window makes us send a frame."""

    async def script(talk: Conversation) -> None:
        await talk.head()
        talk.reply(b"x" * 100_000)
        await talk.gone()

    await secure.gate.component(script)
    caller = await secure.caller()
    caller.http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
    caller.flush()
    stream = caller.request()
    await caller.headed(stream)
    assert await ended_with(caller, frame(WINDOW, struct.pack("!I", 1), 0, stream) * 5000) == 11
    assert len(caller.answers[stream].body) < 2000
    await secure.gate.at_rest()


@pytest.mark.parametrize("kind", [nonsense, plausible])
@pytest.mark.parametrize("seed", range(2))
async def test_random_frames_never_make_it_fail(secure: Secure, seed: int, kind: Callable[[Noise], bytes]) -> None:
    """The world fails the test for anything that reached the loop's exception handler."""
    noise = Noise(seed)
    await secure.gate.component(friendly, maxconcurrency=1000)
    for _ in range(10):
        caller = await secure.caller()
        noise.begin()
        caller.writer.write(b"".join(kind(noise) for _ in range(40)))
        caller.writer.write(frame(PING, bytes(8), 0, 1))  # an error that ends it
        await caller.drained()
    await secure.gate.at_rest()
    await eventually(lambda: secure.listener.connections == 0)
