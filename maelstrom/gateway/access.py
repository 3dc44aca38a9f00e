"""The access log: one line for each request, or for a share of them, written when the request has ended.

Where it is off the gateway has no `AccessLog` at all, so nothing is formatted. Queries are left out: they carry
secrets.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maelstrom.gateway.http1.client_connection import ClientConnection
    from maelstrom.gateway.http1.exchange import Exchange
    from maelstrom.gateway.wire.heads import RequestHead

log = logging.getLogger("maelstrom.access")


class AccessLog:
    """`share` of the requests, from above 0 to 1, is logged; evenly, not by chance."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._due = 1.0 - share  # the first request is logged

    @classmethod
    def of(cls, setting: str) -> AccessLog | None:
        """`off`, `all` or a share; ValueError for anything else."""
        share = {"off": 0.0, "all": 1.0}.get(setting)
        share = float(setting) if share is None else share
        if not 0 <= share <= 1:
            raise ValueError(f"{setting!r} is neither off, all nor a share between 0 and 1")
        return cls(share) if share else None

    def finished(self, exchange: Exchange, seconds: float) -> None:
        if self._is_due():
            head = exchange.prepared.head
            self._log(
                exchange.client,
                head,
                status=exchange.code,
                error=exchange.error,
                bytes_in=exchange.received,
                bytes_out=exchange.sent,
                ms=round(seconds * 1000, 2),
                queue_ms=round(exchange.waited * 1000, 2),
                component=exchange.prepared.target.name,
                request_id=(exchange.request_id or head.request_id).decode("latin-1"),
            )

    def refused(self, client: ClientConnection, head: RequestHead | None, status: int, error: str) -> None:
        """A request that the gateway answered without a component."""
        if self._is_due():
            given = "" if head is None else head.request_id.decode("latin-1")
            self._log(client, head, status=status, error=error, ms=0.0, component="", request_id=given)

    def _is_due(self) -> bool:
        self._due += self._share
        if self._due < 1.0 - 1e-9:
            return False
        self._due -= 1.0
        return True

    def _log(self, client: ClientConnection, head: RequestHead | None, **values: Any) -> None:
        fields = {
            "client": client.peer.decode(),
            "listener": client.policy.name,
            "method": "-" if head is None else head.first.method.decode(),
            "host": "" if head is None else head.host.decode("latin-1"),
            "path": "-" if head is None else head.first.path.decode("latin-1").replace('"', "%22"),
            **values,
        }
        fields["outcome"] = " ".join(filter(None, (fields["component"], fields["error"])))
        log.info('%(client)s "%(method)s %(path)s" %(status)s %(outcome)s %(ms)s ms', fields, extra=fields)
