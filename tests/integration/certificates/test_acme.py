"""Automatic certificates from a real authority: ordered once, answered for by the gateway, shown, and renewed."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from maelstrom.certificates.authority import AcmeAuthority
from maelstrom.certificates.files import CertificateFiles
from maelstrom.certificates.issuer import Issuer
from maelstrom.certificates.service import Certificates
from maelstrom.gateway import Front, Listener, Policy, Tls
from maelstrom.model.certificate import Certificate
from maelstrom.model.settings import Listen
from maelstrom.registry.registry import Registry
from tests.integration.gateway.world import World, world
from tests.support.pebble import Pebble, pebble

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
