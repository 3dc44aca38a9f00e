"""An ACME authority as the settings name it. What is needed to speak to it is loaded when it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maelstrom.model.certificate import AcmeAccount, Certificate, ExternalAccount

if TYPE_CHECKING:
    from maelstrom.certificates.acme_orders import AcmeOrders

ORIGIN = "acme"


@dataclass(frozen=True, slots=True)
class AcmeAuthority:
    """Methods may block: loading the libraries alone takes a moment. `ca_file`, `external`: see `AcmeOrders`."""

    directory: str
    email: str
    ca_file: str = ""
    external: ExternalAccount | None = None

    def orders(self, account: AcmeAccount) -> AcmeOrders:
        from maelstrom.certificates.acme_orders import AcmeOrders

        return AcmeOrders(account, ca_file=self.ca_file, external=self.external)

    def new_key(self) -> bytes:
        from maelstrom.certificates.acme_orders import new_key

        return new_key()

    def read(self, chain: bytes, key: bytes) -> Certificate:
        """Raises ValueError with the reason."""
        from maelstrom.certificates.pem import read_certificate

        return read_certificate(chain, key, ORIGIN)
