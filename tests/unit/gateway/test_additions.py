"""What a project adds to heads of answers and to the gateway's own answers, as pure functions."""

from __future__ import annotations

import json

import pytest

from maelstrom.gateway import Additions
from maelstrom.gateway.answers import answer
from maelstrom.gateway.wire.answer_heads import answer_head
from maelstrom.gateway.wire.heads import RequestHead, request_head
from maelstrom.model.errors import Deadline, QueueFull
from maelstrom.model.project_answers import ProjectAnswers


def additions(**fields: object) -> Additions:
    return Additions(ProjectAnswers.model_validate_json(json.dumps(fields)))


def asked(*lines: str, method: str = "GET") -> RequestHead:
    head = request_head("\r\n".join([f"{method} / HTTP/1.1", "Host: a", *lines, "", ""]).encode())
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("header", "sent", "got"),
    [
        ({"name": "X-A", "value": "new"}, ["X-B: 1"], ["X-B: 1", "X-A: new"]),
        ({"name": "X-A", "value": "new"}, ["x-a: old", "X-B: 1", "X_A: other"], ["X-B: 1", "X-A: new"]),
        ({"name": "X-A", "value": "new"}, ["X-Ab: 1", "Y-X-A: 2"], ["X-Ab: 1", "Y-X-A: 2", "X-A: new"]),
        ({"name": "Server"}, ["SERVER: secret 1.0", "X-B: 1"], ["X-B: 1"]),
        ({"name": "Server"}, ["X-B: Server: 1"], ["X-B: Server: 1"]),
        ({"name": "X-A", "value": "new", "ifmissing": True}, ["x-A:"], ["x-A:"]),
        ({"name": "X-A", "value": "new", "ifmissing": True}, ["X-B: 1"], ["X-B: 1", "X-A: new"]),
        ({"name": "a.b*", "value": "new"}, ["axb*: 1", "A.B*: 2"], ["axb*: 1", "a.b*: new"]),
    ],
)
def test_a_header_is_replaced_removed_or_added_where_it_is_missing(
    header: dict[str, object], sent: list[str], got: list[str]
) -> None:
    head = "".join(f"{line}\r\n" for line in ["HTTP/1.1 200 OK", *sent]).encode()
    found = additions(responseheaders=[header]).headed(head)
    assert found == "".join(f"{line}\r\n" for line in ["HTTP/1.1 200 OK", *got]).encode()
    assert answer_head(found + b"\r\n") is not None


PAGES = {
    "503": {"body": "<h1>später</h1>", "contenttype": "text/html"},
    "504": {"body": '{"slow": true}', "contenttype": "application/json"},
}


def test_a_page_takes_the_place_of_the_gateway_s_own_body_and_nothing_else() -> None:
    made = additions(errorpages=PAGES, responseheaders=[{"name": "X-A", "value": "b"}])
    error = QueueFull("full", retry_after=7)
    data = answer(error, asked("X-Request-Id: 4711"), reason=True, keep=False, additions=made)
    lines, _, body = data.partition(b"\r\n\r\n")
    assert body == "<h1>später</h1>".encode()
    assert lines.split(b"\r\n") == [
        b"HTTP/1.1 503 Service Unavailable",
        b"Content-Type: text/html; charset=utf-8",
        b"Content-Length: %d" % len(body),
        b"Cache-Control: no-store",
        b"Maelstrom-Error: queue_full",
        b"X-Request-Id: 4711",
        b"Retry-After: 7",
        b"Connection: close",
        b"X-A: b",
    ]
    data = answer(error, asked(method="HEAD"), reason=True, keep=True, additions=made)
    assert data.endswith(b"X-A: b\r\n\r\n")
    assert b"\r\nContent-Length: %d\r\n" % len(body) in data


def test_who_takes_only_json_gets_json() -> None:
    made = additions(errorpages=PAGES)
    json_only = asked("Accept: application/json")
    data = answer(QueueFull("full"), json_only, reason=False, keep=True, additions=made)
    assert data.partition(b"\r\n\r\n")[2] == b'{"code": "queue_full"}\n'
    for head in (json_only, asked()):
        data = answer(Deadline("late"), head, reason=False, keep=True, additions=made)
        assert b"\r\nContent-Type: application/json\r\n" in data
        assert data.endswith(b'\r\n\r\n{"slow": true}')


def test_a_status_without_a_page_is_answered_as_ever_but_for_the_headers() -> None:
    made = additions(responseheaders=[{"name": "cache-control", "value": "max-age=1"}])
    plain = answer(Deadline("late"), asked(), reason=False, keep=True)
    data = answer(Deadline("late"), asked(), reason=False, keep=True, additions=made)
    assert data == plain.replace(b"Cache-Control: no-store\r\n", b"").replace(
        b"\r\n\r\n", b"\r\ncache-control: max-age=1\r\n\r\n"
    )
