"""All certificates of a node in one set: whoever shows them is told when it changes, people before one runs out.

It must not know how certificates are made, or how TLS is spoken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from maelstrom.certificates.files import CertificateFiles
from maelstrom.model.certificate import Certificate

log = logging.getLogger("maelstrom.certificates")

LOOK_SECONDS: Final = 5.0  # how often files are looked at
DAY: Final = 86400.0
WARN_SECONDS: Final = 14 * DAY  # so long before the end people are told, once a day
WARN_SHARE: Final = 0.2  # or when so much of its life is left, if that is less


class Certificates:
    """`show` is given all of them, those of files first; `challenge` what plain listeners have to answer, by token.

    `now`: seconds since 1970.
    """

    def __init__(
        self,
        files: CertificateFiles,
        *,
        show: Callable[[Sequence[Certificate]], None],
        challenge: Callable[[Mapping[str, str]], None] = lambda answers: None,
        now: Callable[[], float],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._files = files
        self._show = show
        self._challenge = challenge
        self._answers: dict[str, str] = {}
        self._now = now
        self._look_seconds = look_seconds
        self._of_files: tuple[Certificate, ...] = ()
        self._issued: tuple[Certificate, ...] = ()
        self._warned: dict[str, float] = {}  # when, by the certificate's serial number

    @property
    def all(self) -> tuple[Certificate, ...]:
        return self._of_files + self._issued

    @property
    def of_files(self) -> tuple[Certificate, ...]:
        return self._of_files

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with files now, by path."""
        return dict(self._files.problems)

    async def look(self) -> None:
        """Reads what has changed in files."""
        found = tuple(await asyncio.to_thread(self._files.look))
        if found != self._of_files:
            self._of_files = found
            self._show(self.all)
        self._warn()

    def issued(self, certificates: Sequence[Certificate]) -> None:
        """The automatic ones, whenever they have changed."""
        if tuple(certificates) != self._issued:
            self._issued = tuple(certificates)
            self._show(self.all)

    def challenges(self, answers: Mapping[str, str]) -> None:
        """Those that are asked for now, whenever they have changed."""
        if dict(answers) != self._answers:
            self._answers = dict(answers)
            self._challenge(self._answers)

    async def run(self) -> None:
        """Looks for ever."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_seconds)

    def _warn(self) -> None:
        now = self._now()
        known = {one.serial for one in self.all}
        self._warned = {serial: at for serial, at in self._warned.items() if serial in known}
        for one in self.all:
            left = one.not_after - now
            soon = left < min(WARN_SECONDS, WARN_SHARE * (one.not_after - one.not_before))
            if soon and now - self._warned.get(one.serial, -DAY) >= DAY:
                self._warned[one.serial] = now
                text = "a certificate ends in %.1f days" if left > 0 else "a certificate has ended %.1f days ago"
                log.warning(text, abs(left) / DAY, extra={"names": ",".join(one.names[:5]), "from": one.origin})
