"""Heads of HTTP/2 written down as HTTP/1.1 say the same, and what would say something else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.gateway.grpc import status_answer
from maelstrom.gateway.http2.heads import answer_fields, answer_text, last_chunk, request_fields, request_text
from maelstrom.gateway.wire.answer_heads import answer_head
from maelstrom.gateway.wire.first_lines import F_CHUNKED
from maelstrom.gateway.wire.heads import request_head
from maelstrom.gateway.wire.lines import Malformed
from maelstrom.model.errors import Deadline, NoRoute, QueueFull

Fields = list[tuple[bytes, bytes]]


def asked(*extra: tuple[bytes, bytes], **pseudo: bytes) -> Fields:
    values = {"method": b"GET", "scheme": b"https", "authority": b"a.test", "path": b"/"} | pseudo
    return [(b":" + name.encode(), value) for name, value in values.items() if value != b"-"] + list(extra)


def test_a_request_is_written_down() -> None:
    text = request_text(asked((b"accept", b"*/*"), (b"cookie", b"a"), (b"cookie", b"b"), path=b"/x?y"), ended=True)
    assert text.head == b"GET /x?y HTTP/1.1\r\nHost: a.test\r\naccept: */*\r\ncookie: a; b\r\n\r\n"
    assert (text.length, text.chunked) == (-1, False)


@pytest.mark.parametrize(
    ("extra", "ended", "length", "chunked"),
    [
        ((), True, -1, False),
        ((), False, -1, True),
        (((b"content-length", b"0"),), True, 0, False),
        (((b"content-length", b"5"),), False, 5, False),
    ],
)
def test_the_framing_of_a_body_is_said(extra: Fields, ended: bool, length: int, chunked: bool) -> None:
    text = request_text(asked(*extra, method=b"POST"), ended=ended)
    assert (text.length, text.chunked) == (length, chunked)
    head = request_head(text.head)
    assert head is not None
    assert (head.length, bool(head.flags & F_CHUNKED), head.end) == (length, chunked, len(text.head))


@pytest.mark.parametrize(
    "fields",
    [
        asked(method=b"CONNECT"),
        asked(method=b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\nGET"),
        asked(method=b"GET /a"),
        asked(method=b""),
        asked(path=b""),
        asked(path=b"*"),
        asked(path=b"x"),
        asked(path=b"http://other.test/"),
        asked(path=b"/a b"),
        asked(path=b"/a HTTP/1.1\r\nX: y"),
        asked(path=b"/a#b"),
        asked(path=b"/\xff"),
        asked(scheme=b"ftp"),
        asked(scheme=b"-"),
        asked(authority=b"-"),
        asked(authority=b""),
        asked(authority=b"a\r\nX: y"),
        asked((b"host", b"other.test")),
        asked((b"host", b"a.test"), (b"host", b"a.test")),
        asked((b"content-length", b"1")),
        asked((b"content-length", b"0"), (b"content-length", b"0")),
        asked((b"content-length", b"+0")),
        asked((b"content-length", b"")),
        asked((b"connection", b"close")),
        asked((b"transfer-encoding", b"chunked")),
        asked((b"upgrade", b"x")),
        asked((b"keep-alive", b"x")),
        asked((b"http2-settings", b"x")),
        asked((b"Accept", b"x")),
        asked((b"a b", b"x")),
        asked((b"a:b", b"x")),
        asked((b"", b"x")),
        asked((b"x", b"a\nb")),
        asked((b"x", b"a\rb")),
        asked((b"x", b"a\x00b")),
        asked((b"x", b" a")),
        asked((b"x", b"a\t")),
        [*asked(), (b":protocol", b"websocket")],
    ],
)
def test_what_would_be_another_request_is_refused(fields: Fields) -> None:
    with pytest.raises(Malformed):
        request_text(fields, ended=True)


@pytest.mark.parametrize("authority", [b"user@a.test", b"a.test/x", b"a,b", b"[::1", b"a:99999999"])
def test_an_authority_that_is_no_host_is_refused_by_the_reader_of_http1(authority: bytes) -> None:
    with pytest.raises(Malformed):
        request_head(request_text(asked(authority=authority), ended=True).head)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from([b"a", b"cookie", b"host", b"te", b"content-length"]), st.binary(max_size=8)),
            st.one_of(st.sampled_from([b"1", b"a.test", b"trailers", b""]), st.binary(max_size=12)),
        ),
        max_size=5,
    ),
    st.sampled_from([b"GET", b"POST", b"G\r\nT", b"OPTIONS"]) | st.binary(max_size=5),
    st.sampled_from([b"/", b"*", b"/x?y=%20"]) | st.binary(max_size=8),
    st.sampled_from([b"a.test", b"[::1]:80", b""]) | st.binary(max_size=8),
    st.booleans(),
)
def test_whatever_is_written_down_is_read_as_one_head_or_refused(
    extra: Fields, method: bytes, path: bytes, authority: bytes, ended: bool
) -> None:
    try:
        text = request_text(asked(*extra, method=method, path=path, authority=authority), ended=ended)
        head = request_head(text.head)
    except Malformed:
        return
    assert head is not None
    assert head.end == len(text.head)
    assert (head.first.method, head.first.target, head.host) == (method, path, authority)
    assert (head.length, bool(head.flags & F_CHUNKED)) == (text.length, text.chunked)


def test_a_request_that_goes_on_is_written_as_fields() -> None:
    head = b"POST /x HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: Upgrade\r\nUpgrade: ws\r\nX-A:  b \r\n"
    assert request_fields(head) == [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":authority", b"h"),
        (b":path", b"/x"),
        (b"te", b"trailers"),
        (b"x-a", b"b"),
    ]


@pytest.mark.parametrize(
    ("fields", "ended", "bodiless", "framing"),
    [
        ([(b":status", b"200")], True, False, b"Content-Length: 0\r\n"),
        ([(b":status", b"200")], False, False, b"Transfer-Encoding: chunked\r\n"),
        ([(b":status", b"200"), (b"content-length", b"3")], False, False, b"Content-Length: 3\r\n"),
        ([(b":status", b"200"), (b"content-length", b"3")], True, True, b"Content-Length: 3\r\n"),
        ([(b":status", b"200")], True, True, b""),
        ([(b":status", b"204")], True, False, b""),
        ([(b":status", b"304"), (b"content-length", b"3")], True, False, b"Content-Length: 3\r\n"),
        ([(b":status", b"103")], False, False, b""),
    ],
)
def test_an_answer_is_written_down_with_its_framing(
    fields: Fields, ended: bool, bodiless: bool, framing: bytes
) -> None:
    text, chunked = answer_text(fields, ended=ended, bodiless=bodiless)
    assert text == b"HTTP/1.1 %b \r\n%b\r\n" % (fields[0][1], framing)
    assert chunked == (b"chunked" in framing)
    assert answer_head(text) is not None


def test_lengths_of_grpc_make_room_for_its_trailers() -> None:
    fields = [(b":status", b"200"), (b"content-type", b"application/grpc+proto"), (b"content-length", b"3")]
    text, chunked = answer_text(fields, ended=False, bodiless=False)
    assert chunked
    assert b"ength" not in text


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b":status", b"")],
        [(b":status", b"101")],
        [(b":status", b"20")],
        [(b":status", b"200\r\n")],
        [(b":status", b"200"), (b"content-length", b"1")],
        [(b":status", b"200"), (b"x", b"a\r\nb")],
        [(b":status", b"200"), (b"transfer-encoding", b"chunked")],
    ],
)
def test_what_would_be_another_answer_is_refused(fields: Fields) -> None:
    with pytest.raises(Malformed):
        answer_text(fields, ended=True, bodiless=False)


def test_trailers_are_lines_or_nothing() -> None:
    assert last_chunk([(b"a", b"b")]) == b"0\r\na: b\r\n\r\n"
    for name, value in ((b"a", b"b\r\n"), (b"A", b"b"), (b"", b"b"), (b"connection", b"x")):
        with pytest.raises(Malformed):
            last_chunk([(name, value)])


@pytest.mark.parametrize(
    ("error", "status"), [(Deadline("late"), b"4"), (QueueFull("full"), b"8"), (NoRoute("no"), b"12")]
)
def test_errors_as_grpc_tells_them(error: Deadline, status: bytes) -> None:
    head = answer_fields(status_answer(error, reason=True) + b"\r\n")
    assert head is not None
    fields = dict(head.fields)
    assert (head.code, fields[b"grpc-status"], fields[b"content-type"]) == (200, status, b"application/grpc")
    assert fields[b"maelstrom-error"].decode() == error.code
    assert b"late" not in dict(answer_fields(status_answer(error, reason=False) + b"\r\n").fields)[b"grpc-message"]  # type: ignore[union-attr]


def test_messages_of_grpc_are_escaped_and_short() -> None:
    head = answer_fields(status_answer(Deadline("5 % of ü\r\nx: y" + "z" * 5000), reason=True) + b"\r\n")
    assert head is not None
    message = dict(head.fields)[b"grpc-message"]
    assert message.startswith(b"deadline: 5 %25 of %C3%BC%0D%0Ax: yzz")
    assert len(message) < 400
