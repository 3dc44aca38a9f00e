"""Automatic certificates from a real authority: ordered once, answered for by the gateway, shown, and renewed."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from maelstrom.certificates.acme_orders import certificate_id
from maelstrom.certificates.authority import AcmeAuthority
from maelstrom.certificates.files import CertificateFiles
from maelstrom.certificates.issuer import Issuer
from maelstrom.certificates.service import Certificates
from maelstrom.gateway import Front, Listener, Policy, Tls
from maelstrom.model.certificate import Certificate, ExternalAccount
from maelstrom.model.settings import Listen
from maelstrom.registry.registry import Registry
from tests.integration.gateway.world import World, world
from tests.support.pebble import Pebble, pebble, with_renewal_times

DAY = 86400.0


class Held:
    """The role, as far as orders need it."""

    held = True

    async def confirm(self) -> int:
        return 1


class Node:
    """One node's gateway and certificates over a database that it may share."""

    def __init__(self, gate: World, registry: Registry, authority: AcmeAuthority, hosts: list[str]) -> None:
        self.gate = gate
        self.hosts = hosts
        self.offset = 0.0
        self.role = Held()
        self.tls = Tls(["http/1.1"])
        self.front = Front(lambda name: self.tls.find(name) is not None)
        self.service = Certificates(CertificateFiles(()), show=self._show, challenge=self._challenge, now=self.now)
        self.issuer = Issuer(
            registry.certificates,
            self.role,
            authority,
            self.service,
            hosts=lambda: self.hosts,
            settle=self._settle,
            now=self.now,
            random=lambda: 0.0,
            poll_seconds=0.05,
        )
        self.asked: list[str] = []
        self.public: Listener
        self.secure: Listener

    async def listen(self, port: int = 0) -> None:
        here, policy = Listen(host="127.0.0.1", port=port), Policy(name="public")
        self.public = await self.gate.gateway.listen(here, policy, front=self.front)
        self.secure = await self.gate.gateway.listen(Listen(host="127.0.0.1", port=0), policy, tls=self.tls)

    def now(self) -> float:
        return time.time() + self.offset

    async def shown(self, host: str, root: str) -> str:
        """The serial number of what a client is shown that believes the authority."""
        trust = ssl.create_default_context(cadata=root)
        where, port = self.secure.address
        _, writer = await asyncio.open_connection(where, port, ssl=trust, server_hostname=host)
        shown = writer.get_extra_info("peercert")
        writer.transport.abort()
        return str(shown["serialNumber"])

    async def _settle(self) -> float:
        return 0.0

    def _show(self, certificates: Sequence[Certificate]) -> None:
        self.tls.set(certificates)

    def _challenge(self, answers: dict[str, str]) -> None:
        self.asked += answers
        self.front.challenges = {token.encode(): answer.encode() for token, answer in answers.items()}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    opened = await Registry.open(f"sqlite:///{tmp_path}/maelstrom.db")
    yield opened
    await opened.close()


@pytest.fixture
async def gate() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def test_a_certificate_is_ordered_validated_shown_and_renewed(
    gate: World, registry: Registry, tmp_path: Path
) -> None:
    node = Node(gate, registry, AcmeAuthority("", ""), ["shop.example.org", "*.example.org", "10.0.0.1", "localhost"])
    await node.listen()
    with pebble(tmp_path / "pebble", node.public.address[1], seconds=10 * 86400) as found:
        node = _over(node, found)
        await node.issuer.order_due()
        assert list(node.issuer.states) == ["shop.example.org"]
        [state] = node.issuer.states.values()
        assert (state.error, state.failures) == ("", 0)
        assert state.renew_at == pytest.approx(time.time() + 10 * DAY * 2 / 3, abs=60)
        root = await asyncio.to_thread(found.root)
        first = await node.shown("shop.example.org", root)
        assert len(node.asked) == 1
        assert await registry.certificates.challenges() == {}
        assert node.front.challenges == {}
        # nothing is due
        await node.issuer.order_due()
        assert await node.shown("shop.example.org", root) == first
        # two thirds of its life have passed
        node.offset = 7 * DAY
        await node.issuer.order_due()
        assert await node.shown("shop.example.org", root) != first


async def test_another_node_answers_shows_and_orders_with_the_same_account(
    gate: World, registry: Registry, tmp_path: Path
) -> None:
    """The authority asks the one while the other orders."""
    answering = Node(gate, registry, AcmeAuthority("", ""), [])
    await answering.listen()
    with pebble(tmp_path / "pebble", answering.public.address[1]) as found:
        answering = _over(answering, found)
        ordering = _over(Node(gate, registry, AcmeAuthority("", ""), ["a.example.org"]), found)

        async def others_follow() -> float:
            await answering.issuer.follow()
            return 0.0

        ordering.issuer._settle = others_follow
        await ordering.issuer.order_due()
        await answering.issuer.follow()
        root = await asyncio.to_thread(found.root)
        assert await answering.shown("a.example.org", root)
        account = await registry.certificates.account(found.directory)
        answering.hosts = ["b.example.org"]
        await answering.issuer.order_due()
        assert answering.issuer.states["b.example.org"].error == ""
        assert await registry.certificates.account(found.directory) == account


async def test_a_host_that_cannot_be_validated_is_tried_again_much_later(
    gate: World, registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node(gate, registry, AcmeAuthority("", ""), ["shop.example.org"])
    await node.listen()
    with pebble(tmp_path / "pebble", node.public.address[1]) as found:
        node = _over(node, found)
        node.service.challenges = lambda answers: None  # type: ignore[method-assign]
        with caplog.at_level(logging.DEBUG):
            await node.issuer.order_due()
        state = node.issuer.states["shop.example.org"]
        assert "could not be validated" in state.error
        assert (state.failures, state.not_after) == (1, 0.0)
        assert state.retry_at == pytest.approx(time.time() + 900, abs=60)
        for _ in range(3):
            await node.issuer.order_due()  # not again, whoever asks
        assert node.issuer.states["shop.example.org"].failures == 1
        node.offset = 1000
        await node.issuer.order_due()
        state = node.issuer.states["shop.example.org"]
        assert state.failures == 2
        assert state.retry_at == pytest.approx(node.now() + 1800, abs=60)
        assert await registry.certificates.challenges() == {}
        assert "PRIVATE KEY" not in caplog.text


async def test_an_account_belongs_to_one_at_the_authoritys_own_site(
    gate: World, registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host, key = "shop.example.org", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
    node = Node(gate, registry, AcmeAuthority("", ""), [host])
    await node.listen()
    with pebble(tmp_path / "pebble", node.public.address[1], external={"customer-1": key}) as found:
        for external, why in (
            (None, "set MAEL_ACME_EAB_KID"),
            (ExternalAccount("customer-1", key[::-1]), "no account: "),
            (ExternalAccount("customer-2", key), "no account: "),
            (ExternalAccount("customer-1", key), ""),
        ):
            node.issuer._authority = AcmeAuthority(found.directory, "", str(found.ca_file), external)
            with caplog.at_level(logging.DEBUG):
                await node.issuer.order_due()
            state = node.issuer.states[host]
            assert why in state.error
            assert bool(state.error) == bool(why)
            node.offset += 3600
        root = await asyncio.to_thread(found.root)
        assert await node.shown(host, root)
        assert key not in caplog.text
        assert key not in repr(external)


async def test_a_certificate_is_renewed_when_its_authority_says_so(
    gate: World, registry: Registry, tmp_path: Path
) -> None:
    host = "shop.example.org"
    node = Node(gate, registry, AcmeAuthority("", ""), [host])
    await node.listen()
    with (
        pebble(tmp_path / "pebble", node.public.address[1], seconds=90 * 86400) as found,
        with_renewal_times(found, tmp_path / "pebble") as (told, said),
    ):
        node = _over(node, told)
        said.window = (time.time() + 20 * DAY, time.time() + 22 * DAY)
        await node.issuer.order_due()
        await node.issuer.follow()
        root = await asyncio.to_thread(found.root)
        first = await node.shown(host, root)
        [asked] = said.asked
        assert int.from_bytes(base64.urlsafe_b64decode(asked.partition(".")[2] + "==")) == int(first, 16)
        assert node.issuer.states[host].renew_at == pytest.approx(said.window[0], abs=1)
        assert await node.shown(host, root) == first
        # it must be revoked
        said.window = (time.time() - DAY, time.time())
        node.offset = 3700
        for _ in range(2):
            await node.issuer.order_due()
        assert len(said.asked) == 3, "the new one, too"
        assert await node.shown(host, root) != first


def test_a_certificate_is_called_as_in_the_example_of_rfc_9773() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example")])
    signer = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 0x87654321, begins, begins + timedelta(days=1))
    bare = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    made = made.add_extension(x509.AuthorityKeyIdentifier(signer, None, None), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    assert certificate_id(pem) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    with pytest.raises(ValueError, match="whose key"):
        certificate_id(bare)


async def test_an_authority_that_is_away_is_told_and_costs_the_host_little(
    gate: World, registry: Registry, tmp_path: Path
) -> None:
    node = Node(gate, registry, AcmeAuthority("https://127.0.0.1:9/dir", ""), ["shop.example.org"])
    await node.issuer.order_due()
    state = node.issuer.states["shop.example.org"]
    assert "the authority cannot be reached" in state.error
    assert state.retry_at == pytest.approx(time.time() + 60, abs=30)
    assert await registry.certificates.account("https://127.0.0.1:9/dir") is None


def _over(node: Node, found: Pebble) -> Node:
    """The same node with that authority."""
    authority = AcmeAuthority(found.directory, "ops@example.org", str(found.ca_file))
    node.issuer._authority = authority
    return node
