"""Where the database is: from the setting's URL to what a driver needs. Opens nothing.

A PostgreSQL URL is read by libpq itself, so that all it knows (several hosts, quoting, sockets, TLS) works as its
documentation says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maelstrom.model.errors import InvalidSettings, Problem

_POSTGRESQL = ("postgresql://", "postgres://", "postgresql+psycopg://")
_SQLITE = ("sqlite:///", "sqlite+aiosqlite:///")
_HINT = "sqlite:///path or postgresql://user:password@host/database"

_DEFAULTS: dict[str, str] = {
    "application_name": "maelstrom",
    "client_encoding": "UTF8",
    "target_session_attrs": "read-write",
    # A peer that is gone without a word is noticed within about 15 s, also while nothing is sent.
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",  # ms
}


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """The path stands in the URL as it is: nothing in it is quoted or cut off."""

    path: str


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    conninfo: str = field(repr=False)  # holds the password
    where: str  # hosts, ports and database, to be shown


def parse_address(url: str, *, setting: str = "MAEL_DATABASE_URL") -> SqliteAddress | PostgresAddress:
    """Raises InvalidSettings, which names `setting` and never repeats the URL: it may hold a password."""
    for prefix in _SQLITE:
        if url.startswith(prefix):
            return _sqlite(url.removeprefix(prefix), setting)
    for prefix in _POSTGRESQL:
        if url.startswith(prefix):
            return _postgresql("postgresql://" + url.removeprefix(prefix), setting)
    scheme = url.split(":", 1)[0] if ":" in url else ""
    raise _invalid(setting, f"is for another kind of database ({scheme})" if scheme else "is not a database's URL")


def conninfo_with_limits(address: PostgresAddress, *, statement_seconds: float, lock_seconds: float) -> str:
    """Adds the server's own time-outs. What the URL's `options` say goes before them."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    given = str(conninfo_to_dict(address.conninfo).get("options") or "")
    limits = {
        "statement_timeout": int(statement_seconds * 1000),
        "lock_timeout": int(lock_seconds * 1000),
        "idle_in_transaction_session_timeout": int(statement_seconds * 2000),
        "default_transaction_isolation": r"read\ committed",
    }
    ours = " ".join(f"-c {name}={value}" for name, value in limits.items())
    return make_conninfo(address.conninfo, options=f"{ours} {given}".strip())


def _sqlite(path: str, setting: str) -> SqliteAddress:
    if not path or path.startswith(":memory:"):
        raise _invalid(setting, "names no file: what is only in memory would be lost and is not shared")
    if "\0" in path:
        raise _invalid(setting, "holds a NUL")
    return SqliteAddress(path)


def _postgresql(url: str, setting: str) -> PostgresAddress:
    import psycopg  # here, as wherever it is used: 9 MiB that a node on SQLite does without
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except (psycopg.Error, UnicodeError):
        # libpq's message repeats parts of the URL, so neither it nor its traceback may be shown.
        raise _invalid(setting, "is not a valid PostgreSQL URL; special characters must be percent-encoded") from None
    hosts = (given.get("host") or given.get("hostaddr") or "local socket").split(",")
    ports = [port or "5432" for port in given.get("port", "").split(",")]
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise _invalid(setting, f"has {len(hosts)} hosts but {len(ports)} ports")
    if not all(port.isascii() and port.isdigit() and 0 < int(port) < 65536 for port in ports):
        raise _invalid(setting, "has a port that is no number from 1 to 65535")
    where = ",".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=True))
    # Seconds for each host: dead ones must not use up the time in which a living one could answer.
    seconds = {"connect_timeout": "3" if len(hosts) == 1 else "2"}
    return PostgresAddress(make_conninfo("", **(_DEFAULTS | seconds | given)), f"{where}/{given.get('dbname', '')}")


def _invalid(setting: str, message: str) -> InvalidSettings:
    return InvalidSettings((Problem(path=setting, message=message, hint=_HINT),))
