"""The gateway's own answers and the values of its policies, as pure functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maelstrom.gateway import Limits, Policy
from maelstrom.gateway.answers import REASONS, STATUSES, accepts_only_json, answer, code_of
from maelstrom.gateway.http1.forwarded import forwarded_lines
from maelstrom.gateway.policy import networks
from maelstrom.gateway.wire.heads import RequestHead, request_head
from maelstrom.model import errors
from maelstrom.model.settings import Settings


def head(text: str) -> RequestHead:
    made = request_head(f"GET / HTTP/1.1\r\nHost: a\r\n{text}\r\n\r\n".encode())
    assert made is not None
    return made


def test_every_code_of_the_interface_has_its_status() -> None:
    assert STATUSES == {
        "bad_request": 400,
        "no_route": 404,
        "body_too_large": 413,
        "head_too_large": 431,
        "queue_full": 503,
        "start_failed": 503,
        "no_capacity": 503,
        "disabled": 404,
        "deadline": 504,
        "upstream_broken": 502,
        "draining": 503,
        "request_timeout": 408,
    }
    assert set(STATUSES.values()) <= set(REASONS)


@pytest.mark.parametrize("name", ["NoRoute", "QueueFull", "StartFailed", "Deadline", "UpstreamBroken", "PullFailed"])
def test_an_answer_has_its_code_in_a_header(name: str) -> None:
    error = getattr(errors, name)("why")
    for reason in (True, False):
        data = answer(error, head("X: y"), reason=reason, keep=True)
        lines, _, body = data.partition(b"\r\n\r\n")
        assert b"\r\nMaelstrom-Error: %b" % code_of(error).encode() in lines
        assert b"\r\nContent-Length: %d" % len(body) in lines
        assert (b"why" in body) is reason
        assert (b"Retry-After" in lines) is lines.startswith(b"HTTP/1.1 503")


def test_a_reason_cannot_break_out_of_its_answer() -> None:
    error = errors.StartFailed("a\r\n\r\nHTTP/1.1 200 OK", hint="\r\nX: y", log=["\r\n"])
    for text in ("X: y", "Accept: application/json"):
        lines, _, body = answer(error, head(text), reason=True, keep=True).partition(b"\r\n\r\n")
        assert b"\r\nContent-Length: %d\r\n" % len(body) in lines + b"\r\n"
        assert b"X: y" not in lines


def test_json_has_all_that_is_safe_to_show() -> None:
    error = errors.StartFailed("it exits", hint="look", exit_code=3)
    _, _, body = answer(error, head("Accept: application/json"), reason=True, keep=True).partition(b"\r\n\r\n")
    assert json.loads(body) == {"code": "start_failed", "message": "it exits", "hint": "look", "exit_code": 3}


@pytest.mark.parametrize(
    ("lines", "only"),
    [
        (b"Accept: application/json\r\n", True),
        (b"ACCEPT:application/vnd.api+json;q=1 , application/json\r\n", True),
        (b"Accept: application/json\r\nAccept: text/html\r\n", False),
        (b"Accept: */*\r\n", False),
        (b"Accept:\r\n", False),
        (b"X-Accept: application/json\r\n", False),
        (b"", False),
    ],
)
def test_who_takes_only_json(lines: bytes, only: bool) -> None:
    assert accepts_only_json(lines) is only


def test_proxies_are_trusted_by_address_and_network() -> None:
    policy = Policy(name="public", trusted=networks(("10.0.0.0/8", "2001:db8::1", " 192.0.2.7 ")))
    for address, trusted in (
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:db8::1%eth0", True),
        ("::ffff:10.1.2.3", True),
        ("unknown", False),
    ):
        assert policy.trusts(address) is trusted
    assert not Policy(name="public").trusts("10.1.2.3")
    with pytest.raises(ValueError, match="nonsense"):
        networks(("nonsense",))


def test_an_ipv6_client_is_quoted_where_it_must_be() -> None:
    lines = forwarded_lines(b"2001:db8::1", b"[::1]:80", b"http")
    assert b"X-Forwarded-For: 2001:db8::1\r\n" in lines
    assert b'Forwarded: for="[2001:db8::1]";host="[::1]:80";proto=http\r\n' in lines


def test_policies_and_limits_come_from_the_settings() -> None:
    settings = Settings(
        state_dir=Path("/x"),
        node_name="n",
        head_timeout_seconds=3,
        body_timeout_seconds=4,
        max_body_bytes=5,
        trusted_proxies=("10.0.0.0/8",),
        public_health_path="",
    )
    limits = Limits.of(settings)
    assert (limits.head_seconds, limits.body_seconds, limits.max_body_bytes) == (3, 4, 5)
    public = Policy.public(settings)
    assert (public.health_path, public.show_reasons, public.by_name) == (b"", False, False)
    assert public.trusts("10.0.0.1")
    assert Policy.internal().by_name
    assert Policy.internal().show_reasons


@pytest.mark.parametrize(("files", "most"), [(-1, 20_000), (1_048_576, 20_000), (20_000, 5_000), (1_024, 256)])
def test_clients_leave_files_for_all_else(files: int, most: int) -> None:
    settings = Settings(state_dir=Path("/x"), node_name="n")
    assert Limits.of(settings, files=files).max_connections == most
