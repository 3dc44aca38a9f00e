"""Who may talk to the admin listener. Pure: texts of a request's head in, a refusal or nothing out.

A token is accepted from one place only, the `Authorization` field: neither a query nor a cookie can carry it, so no
link and no form can use an operator's browser (F2, F5). Names in `Host` are checked because a page may point a name of
its own at 127.0.0.1; an address cannot be faked like that.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from maelstrom.model.errors import Forbidden, Unauthorized

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{0,5})?")


class Access:
    """The rules of one listener."""

    def __init__(self, token: str, hosts: Iterable[str] = ()) -> None:
        if not token:
            raise ValueError("an empty token would let everybody in")
        self._token = token.encode()
        self._hosts = frozenset(["localhost", *(host.lower().rstrip(".") for host in hosts if host)])

    def check_token(self, authorization: Sequence[str]) -> None:
        """`authorization`: all fields of that name. Raises Unauthorized, without saying what was wrong."""
        if len(authorization) != 1:
            raise Unauthorized("no token" if not authorization else "several Authorization fields")
        scheme, _, token = authorization[0].strip().partition(" ")
        sent = token.strip().encode("utf-8", "surrogateescape")
        # Compared before the scheme is looked at, so that each refusal costs the same.
        if not (hmac.compare_digest(sent, self._token) and scheme.lower() == "bearer"):
            raise Unauthorized("wrong token")

    def check_host(self, hosts: Sequence[str]) -> None:
        """`hosts`: all `Host` fields. Raises Forbidden for a name that is not ours.

        None at all is fine (HTTP/1.0, as some health checks speak it): a browser always sends one.
        """
        if not hosts:
            return
        if len(hosts) > 1 or (name := host_name(hosts[0])) is None:
            raise Forbidden("the request has no usable Host field")
        if name not in self._hosts and not _is_address(name):
            raise Forbidden(f"the admin listener does not answer to the name {name[:100]!a}")

    def check_origin(self, origins: Sequence[str], hosts: Sequence[str]) -> None:
        """Raises Forbidden where a page of another origin asks; programs send no `Origin`."""
        for origin in origins:
            if not _same_place(origin, hosts[0] if hosts else ""):
                raise Forbidden("the request comes from a page of another origin", hint="use maelctl")


def host_name(field: str) -> str | None:
    """The name or address in a `Host` field, lower case, without port and brackets; None if it is malformed."""
    match = _HOST.fullmatch(field.lower())
    return match["name"].strip("[]").rstrip(".") or None if match else None


def _same_place(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        default = {"http": 80, "https": 443}.get(parts.scheme)
        here = urlsplit(f"//{host}")
        return (
            default is not None
            and parts.hostname is not None
            and parts.hostname == here.hostname
            and (parts.port or default) == (here.port or default)
        )
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
