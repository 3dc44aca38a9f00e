"""Bodies as pure functions: where they end, however they are cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.gateway.wire.bodies import MAX_SIZE_LINE, MAX_TRAILERS, ChunkedBody, CountedBody
from maelstrom.gateway.wire.lines import REQUEST_LINES, Malformed

REST = b"GET / HTTP/1.1\r\n"


def fed(body: ChunkedBody | CountedBody, data: bytes, cuts: list[int]) -> tuple[bytes, bytes | None]:
    """All that goes on, and what follows."""
    out = b""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for n, (begin, end) in enumerate(pairwise(edges)):
        piece, rest = body.feed(data[begin:end])
        out += piece
        if rest is not None:
            return out, rest + data[edges[n + 1] :]
    return out, None


chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
cuts = st.lists(st.integers(min_value=0, max_value=10_000), max_size=12)


@given(chunks=chunks, cuts=cuts, extended=st.booleans(), trailer=st.booleans())
def test_a_chunked_body_ends_where_it_ends(chunks: list[bytes], cuts: list[int], extended: bool, trailer: bool) -> None:
    extension = b';a="b\\r\\n"' if extended else b""
    trailers = b"X-Sum: 1\r\nContent-Length: 9\r\n" if trailer else b""
    pieces = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    data = b"".join(pieces) + b"0" + extension + b"\r\n" + trailers + b"\r\n"
    canonical = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n"
    canonical += (b"X-Sum: 1\r\n" if trailer else b"") + b"\r\n"
    body = ChunkedBody(REQUEST_LINES)
    assert fed(body, data + REST, cuts) == (canonical, REST)
    assert body.size == sum(map(len, chunks))
    assert fed(ChunkedBody(REQUEST_LINES, decode=True), data + REST, cuts) == (b"".join(chunks), REST)


@given(data=st.binary(min_size=1, max_size=100), cuts=cuts)
def test_a_counted_body_ends_where_it_ends(data: bytes, cuts: list[int]) -> None:
    body = CountedBody(len(data))
    assert fed(body, data + REST, cuts) == (data, REST)
    assert body.size == len(data)


@given(data=st.binary(max_size=60), cuts=cuts)
def test_nothing_is_passed_on_of_a_line_that_is_not_complete(data: bytes, cuts: list[int]) -> None:
    """Whatever comes: it is refused, or what went on so far is well-formed up to its last byte."""
    body = ChunkedBody(REQUEST_LINES)
    try:
        out, _ = fed(body, b"5\r\nabcde\r\n" + data, cuts)
    except Malformed:
        return
    again = ChunkedBody(REQUEST_LINES)
    assert again.feed(out)[0] == out


tokens = st.sampled_from(
    (b"0", b"1", b"a", b"00", b"+", b"_", b" ", b";x", b"\r\n", b"\r", b"\n", b"X: y", b"1\r\nx\r\n")
)


@given(data=st.lists(tokens, max_size=12).map(b"".join), decode=st.booleans())
def test_chunks_that_come_whole_are_read_as_those_that_come_byte_by_byte(data: bytes, decode: bool) -> None:
    whole, slow = (ChunkedBody(REQUEST_LINES, decode=decode) for _ in range(2))
    try:
        expected = fed(slow, data, list(range(len(data))))
    except Malformed:
        with pytest.raises(Malformed):
            whole.feed(data)
        return
    assert (*whole.feed(data), whole.size) == (*expected, slow.size)


def test_an_unchanged_piece_is_not_copied() -> None:
    body = ChunkedBody(REQUEST_LINES)
    data = b"3e8\r\n" + bytes(900)
    assert body.feed(data)[0] is data
    more = bytes(50)
    assert body.feed(more)[0] is more


@pytest.mark.parametrize(
    "data",
    [
        b"g\r\n",
        b"\r\n",
        b"5\n",
        b"1\r\nab",
        b"1\r\na\n",
        b"1;\x00\r\n",
        b"1" * 16 + b"\r\n",
        b"1;" + b"x" * MAX_SIZE_LINE,
        b"1;" + b"x" * MAX_SIZE_LINE + b"\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\nX: " + b"y" * MAX_TRAILERS,
        b"0\r\n" + b"X: y\r\n" * 4000,
    ],
)
def test_what_is_not_clear_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        ChunkedBody(REQUEST_LINES).feed(data)
    with pytest.raises(Malformed):
        fed(ChunkedBody(REQUEST_LINES), data, list(range(len(data))))


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "Host",
        "Transfer-Encoding",
        "Set-Cookie",
        "AUTHORIZATION",
        "Maelstrom-Error",
        "X_Forwarded_For",
    ],
)
def test_fields_that_no_trailer_may_carry_are_dropped(name: str) -> None:
    value = "chunked" if name.startswith("Transfer") else "5"
    out, rest = ChunkedBody(REQUEST_LINES).feed(f"0\r\n{name}: {value}\r\nX-Kept: 1\r\n\r\n".encode())
    assert (out, rest) == (b"0\r\nX-Kept: 1\r\n\r\n", b"")
