"""The access log: one line for each request, or for a share of them, written when the request has ended.

Where it is off the gateway has no `AccessLog` at all, so nothing is formatted. Queries are left out: they carry
secrets.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from maelstrom.gateway.requests import request_id_of

if TYPE_CHECKING:
    from maelstrom.gateway.exchange import Exchange

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
        self._due += self._share
        if self._due < 1.0 - 1e-9:
            return
        self._due -= 1.0
        prepared = exchange.prepared
        first = prepared.head.first
        fields = {
            "client": exchange.client.peer.decode(),
            "method": first.method.decode(),
            "host": prepared.head.host.decode("latin-1"),
            "path": first.path.decode("latin-1").replace('"', "%22"),
            "status": exchange.code,
            "bytes_in": exchange.received,
            "bytes_out": exchange.sent,
            "ms": round(seconds * 1000, 2),
            "queue_ms": round(exchange.waited * 1000, 2),
            "component": prepared.target.name,
            "listener": exchange.client.policy.name,
            "request_id": (exchange.request_id or request_id_of(prepared.head)).decode("latin-1"),
        }
        log.info(
            '%(client)s "%(method)s %(path)s" %(status)s %(bytes_out)s %(ms)s ms %(component)s', fields, extra=fields
        )
