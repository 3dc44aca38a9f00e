"""Whatever a pattern reads, the head's own reader reads alike; what it does not fit is left to that."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maelstrom.gateway.wire.heads import RequestHead, request_head
from maelstrom.gateway.wire.lines import Malformed
from maelstrom.gateway.wire.patterns import Pattern

NAMES = ("Host", "X-Request-Id", "Cookie", "Authorization", "X-A", "Connection", "Content-Length", "TE", "Expect",
         "Transfer-Encoding", "Keep-Alive", "Upgrade", "X-Forwarded-For", "Maelstrom-Component", "Accept")  # fmt: skip
VALUES = ("shop.example", "keep-alive", "close", "upgrade", "12", "0", "chunked", "trailers", "100-continue", "", " a ",
          "x" * 300, "id-7", "not\x01sane", "é", "a, b", "X-A", "websocket", "not sane", "\tt")  # fmt: skip
FIRSTS = ("GET / HTTP/1.1", "POST /a?b=c HTTP/1.1", "GET /long/" + "y" * 400 + " HTTP/1.1", "GET / HTTP/1.0",
          "GET http://shop.example/ HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT a:1 HTTP/1.1",
          "GET  / HTTP/1.1")  # fmt: skip

line = st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)).map(": ".join)
heads = st.tuples(st.sampled_from(FIRSTS), st.lists(line, max_size=6))


def written(head: tuple[str, list[str]]) -> bytes:
    return "\r\n".join([head[0], *head[1], "", ""]).encode("latin-1")


def known(head: RequestHead | None) -> tuple[object, ...] | None:
    if head is None:
        return None
    first = (head.first.method, head.first.target, head.first.path, head.first.authority, head.first.flags)
    return head.end, first, head.flags, head.length, head.host, head.lines, head.special, head.request_id


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A head, and one that is mostly like it: another first line, other values or lines, bytes broken."""
    first, lines = draw(heads)
    lines = ["Host: shop.example", *lines]
    others = [draw(line) if draw(st.integers(0, 4)) == 0 else each for each in lines]
    others = [
        f"{each.partition(':')[0]}:{draw(st.sampled_from(VALUES))}" if draw(st.booleans()) else each for each in others
    ]
    other = bytearray(written((draw(st.sampled_from(FIRSTS)) if draw(st.booleans()) else first, others)))
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(other) - 1))
        other[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return written((first, lines)), bytes(other) + draw(st.sampled_from((b"", b"body", b"\r\n\r\n")))


TWO_IDS = b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: shop.1\r\nX-Request-Id: shop.2\r\n\r\n"  # neither counts


@given(pairs())
@example((TWO_IDS, TWO_IDS))
@example((b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 2\r\n\r\nGET"))
def test_what_a_pattern_reads_is_what_the_head_says(pair: tuple[bytes, bytes]) -> None:
    raw, other = pair
    try:
        head = request_head(raw)
    except Malformed:
        return
    assert head is not None, "written whole"
    pattern = Pattern.of(raw, head)
    if pattern is None:
        return
    assert known(pattern.read(raw)) in (known(head), None)
    try:
        read = pattern.read(other)
    except Malformed:
        with pytest.raises(Malformed):
            request_head(other)
        return
    if read is not None:
        assert known(read) == known(request_head(other))


def test_ids_cookies_and_targets_may_differ() -> None:
    def raw(n: int) -> bytes:
        lines = ["Host: shop.example", "Connection: keep-alive", f"X-Request-Id: {n:040d}", "Cookie: " + f"{n}" * 300]
        return written((f"GET /item/{n} HTTP/1.1", lines))

    head = request_head(raw(1))
    assert head is not None
    pattern = Pattern.of(raw(1), head)
    assert pattern is not None

    for n in range(2, 50):
        read = pattern.read(raw(n) + b"next")
        assert read is not None
        assert known(read) == known(request_head(raw(n) + b"next"))


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: shop.example", "Connection: close"],
        ["Host: shop.example", "Upgrade: websocket", "Connection: upgrade"],
        ["Host: shop.example", "X-Forwarded-For: 1.2.3.4"],
        ["Host: shop.example", *(f"X-{n}: " + "v" * 300 for n in range(5))],
    ],
)
def test_heads_of_another_kind_have_none(lines: list[str]) -> None:
    raw = written(("GET / HTTP/1.1", lines))
    head = request_head(raw)
    assert head is not None
    assert Pattern.of(raw, head) is None
