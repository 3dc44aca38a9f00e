"""Tokens, hosts and origins as texts."""

from __future__ import annotations

import pytest

from maelstrom.api.access import Access, host_name
from maelstrom.model.errors import Forbidden, Unauthorized

ACCESS = Access("s3cret", ["Admin.Example."])


@pytest.mark.parametrize("field", ["Bearer s3cret", "bearer s3cret", "BEARER   s3cret ", " Bearer s3cret"])
def test_right_token_is_let_in(field: str) -> None:
    ACCESS.check_token([field])


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Bearer"],
        ["s3cret"],
        ["Bearer S3CRET"],
        ["Bearer s3cret"] * 2,
        ["Basic s3cret"],
        ["Bearer s3cret,s3cret"],
        ["Bearer \udcff"],
        ["Bearer \u20ac"],
    ],
)
def test_everything_else_is_not(fields: list[str]) -> None:
    with pytest.raises(Unauthorized) as caught:
        ACCESS.check_token(fields)
    assert "s3cret" not in str(caught.value.as_json())


def test_empty_token_is_impossible() -> None:
    with pytest.raises(ValueError, match="everybody"):
        Access("")


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:80", "localhost"),
        ("a.example.:80", "a.example"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("127.0.0.1:", "127.0.0.1"),
        ("::1", None),
        ("a b", None),
        ("a/b", None),
        ("a@b", None),
        ("a:b", None),
        ("a:1:2", None),
        ("", None),
        (".", None),
        ("a?b", None),
        ("[::1", None),
    ],
)
def test_host_fields_are_read_strictly(field: str, name: str | None) -> None:
    assert host_name(field) == name


def test_request_without_a_host_comes_from_no_browser() -> None:
    ACCESS.check_host([])


def test_hosts_are_addresses_localhost_and_those_of_the_setting() -> None:
    for good in ("127.0.0.1:8374", "[2001:db8::1]:80", "localhost", "admin.example:1", "ADMIN.EXAMPLE"):
        ACCESS.check_host([good])
    for bad in (
        ["evil.example"],
        ["x.admin.example"],
        [""],
        ["localhost", "localhost"],
        ["127.0.0.1.nip.io"],
        ["2130706433x"],
    ):
        with pytest.raises(Forbidden):
            ACCESS.check_host(bad)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:8374", "localhost:8374", True),
        ("https://admin.example", "admin.example", True),  # behind a proxy that speaks TLS
        ("https://admin.example", "admin.example:443", True),
        ("http://admin.example", "admin.example", True),
        ("http://admin.example:80", "admin.example", True),
        ("http://localhost", "localhost:8374", False),
        ("http://localhost:3000", "localhost:8374", False),
        ("null", "localhost", False),
        ("", "localhost", False),
        ("http://", "", False),
        ("http://localhost:x", "localhost", False),
        ("file://localhost", "localhost", False),
    ],
)
def test_origin_has_to_be_our_own(origin: str, host: str, allowed: bool) -> None:
    if allowed:
        ACCESS.check_origin([origin], [host])
    else:
        with pytest.raises(Forbidden):
            ACCESS.check_origin([origin], [host])


def test_programs_send_no_origin() -> None:
    ACCESS.check_origin([], ["localhost"])
