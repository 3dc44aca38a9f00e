"""Answers that are read to their end: where that is, what is kept of them, and what is refused."""

from __future__ import annotations

import pytest

from maelstrom.gateway.wire.answer_reader import INTERIMS_MAX, AnswerReader
from maelstrom.model.errors import UpstreamBroken

COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def read(*pieces: bytes, method: str = "POST", most: int = 100) -> tuple[AnswerReader, bool]:
    """The reader, and whether the last piece was the answer's end."""
    reader = AnswerReader(method, most)
    ends = [reader.feed(piece) for piece in pieces]
    assert not any(ends[:-1])
    return reader, ends[-1]


@pytest.mark.parametrize(("answer", "status"), [(COUNTED, 200), (CHUNKED, 201), (EARLY + EARLY + COUNTED, 200)])
def test_answers_are_the_same_however_they_are_cut(answer: bytes, status: int) -> None:
    bytewise = [answer[i : i + 1] for i in range(len(answer))]
    for pieces in ([answer], bytewise, *([answer[:i], answer[i:]] for i in range(1, len(answer)))):
        reader, ended = read(*pieces)
        assert (ended, reader.status, reader.body, reader.size, reader.keep) == (True, status, b"hello", 5, True)


def test_of_repeated_headers_the_first_counts_and_those_of_the_connection_are_left_out() -> None:
    reader, _ = read(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\nX-A:  \xe9 \r\nx-a: 2\r\n\r\n")
    assert reader.headers == {"content-length": "0", "x-a": "\xe9"}
    assert not reader.keep


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_answers_without_a_body_end_with_their_head(method: str, answer: bytes) -> None:
    reader, ended = read(answer, method=method)
    assert (ended, reader.body, reader.keep) == (True, b"", True)


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    reader, ended = read(b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo")
    assert (ended, reader.ended(), reader.body, reader.keep) == (False, True, b"hello", False)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", COUNTED[:-1], CHUNKED[:-1], EARLY])
def test_an_answer_that_breaks_off_is_none(answer: bytes) -> None:
    reader = AnswerReader("POST", 100)
    assert not reader.feed(answer)
    assert not reader.ended()


@pytest.mark.parametrize("answer", [COUNTED, CHUNKED, b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_who_says_more_than_it_announced_is_not_asked_again_there(answer: bytes) -> None:
    reader, ended = read(answer + b"HTTP/1.1 200 OK\r\n")
    assert ended
    assert not reader.keep


def test_no_more_is_kept_than_was_asked_for_and_all_is_counted() -> None:
    reader, ended = read(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"def", b"ghij", most=5)
    assert (ended, reader.body, reader.size) == (True, b"abcde", 10)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        EARLY * (INTERIMS_MAX + 1),
    ],
)
def test_what_two_parsers_might_read_differently_is_refused(answer: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        AnswerReader("POST", 100).feed(answer)
