"""What a component gets for a message, and what it may say about time: by tables."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from maelstrom.model.source import EventSource, SourceKey, SqsSource
from maelstrom.sources.ports import QueueMessage
from maelstrom.sources.sqs.request import (
    ATTRIBUTE_BYTES,
    ATTRIBUTES_BYTES,
    asked_pause,
    attribute_headers,
    content_type,
    header_value,
    instant,
    retry_after,
    series,
    task_token,
    work_request,
)
from tests.fakes.sources import COMPONENT, answer

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/work"
NOW = 1_800_000_000.0


def message(body: str = "", **fields: Any) -> QueueMessage:
    return QueueMessage(**{"queue": URL, "id": "m-1", "receipt": "r-1", "body": body, **fields})


def test_the_request_says_what_is_known_of_the_message() -> None:
    source = EventSource(SourceKey("shop", "in"), COMPONENT, 1, True, SqsSource(queuename="work", path="/w?x=1"), 1)
    sent = message("größe", receives=3, sent_at=NOW + 0.25, group="a b")
    request = work_request(source, "/w?x=1", sent, 9)
    assert (request.method, request.path, request.body) == ("POST", "/w?x=1", "größe".encode())
    assert dict(request.headers) == {
        "Content-Type": "text/plain; charset=utf-8",
        "Maelstrom-Event-Source": "shop_in",
        "Maelstrom-Lease-Epoch": "9",
        "Maelstrom-Message-Id": "m-1",
        "Maelstrom-Receive-Count": "3",
        "Maelstrom-Queue": "work",
        "Maelstrom-Group-Id": "a b",
        "Maelstrom-Sent-At": "2027-01-15T08:00:00.250Z",
    }


@pytest.mark.parametrize("body", ["\ud800", "\x00", "x" * 1_048_576])
def test_any_body_can_be_sent(body: str) -> None:
    source = EventSource(SourceKey("shop", "in"), COMPONENT, 1, True, SqsSource(queuename="work", path="/"), 1)
    assert work_request(source, "/", message(body), 1).body is not None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"a": 1}', "application/json"),
        (" [1, 2]\n", "application/json"),
        ("{}", "application/json"),
        ("[" * 100_000 + "]" * 100_000, "application/json"),  # judged by its ends
        ("{" + " " * 100 + "a}", "text/plain; charset=utf-8"),
        ("[" * 20_000 + "]" * 20_000, "text/plain; charset=utf-8"),
        ('{"a": 1} {"b": 2}', "text/plain; charset=utf-8"),
        ("12", "text/plain; charset=utf-8"),
        ("null", "text/plain; charset=utf-8"),
        ("", "text/plain; charset=utf-8"),
        ("<a/>", "text/plain; charset=utf-8"),
    ],
)
def test_json_is_found_by_a_look_at_the_body(body: str, expected: str) -> None:
    assert content_type(message(body)) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"Content-Type": "text/csv"}, "text/csv"),
        ({"contenttype": "application/xml; charset=utf-8"}, "application/xml; charset=utf-8"),
        ({"content_type": "a/b"}, "a/b"),
        ({"Content-Type": "nonsense"}, "application/json"),
        ({"Content-Type": "a/b\r\nX: y"}, "application/json"),
        ({"Content-Type": b"a/b"}, "application/json"),
    ],
)
def test_an_attribute_names_the_content_type_if_it_is_one(attributes: dict[str, Any], expected: str) -> None:
    assert content_type(message("{}", attributes=attributes)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("100% sure", "100% sure"),
        ("", ""),
        (" edges ", "%20edges%20"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("a\r\nX: y", "a%0D%0AX%3A%20y"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        (b"\x00\xff", "AP8="),
    ],
)
def test_a_header_is_one_line_of_ascii_whatever_the_value(value: str | bytes, expected: str) -> None:
    assert header_value(value) == expected
    if isinstance(value, str):
        assert unquote(expected) == value or value == "100% sure"


def test_attributes_have_names_of_their_own_and_bounds() -> None:
    attributes: dict[str, str | bytes] = {
        "b.c_d-e": "1",
        "Maelstrom-Message-Id": "forged",
        "bad name": "x",
        "large": "x" * (ATTRIBUTE_BYTES + 1),
        "größe": "x",
    }
    assert attribute_headers(attributes) == [
        ("Maelstrom-Attribute-Maelstrom-Message-Id", "forged"),
        ("Maelstrom-Attribute-b.c_d-e", "1"),
        ("Maelstrom-Attributes-Omitted", "bad%20name,gr%C3%B6%C3%9Fe,large"),
    ]
    many = attribute_headers({f"n{number}": "x" * ATTRIBUTE_BYTES for number in range(10)})
    assert sum(len(value) for _, value in many) <= ATTRIBUTES_BYTES + 100
    assert many[-1][0] == "Maelstrom-Attributes-Omitted"
    assert len(attribute_headers({f"n{number}": "" for number in range(30)})) == 11


def test_messages_of_one_group_of_a_fifo_queue_belong_together() -> None:
    def of(queue: str, *groups: str) -> list[list[str]]:
        messages = [message(str(n), queue=queue, group=group) for n, group in enumerate(groups)]
        return [[m.body for m in one] for one in series(messages)]

    assert of(f"{URL}.fifo", "a", "b", "a", "c", "b") == [["0", "2"], ["1", "4"], ["3"]]
    assert of(URL, "a", "a", "") == [["0"], ["1"], ["2"]]  # of another queue they only share its throughput
    assert of(URL) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", 5.0),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("Fri, 15 Jan 2027 08:01:40 GMT", 100.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected: float | None) -> None:
    assert retry_after(answer(status=503, retry_after=value), NOW) == expected


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {"pause_seconds": "30"}, 30.0),
        (500, {"pause_seconds": "30"}, 30.0),
        (200, {"pause_seconds": "99999"}, 900.0),
        (200, {"pause_seconds": "0"}, 0.0),
        (200, {"pause_seconds": "-3"}, 0.0),
        (200, {"pause_seconds": "x"}, 0.0),
        (200, {"retry_after": "30"}, 0.0),
        (503, {"retry_after": "30"}, 30.0),
        (429, {"retry_after": "30", "pause_seconds": "40"}, 40.0),
        (200, {}, 0.0),
    ],
)
def test_a_pause_is_asked_for_and_bounded(status: int, headers: dict[str, str], expected: float) -> None:
    assert asked_pause(answer(status=status, **headers), NOW) == expected


def test_an_instant_is_said_in_utc() -> None:
    assert instant(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("body", "where", "expected"),
    [
        ('{"TaskToken": "t"}', True, "t"),
        ('{"TaskToken": "t"}', False, None),
        ('{"a": {"b/c": ["x", "t"]}}', "/a/b~1c/1", "t"),
        ('{"a": 1}', True, None),
        ('{"TaskToken": 5}', True, None),
        ('{"TaskToken": ""}', True, None),
        ("[]", True, None),
        ('["t"]', "/0", "t"),
        ('["t"]', "/-1", None),
        ("no JSON", True, None),
        ("[" * 100_000, True, None),
        ("", True, None),
    ],
)
def test_a_task_token_is_found_in_the_body(body: str, where: bool | str, expected: str | None) -> None:
    assert task_token(body, where) == expected
