"""What TLS needs of a node, made but not started: contexts, the answers in front of plain listeners, the certificates.

What changes is handed to this process' listeners and to the workers alike.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maelstrom.certificates.files import CertificateFiles
from maelstrom.certificates.service import Certificates
from maelstrom.gateway import Front, Gateway, Tls
from maelstrom.gateway.handshake import protocols
from maelstrom.model.certificate import Certificate
from maelstrom.model.settings import Settings

if TYPE_CHECKING:
    from maelstrom.workers.crew import Crew


@dataclass(frozen=True, slots=True)
class Secure:
    tls: Tls
    front: Front
    certificates: Certificates


def secure(settings: Settings, gateway: Gateway, crew: Crew | None) -> Secure:
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
    return Secure(tls, front, certificates)
