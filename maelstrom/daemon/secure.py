"""What TLS needs of a node, made but not started: contexts, the answers in front of plain listeners, the certificates.

What changes is handed to this process' listeners and to the workers alike.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maelstrom.certificates.authority import AcmeAuthority
from maelstrom.certificates.files import CertificateFiles
from maelstrom.certificates.issuer import OTHERS_SECONDS, WORKERS_SECONDS, Issuer
from maelstrom.certificates.service import Certificates
from maelstrom.gateway import Front, Gateway, Tls
from maelstrom.gateway.arrival.handshake import protocols
from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.model.certificate import Certificate, ExternalAccount
from maelstrom.model.settings import Settings
from maelstrom.model.source import HttpSource
from maelstrom.registry.registry import Registry
from maelstrom.registry.view import View

if TYPE_CHECKING:
    from maelstrom.workers.crew import Crew


@dataclass(frozen=True, slots=True)
class Secure:
    tls: Tls
    front: Front
    certificates: Certificates
    issuer: Issuer | None  # None: no automatic ones

    async def load(self) -> None:
        """What there is already is known before the first connection."""
        await self.certificates.look()
        if self.issuer is not None:
            await self.issuer.follow()


def secure(
    settings: Settings, gateway: Gateway, crew: Crew | None, registry: Registry, view: View, keeper: LeaseKeeper
) -> Secure:
    tls = Tls(protocols(http2=settings.http2))
    front = Front(lambda name: tls.find(name) is not None, redirect_port=settings.https_redirect_port)

    def show(certificates: Sequence[Certificate]) -> None:
        tls.set(certificates, settings.tls_default_host)
        gateway.look_again()  # whether a host is sent to TLS may have changed
        if crew is not None:
            crew.show(certificates)

    def challenge(answers: Mapping[str, str]) -> None:
        front.challenges = {token.encode(): answer.encode() for token, answer in answers.items()}
        gateway.look_again()
        if crew is not None:
            crew.challenge(answers)

    certificates = Certificates(
        CertificateFiles(settings.tls_certificates), show=show, challenge=challenge, now=time.time
    )

    async def settle() -> float:
        others = sum(session.state != "dead" for session in await keeper.sessions()) > 1
        return OTHERS_SECONDS if others else 0.0 if crew is None else WORKERS_SECONDS

    issuer = _issuer(settings, certificates, registry, view, keeper, settle) if settings.acme else None
    return Secure(tls, front, certificates, issuer)


def _issuer(
    settings: Settings,
    certificates: Certificates,
    registry: Registry,
    view: View,
    keeper: LeaseKeeper,
    settle: Callable[[], Awaitable[float]],
) -> Issuer:
    def hosts() -> Iterator[str]:
        for source in view.snapshot.sources.values():
            if source.enabled and isinstance(source.definition, HttpSource):
                yield source.definition.hostname

    external = ExternalAccount(settings.acme_eab_kid, settings.acme_eab_hmac_key) if settings.acme_eab_kid else None
    return Issuer(
        registry.certificates,
        keeper.role("certificates"),
        AcmeAuthority(settings.acme, settings.acme_email, settings.acme_ca_file, external),
        certificates,
        hosts=hosts,
        settle=settle,
        now=time.time,
        random=random.random,
    )
