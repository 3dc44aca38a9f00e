"""What a plain listener answers before any route is looked for: ACME challenges, and that a host is to be asked by TLS.

Asked once per host and first line of a connection, not per request. It must not know where challenges or certificates
come from, nor of sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from maelstrom.gateway.wire.lines import FORWARDED_PROTO

if TYPE_CHECKING:
    from maelstrom.gateway.http1.client_connection import ClientConnection
    from maelstrom.gateway.wire.heads import RequestHead

CHALLENGES: Final = b"/.well-known/acme-challenge/"
HTTPS_PORT: Final = 443


class OwnAnswer(Exception):
    """In place of a way to a component: an answer of the gateway's own, which is no error."""

    def __init__(self, status: int, body: bytes, extra: bytes = b"") -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.extra = extra  # whole header lines


class Front:
    """`challenges`: answers by token, while they are asked for. `certified`: whether TLS would serve that host."""

    def __init__(self, certified: Callable[[str], bool], *, redirect_port: int = 0) -> None:
        """`redirect_port`: where clients reach the TLS listener; 0: nobody is sent there."""
        self.challenges: Mapping[bytes, bytes] = {}
        self._certified = certified
        self._redirect_port = redirect_port

    def look(self, client: ClientConnection, head: RequestHead) -> None:
        """Raises OwnAnswer where there is one."""
        path = head.first.path
        if path.startswith(CHALLENGES):
            answer = self.challenges.get(path.removeprefix(CHALLENGES))
            if answer is not None:
                self._give(client, head, OwnAnswer(200, answer), "acme_challenge")
        elif self._redirect_port and path.startswith(b"/") and not _is_secure(client, head):
            name = head.host.partition(b":")[0].lower()
            if self._certified(name.decode("latin-1").removesuffix(".")):
                port = b"" if self._redirect_port == HTTPS_PORT else b":%d" % self._redirect_port
                line = b"Location: https://%b%b%b\r\n" % (name, port, head.first.target)
                self._give(client, head, OwnAnswer(308, b"moved to https\n", line), "https_redirect")

    def _give(self, client: ClientConnection, head: RequestHead, own: OwnAnswer, why: str) -> None:
        gateway = client.gateway
        gateway.stats.component("").count(own.status, 0.0)
        if gateway.access is not None:
            gateway.access.refused(client, head, own.status, why)
        raise own


def _is_secure(client: ClientConnection, head: RequestHead) -> bool:
    """Whether a proxy in front has ended TLS already: then the client is where it should be."""
    said = (head.special or {}).get(FORWARDED_PROTO, [])
    return client.trusted and [value.lower() for value in said] in ([b"https"], [b"wss"])
