"""When an authority wants certificates to be renewed, sooner or later than was planned (RFC 9773): asked now and then.

An authority that has to revoke some says so here before it does; one that has much to do spreads what comes. It must
not know how it is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from maelstrom.certificates.ports import Ledger, Role
from maelstrom.model.certificate import Certificate, IssuedState, RenewalWindow
from maelstrom.model.errors import AcmeFailed
from maelstrom.plan import certificates as plan

log = logging.getLogger("maelstrom.certificates")

ASKED_AT_ONCE: Final = 5  # between two looks at what is to be ordered, which is not to wait
REST_SECONDS: Final = 900.0  # an authority that could not say is not asked for the next host at once


class RenewalTimes:
    """`ask`: the authority, raises AcmeFailed; None: it never says. Times: s since 1970."""

    def __init__(
        self,
        ledger: Ledger,
        role: Role,
        ask: Callable[[Certificate], Awaitable[RenewalWindow | None]],
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._role = role
        self._ask = ask
        self._now = now
        self._random = random
        self._ask_at: dict[str, float] = {}  # by the certificate's serial number
        self._rest_until = 0.0

    async def look(self, certificates: Mapping[str, Certificate], states: Mapping[str, IssuedState]) -> None:
        """Asks for those of hosts whose turn it is, and keeps what was said in the database."""
        known = {one.serial for one in certificates.values()}
        self._ask_at = {serial: at for serial, at in self._ask_at.items() if serial in known}
        now = self._now()
        if now < self._rest_until:
            return
        waiting = [
            (host, one)
            for host, one in certificates.items()
            if self._ask_at.get(one.serial, 0.0) <= now < states[host].renew_at
        ]
        for host, one in waiting[:ASKED_AT_ONCE]:
            self._ask_at[one.serial] = now + plan.ask_again(None)
            try:
                window = await self._ask(one)
            except AcmeFailed as error:
                log.debug("an authority did not say when to renew: %s", error.message, extra={"host": host})
                self._rest_until = now + REST_SECONDS
                return
            self._ask_at[one.serial] = now + plan.ask_again(window)
            if window is not None and self._role.held:
                await self._keep(states[host], window)

    async def _keep(self, state: IssuedState, window: RenewalWindow) -> None:
        renew_at, now = plan.suggested(window, state, self._random()), self._now()
        if renew_at == state.renew_at:
            return
        await self._ledger.renew(state.host, state.version, renew_at, now)
        seconds = round(renew_at - now)
        log.info("the authority says when to renew", extra={"host": state.host, "in_seconds": seconds})
