"""Heads as pure functions: what they mean, and that remembering lines does not change it."""

from __future__ import annotations

import pytest

from maelstrom.gateway.wire.answer_heads import AnswerHead, answer_head
from maelstrom.gateway.wire.first_lines import (
    F_CHUNKED,
    F_EXPECT,
    F_HEAD,
    F_ID,
    F_IDEMPOTENT,
    F_KEEP,
    F_NO_HOST,
    F_OLD,
    F_UPGRADE,
    FIRST_LINES,
)
from maelstrom.gateway.wire.heads import RequestHead, request_head
from maelstrom.gateway.wire.lines import (
    ANSWER_LINES,
    DEADLINE,
    FORWARDED_FOR,
    FORWARDED_OTHER,
    MAX_HEAD,
    REQUEST_LINES,
    Malformed,
)


def asked(text: str) -> RequestHead:
    head = request_head(text.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n")
    assert head is not None
    return head


def answered(text: str) -> AnswerHead:
    head = answer_head(text.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n")
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("GET / HTTP/1.1\nHost: a", F_KEEP | F_IDEMPOTENT),
        ("HEAD / HTTP/1.1\nHost: a", F_KEEP | F_IDEMPOTENT | F_HEAD),
        ("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", F_KEEP | F_CHUNKED),
        ("POST / HTTP/1.1\nHost: a\nContent-Length: 3\nExpect: 100-Continue", F_KEEP | F_EXPECT),
        ("GET / HTTP/1.1\nHost: a\nX-Request-Id: 1\nConnection: keep-alive", F_KEEP | F_IDEMPOTENT | F_ID),
        ("GET / HTTP/1.1\nConnection: keep-alive\nHost: a", F_KEEP | F_IDEMPOTENT),
        ("GET / HTTP/1.1\nHost: a\nConnection: close", F_IDEMPOTENT),
        ("GET / HTTP/1.1\nHost: a\nConnection: keep-alive, Close", F_IDEMPOTENT),
        ("GET / HTTP/1.1\nHost: a\nConnection: upgrade\nUpgrade: x", F_KEEP | F_IDEMPOTENT | F_UPGRADE),
        ("GET / HTTP/1.1\nHost: a\nUpgrade: x", F_KEEP | F_IDEMPOTENT),
        ("GET / HTTP/1.0", F_IDEMPOTENT | F_OLD | F_NO_HOST),
        ("GET / HTTP/1.0\nHost: a\nConnection: keep-alive", F_IDEMPOTENT | F_OLD | F_KEEP),
    ],
)
def test_flags_of_requests(text: str, flags: int) -> None:
    assert asked(text).flags == flags
    assert asked(text).flags == flags  # now that its lines are known


@pytest.mark.parametrize(
    ("text", "code", "flags", "length"),
    [
        ("HTTP/1.1 200 OK\nContent-Length: 5", 200, F_KEEP, 5),
        ("HTTP/1.1 200\nContent-Length: 5\nConnection: keep-alive", 200, F_KEEP, 5),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", 200, F_KEEP | F_CHUNKED, -1),
        ("HTTP/1.1 200 OK\nConnection: close", 200, 0, -1),
        ("HTTP/1.0 200 OK\nContent-Length: 5", 200, F_OLD, 5),
        ("HTTP/1.0 200 OK\nContent-Length: 5\nConnection: Keep-Alive", 200, F_OLD | F_KEEP, 5),
        ("HTTP/1.1 101 X\nConnection: upgrade\nUpgrade: x", 101, F_KEEP | F_UPGRADE, -1),
        ("HTTP/1.1 204 No Content\nContent-Length: 5", 204, F_KEEP, -1),
        ("HTTP/1.1 304 Not Modified\nContent-Length: 5", 304, F_KEEP, 5),
    ],
)
def test_flags_of_answers(text: str, code: int, flags: int, length: int) -> None:
    for _ in range(2):
        head = answered(text)
        assert (head.code, head.flags, head.length) == (code, flags, length)


def test_what_needs_no_change_is_not_copied_anew() -> None:
    head = answered("HTTP/1.1 200 OK\nContent-Length: 5\nX: y")
    assert head.unchanged
    assert head.head == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n"
    assert head.whole == head.end + 5
    assert not answered("HTTP/1.0 200 OK\nContent-Length: 5").unchanged
    assert answered("HTTP/1.1 304 OK\nContent-Length: 5").whole == -1


def test_lines_that_the_gateway_reads_itself_do_not_go_on() -> None:
    head = asked("GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 1\nX: y\nx-forwarded-for: 2\nX-Forwarded-Port: 3\n"
                 "maelstrom-deadline: 7")  # fmt: skip
    assert head.lines == b"Host: a\r\nX: y\r\n"
    assert head.special == {FORWARDED_FOR: [b"1", b"2"], FORWARDED_OTHER: [b"X-Forwarded-Port: 3"], DEADLINE: [b"7"]}


def test_an_incomplete_head_is_waited_for() -> None:
    whole = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
    for end in range(len(whole)):
        assert request_head(whole[:end]) is None
    head = request_head(whole + b"rest")
    assert head is not None
    assert head.end == len(whole)


def test_a_head_may_be_just_as_long_as_it_may_be() -> None:
    begin = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    longest = begin + b"v" * (MAX_HEAD - len(begin) - 4) + b"\r\n\r\n"
    assert request_head(longest) is not None
    for data in (longest[:-4] + b"v\r\n\r\n", longest[:-4] + b"vv"):
        with pytest.raises(Malformed) as refused:
            request_head(data)
        assert refused.value.code == "head_too_large"


def test_the_memories_do_not_grow_with_what_clients_send() -> None:
    for n in range(20_000):
        request_head(b"GET /%d HTTP/1.1\r\nHost: h%d\r\nX-%d: %d\r\nContent-Length: %d\r\n\r\n" % (n, n, n, n, n))
        answer_head(b"HTTP/1.1 200 R%d\r\nContent-Length: %d\r\n\r\n" % (n, n))
    assert max(map(len, (REQUEST_LINES, ANSWER_LINES, FIRST_LINES))) <= 4096
    secret = b"Cookie: secret=1"
    request_head(b"GET / HTTP/1.1\r\nHost: a\r\n" + secret + b"\r\n\r\n")
    assert secret not in REQUEST_LINES
    long = b"X: " + b"v" * 300
    request_head(b"GET / HTTP/1.1\r\nHost: a\r\n" + long + b"\r\n\r\n")
    assert long not in REQUEST_LINES


def test_long_names_are_not_remembered() -> None:
    for n in range(100):
        name = b"X-%d-" % n + b"n" * 50_000
        request_head(b"GET / HTTP/1.1\r\nHost: a\r\n" + name + b": y\r\n\r\n")
        answer_head(b"HTTP/1.1 200 OK\r\n" + name + b": y\r\nContent-Length: 0\r\n\r\n")
    for lines in (REQUEST_LINES, ANSWER_LINES):
        assert max(map(len, lines._names)) <= 64


def test_an_id_is_found_again() -> None:
    assert asked("GET / HTTP/1.1\nHost: a\nx-request-ID:  abc").request_id == b"abc"
    assert asked("GET / HTTP/1.1\nHost: a\nX-Request-Id: a b").request_id == b""
