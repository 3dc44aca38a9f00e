"""Text to value, one setting at a time.

Pure: knows neither files nor the environment. A value that cannot be used raises ValueError with a reason that does not
repeat the value where it may be a secret.
"""

from __future__ import annotations

import ipaddress
import math
import re
import types
import typing
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from maelstrom.model.certificate import dns_name
from maelstrom.model.settings import NO_NOTICES, Listen, Settings

PREFIX = "MAEL_"
SECRETS = frozenset({"admin_token", "acme_eab_hmac_key", "database_url", "database_listen_url"})
EMPTY_MEANS_SOMETHING = frozenset({"public_health_path"})
_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:\s/]*)):(?P<port>[0-9]{1,5})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{16,}={0,2}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})")


def variable(field: str) -> str:
    """The environment's name of a setting."""
    return PREFIX + field.upper()


def convert(field: str, text: str) -> Any:
    """The value of one setting from its text. Raises ValueError with the reason."""
    special = _BY_FIELD.get(field)
    if special is not None:
        return special(text)
    return _by_type(Settings.model_fields[field].annotation, text)


def masked(field: str, value: Any) -> str:
    """A value as it may be shown: no token, no password of an address."""
    if field in ("admin_token", "acme_eab_hmac_key"):
        return "****" if value else ""
    if field in SECRETS:
        return re.sub(r"(//[^/@]*?:)[^/@]*@", r"\1****@", re.sub(r"(password=)[^&]*", r"\1****", str(value)))
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _by_type(kind: Any, text: str) -> Any:
    if typing.get_origin(kind) is types.UnionType:
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if kind is Listen:
        return _listen(text)
    if kind is bool:
        return _boolean(text)
    if kind in (int, float):
        return _number(kind, text)
    if kind is Path:
        return Path(text).expanduser().absolute()
    if typing.get_origin(kind) is tuple:
        if Listen in typing.get_args(kind):
            return tuple(_listen(item.strip()) for item in text.split(","))
        return tuple(item.strip() for item in text.split(",") if item.strip())
    if typing.get_origin(kind) is Literal:
        return _one_of(typing.get_args(kind), text)
    return text


def _listen(text: str) -> Listen:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"{text!r} is no `host:port` with a port of 0 to 65535, such as 0.0.0.0:80 or [::1]:8374")
    host = match["six"] or match["host"] or "0.0.0.0"
    if match["six"]:
        ipaddress.IPv6Address(host)
    elif not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no host name or address")
    return Listen(host=host, port=int(match["port"]))


def _boolean(text: str) -> bool:
    lower = text.lower()
    if lower in ("true", "1", "yes", "on"):
        return True
    if lower in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def _number(kind: type[int] | type[float], text: str) -> int | float:
    try:
        value = kind(text)
    except ValueError:
        wanted = "whole number" if kind is int else "number"
        raise ValueError(f"{text!r} is no {wanted}") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no finite number")
    return value


def _one_of(choices: tuple[str, ...], text: str) -> str:
    if text.lower() in choices:
        return text.lower()
    raise ValueError(f"{text!r} is none of {', '.join(choices)}")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name: letters, digits, `_`, `-` and `.`, at most 63, a letter or digit first")
    return text


def _token(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has characters that cannot stand in an HTTP header: printable ASCII without blanks only")
    return text


def _health_path(text: str) -> str:
    if text and not re.fullmatch(r"/[!-~]*", text):
        raise ValueError(f"{text!r} is no path: it begins with `/` and has no blanks; empty reserves none")
    if "?" in text or "#" in text:
        raise ValueError(f"{text!r} has a query or fragment, a path has none")
    return text


def _hosts(text: str) -> tuple[str, ...]:
    names = tuple(item.strip().lower() for item in text.split(",") if item.strip())
    for name in names:
        if not _HOST.fullmatch(name):
            raise ValueError(f"{name!r} is no host name (without scheme and port)")
    return names


def _places(text: str) -> tuple[str, ...]:
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        paths = [Path(part).expanduser().absolute() for part in item.split(":")]
        if len(paths) > 2:
            raise ValueError(f"{item!r} is neither a directory nor a pair `chain.pem:key.pem`")
        found.append(":".join(str(path) for path in paths))
    return tuple(found)


def _host(text: str) -> str:
    name = dns_name(text)
    if name is None:
        raise ValueError(f"{text!r} is no host name")
    return name


def _https(text: str) -> str:
    if not re.fullmatch(r"https://[!-~]+", text):
        raise ValueError(f"{text!r} is no https:// address")
    return text


def _email(text: str) -> str:
    if not re.fullmatch(r"[!-~]+@[!-~]+", text):
        raise ValueError(f"{text!r} is no e-mail address")
    return text


def _networks(text: str) -> tuple[str, ...]:
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(str(ipaddress.ip_network(item, strict=False)))
        except ValueError:
            raise ValueError(f"{item!r} is no address or network such as 10.0.0.0/8") from None
    return tuple(found)


def _access_log(text: str) -> str:
    lower = text.lower()
    if lower in ("off", "all"):
        return lower
    try:
        share = float(lower)
    except ValueError:
        share = -1
    if not 0 < share <= 1:
        raise ValueError(f"{text!r} is neither `off` nor `all` nor a share above 0 and up to 1")
    return "all" if share == 1 else lower


def _database(text: str) -> str:
    if text.startswith("sqlite://"):
        return _sqlite(text)
    if text.startswith("postgres://"):
        text = "postgresql" + text.removeprefix("postgres")
    return _postgresql(text)


def _sqlite(text: str) -> str:
    path = text.removeprefix("sqlite://").partition("?")[0]
    if not path.startswith("/") or path in ("/", "/:memory:"):
        raise ValueError("SQLite needs a file: `sqlite:///path`, four slashes for an absolute path")
    return f"sqlite:///{Path(path[1:]).expanduser().absolute()}"


def _listen_url(text: str) -> str:
    return text if text == NO_NOTICES else _postgresql(text)


def _postgresql(text: str) -> str:
    if not text.startswith("postgresql://"):
        kind = text.partition(":")[0]
        shown = repr(kind) if re.fullmatch(r"[a-z0-9+]{1,20}", kind) else "this"
        raise ValueError(
            f"{shown} is no kind of database that is known: `sqlite:///path` or `postgresql://…` is wanted"
        )
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is no address of the form postgresql://user:password@host:port/database") from None
    if any(c.isspace() for c in text) or (not parts.netloc and "host=" not in parts.query):
        raise ValueError("names no host: postgresql://user:password@host:port/database is wanted")
    return text


def _hmac_key(text: str) -> str:
    if not _BASE64URL.fullmatch(text):
        raise ValueError("is no key as authorities give it: letters, digits, `-` and `_` (base64url)")
    return text


_BY_FIELD: dict[str, typing.Callable[[str], Any]] = {
    "database_url": _database,
    "database_listen_url": _listen_url,
    "public_health_path": _health_path,
    "acme": _https,
    "acme_email": _email,
    "acme_eab_hmac_key": _hmac_key,
    "tls_certificates": _places,
    "tls_default_host": _host,
    "admin_hosts": _hosts,
    "admin_token": _token,
    "node_name": _name,
    "cluster_name": _name,
    "trusted_proxies": _networks,
    "proxy_protocol": _networks,
    "access_log": _access_log,
}
