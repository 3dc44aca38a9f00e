"""What a database URL may look like, and that nothing of it is ever repeated: it may hold a password."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from maelstrom.model.errors import InvalidSettings
from maelstrom.registry.address import PostgresAddress, SqliteAddress, conninfo_with_limits, parse_address


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///maelstrom.db", "maelstrom.db"),
        ("sqlite:////var/lib/maelstrom/maelstrom.db", "/var/lib/maelstrom/maelstrom.db"),
        ("sqlite+aiosqlite:////x.db", "/x.db"),
        ("sqlite:////home/50% off?/a b#c.db", "/home/50% off?/a b#c.db"),
    ],
)
def test_a_sqlite_path_is_taken_as_it_is(url: str, path: str) -> None:
    assert parse_address(url) == SqliteAddress(path)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://db.example/shop", "db.example:5432/shop"),
        ("postgres://u:p@db.example:6000/shop", "db.example:6000/shop"),
        ("postgresql+psycopg://u@a,b/shop", "a:5432,b:5432/shop"),
        ("postgresql://u@a:1,b:2,[::1]:3/shop", "a:1,b:2,::1:3/shop"),
        ("postgresql:///shop?host=/run/postgresql", "/run/postgresql:5432/shop"),
        ("postgresql://", "local socket:5432/"),
    ],
)
def test_a_postgresql_url_names_hosts_and_ports(url: str, where: str) -> None:
    address = parse_address(url)
    assert isinstance(address, PostgresAddress)
    assert address.where == where


def test_only_a_writable_server_is_wanted_unless_the_url_says_otherwise() -> None:
    plain = parse_address("postgresql://a,b/shop")
    told = parse_address("postgresql://a,b/shop?target_session_attrs=any&connect_timeout=9")
    assert isinstance(plain, PostgresAddress)
    assert isinstance(told, PostgresAddress)
    assert conninfo_to_dict(plain.conninfo)["target_session_attrs"] == "read-write"
    assert conninfo_to_dict(plain.conninfo)["connect_timeout"] == "2"
    assert conninfo_to_dict(told.conninfo)["target_session_attrs"] == "any"
    assert conninfo_to_dict(told.conninfo)["connect_timeout"] == "9"


def test_options_of_the_url_come_after_ours_and_win() -> None:
    address = parse_address("postgresql://a/shop?options=-c%20lock_timeout%3D9s")
    assert isinstance(address, PostgresAddress)
    options = str(conninfo_to_dict(conninfo_with_limits(address, statement_seconds=2, lock_seconds=1))["options"])
    assert "-c statement_timeout=2000" in options
    assert options.endswith("-c lock_timeout=9s")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "maelstrom.db",
        "mysql://u:hunter2@a/b",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a\0b",
        "postgresql://u:hunter2@a:port/b",
        "postgresql://u:hunter2%zz@a/b",
        "postgresql://u:hunter2%00@a/b",
        "postgresql://u:hunter2@a/b?no_such_option=1",
        "postgresql://u:hunter2@a:99999/b",
        "postgresql://u:hunter2@[::1/b",
        "postgresql://u:hunter2\ud800@a/b",
        "postgresql://u:hunter2@a,b,c:1,2/d?port=1,2",
    ],
)
def test_what_cannot_be_used_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidSettings, match="MAEL_DATABASE_URL") as caught:
        parse_address(url)
    assert "hunter2" not in repr(caught.value)
    assert caught.value.problems[0].hint
    assert caught.value.__cause__ is None


def test_a_password_is_not_in_any_representation() -> None:
    assert "hunter2" not in repr(parse_address("postgresql://u:hunter2@a/b"))
