"""Who orders, for whom, and how seldom, whatever the authority and the database do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from maelstrom.certificates.files import CertificateFiles
from maelstrom.certificates.issuer import Issuer
from maelstrom.certificates.service import Certificates
from maelstrom.model.certificate import AcmeAccount, Certificate, Issued, IssuedState, RenewalWindow
from maelstrom.model.errors import AcmeFailed, LeaseLost, Unavailable
from tests.support.wait import eventually

DAY = 86400.0


class Ledger:
    """The database, in memory."""

    def __init__(self) -> None:
        self.accounts: dict[str, AcmeAccount] = {}
        self.rows: dict[str, IssuedState] = {}
        self.texts: dict[str, Issued] = {}
        self.open: dict[str, str] = {}
        self.changes = 0
        self.broken: set[str] = set()  # methods that cannot reach the database

    def _called(self, method: str, *, changes: bool = True) -> None:
        if method in self.broken:
            raise Unavailable("the database is away")
        self.changes += changes

    async def account(self, directory: str) -> AcmeAccount | None:
        return self.accounts.get(directory)

    async def keep_account(self, account: AcmeAccount, now: float) -> None:
        self.accounts[account.directory] = account

    async def forget_account(self, directory: str) -> None:
        self.accounts.pop(directory, None)

    async def states(self) -> dict[str, IssuedState]:
        return dict(self.rows)

    async def issued(self, hosts: list[str]) -> list[Issued]:
        return [self.texts[host] for host in hosts if host in self.texts]

    async def store(self, issued: Issued, not_after: float, renew_at: float, now: float) -> None:
        self._called("store")
        version = self._row(issued.host).version + 1
        self.texts[issued.host] = replace(issued, version=version)
        self.rows[issued.host] = IssuedState(issued.host, version, not_after, renew_at, 0, 0.0, "", now)

    async def renew(self, host: str, version: int, renew_at: float, now: float) -> None:
        self._called("renew")
        assert self._row(host).version == version
        self.rows[host] = replace(self._row(host), renew_at=renew_at, changed_at=now)

    async def failed(self, host: str, error: str, retry_at: float, now: float) -> None:
        self._called("failed")
        row = self._row(host)
        self.rows[host] = replace(
            row, version=row.version + 1, failures=row.failures + 1, retry_at=retry_at, error=error, changed_at=now
        )

    async def forget(self, hosts: list[str]) -> None:
        self._called("forget")
        for host in hosts:
            del self.rows[host]

    async def challenges(self) -> dict[str, str]:
        return dict(self.open)

    async def ask(self, host: str, answers: Mapping[str, str], now: float) -> None:
        self._called("ask")
        self.open |= answers

    async def asked(self, tokens: list[str], *, before: float = 0.0) -> None:
        if tokens:
            self._called("asked")
        for token in tokens:
            self.open.pop(token, None)

    async def mark(self) -> tuple[int, ...]:
        self._called("mark", changes=False)
        return (self.changes,)

    def _row(self, host: str) -> IssuedState:
        return self.rows.get(host, IssuedState(host, 0, 0.0, 0.0, 0, 0.0, "", 0.0))


class Role:
    def __init__(self) -> None:
        self.held = True
        self.lost = False

    async def confirm(self) -> int:
        if self.lost:
            raise LeaseLost("another has it")
        return 1


@dataclass
class Order:
    host: str
    answers: dict[str, str]


class Authority:
    """Issues at once, or fails as a test says; what it was asked for is kept."""

    directory = "https://ca.test/dir"
    email = ""

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock
        self.ordered: list[str] = []
        self.registered = 0
        self.failure: AcmeFailed | None = None
        self.refusal: AcmeFailed | None = None  # of an account
        self.windows: dict[str, RenewalWindow] = {}
        self.asked: list[str] = []  # when to renew
        self.stuck: threading.Event | None = None
        self.seen: list[Any] = []  # what `look` returned when the authority validated
        self.look: Any = lambda: None

    def orders(self, account: AcmeAccount) -> Authority:
        return self

    def new_key(self) -> bytes:
        return b"key"

    def read(self, chain: bytes, key: bytes) -> Certificate:
        host, begins = chain.decode().split()
        return Certificate((host,), chain, key, float(begins), float(begins) + 90 * DAY, chain.hex(), "acme")

    def register(self) -> AcmeAccount:
        self.registered += 1
        if self.refusal is not None:
            raise self.refusal
        return AcmeAccount(self.directory, "", b"key", "https://ca.test/1")

    def begin(self, host: str, key: bytes) -> Order:
        self.ordered.append(host)
        if self.stuck is not None:
            self.stuck.wait(30)
        if self.failure is not None:
            raise self.failure
        return Order(host, {f"token-{host}": "answer"})

    def validate(self, order: Order) -> None:
        self.seen.append(self.look())

    def validated(self, order: Order) -> bool:
        return True

    def finish(self, order: Order) -> None:
        return None

    def chain(self, order: Order) -> bytes:
        return f"{order.host} {self.clock[0]}".encode()

    def window(self, chain: bytes) -> RenewalWindow | None:
        host = chain.decode().split()[0]
        self.asked.append(host)
        if self.failure is not None:
            raise self.failure
        return self.windows.get(host)

    def close(self) -> None:
        return None


class World:
    def __init__(self) -> None:
        self.clock = [1000 * DAY]
        self.ledger, self.role, self.authority = Ledger(), Role(), Authority(self.clock)
        self.hosts = ["a.test", "b.test"]
        self.shown: list[str] = []
        self.answered: dict[str, str] = {}
        self.service = Certificates(
            CertificateFiles(()), show=self._show, challenge=self._challenge, now=lambda: self.clock[0]
        )
        self.issuer = self.node()

    def node(self) -> Issuer:
        return Issuer(
            self.ledger,
            self.role,
            self.authority,
            self.service,
            hosts=lambda: self.hosts,
            settle=self._settle,
            now=lambda: self.clock[0],
            random=lambda: 0.0,
            look_seconds=0.01,
        )

    async def _settle(self) -> float:
        return 0.0

    def _show(self, certificates: Any) -> None:
        self.shown = [one.names[0] for one in certificates]

    def _challenge(self, answers: Mapping[str, str]) -> None:
        self.answered = dict(answers)


@pytest.fixture
def world() -> World:
    return World()


async def test_every_wanted_host_gets_one_and_with_one_account(world: World) -> None:
    world.authority.look = lambda: dict(world.answered)
    await world.issuer.order_due()
    await world.issuer.order_due()
    assert world.authority.ordered == ["a.test", "b.test"]
    assert world.authority.seen == [{"token-a.test": "answer"}, {"token-b.test": "answer"}]
    assert world.shown == ["a.test", "b.test"]
    assert (world.answered, world.ledger.open) == ({}, {})
    assert world.authority.registered == 1
    await world.node().order_due()
    assert world.authority.registered == 1


async def test_they_are_renewed_when_two_thirds_of_their_life_are_over(world: World) -> None:
    await world.issuer.order_due()
    world.clock[0] += 59 * DAY
    await world.issuer.order_due()
    assert len(world.authority.ordered) == 2
    world.clock[0] += 2 * DAY
    await world.issuer.order_due()
    assert world.authority.ordered[2:] == ["a.test", "b.test"]


async def test_a_failure_costs_only_its_host_and_that_later(world: World) -> None:
    world.authority.failure = AcmeFailed("no", code_of_authority="unauthorized", retry_after=0.0)
    for _ in range(5):
        await world.issuer.order_due()
        await world.node().order_due()  # another process knows it, too
    assert world.authority.ordered == ["a.test", "b.test"]
    world.hosts = []
    await world.issuer.order_due()
    world.hosts = ["a.test"]  # put again: that is no way to try sooner
    await world.issuer.order_due()
    assert len(world.authority.ordered) == 2
    world.authority.failure = None
    world.clock[0] += 901
    await world.issuer.order_due()
    assert world.shown == ["a.test"]


async def test_a_renewal_that_fails_keeps_the_certificate_in_force(world: World) -> None:
    await world.issuer.order_due()
    world.clock[0] += 61 * DAY
    world.authority.failure = AcmeFailed("no", code_of_authority="dns", retry_after=0.0)
    await world.issuer.order_due()
    assert world.shown == ["a.test", "b.test"]
    assert world.issuer.states["a.test"].error == "no"


async def test_a_rate_limit_ends_all_orders_for_a_while(world: World) -> None:
    world.authority.failure = AcmeFailed("slow down", code_of_authority="rateLimited", retry_after=7200.0)
    await world.issuer.order_due()
    assert world.authority.ordered == ["a.test"]
    assert world.issuer.states["a.test"].retry_at == world.clock[0] + 7200
    world.authority.failure = None
    world.clock[0] += 899
    await world.issuer.order_due()
    assert len(world.authority.ordered) == 1
    world.clock[0] += 2
    await world.issuer.order_due()
    assert world.authority.ordered == ["a.test", "b.test"]


async def test_an_account_that_the_authority_does_not_know_is_made_anew(world: World) -> None:
    world.hosts = ["a.test"]
    await world.issuer.order_due()
    world.clock[0] += 61 * DAY
    world.authority.failure = AcmeFailed("who?", code_of_authority="accountDoesNotExist", retry_after=0.0)
    await world.issuer.order_due()
    world.authority.failure = None
    world.clock[0] += DAY
    await world.issuer.order_due()
    assert world.authority.registered == 2


async def test_an_account_that_is_refused_says_nothing_of_hosts_and_pauses_all_of_them(world: World) -> None:
    world.authority.refusal = AcmeFailed("who are you?", code_of_authority="malformed", retry_after=0.0)
    await world.issuer.order_due()
    assert world.authority.registered == 1
    assert world.issuer.states["a.test"].retry_at <= world.clock[0] + 60, "as when the authority is away"
    world.clock[0] += 800
    await world.issuer.order_due()
    assert world.authority.registered == 1
    world.authority.refusal = None
    world.clock[0] += 200
    await world.issuer.order_due()
    assert world.shown == ["a.test", "b.test"]


async def test_the_authority_says_when_to_renew(world: World) -> None:
    await world.issuer.order_due()
    assert world.authority.asked == ["a.test", "b.test"]
    begins, before = world.clock[0], world.issuer.states
    world.authority.windows = {
        "a.test": RenewalWindow(begins + 10 * DAY, begins + 12 * DAY, 3600.0),
        "b.test": RenewalWindow(begins + 59 * DAY, begins + 61 * DAY, 3600.0),
    }
    world.clock[0] += 3600
    await world.issuer.order_due()
    assert len(world.authority.asked) == 2, "it has not said when to ask again, so it is left alone for six hours"
    world.clock[0] += 6 * 3600
    await world.issuer.order_due()
    await world.issuer.follow()
    assert world.issuer.states["a.test"].renew_at == begins + 10 * DAY
    assert world.issuer.states["b.test"] == before["b.test"]
    world.clock[0] = begins + 10 * DAY + 1
    await world.issuer.order_due()
    assert world.authority.ordered[2:] == ["a.test"]


async def test_an_authority_that_is_away_is_not_asked_for_one_host_after_the_other(world: World) -> None:
    await world.issuer.order_due()
    world.clock[0] += 7 * 3600
    world.authority.failure = AcmeFailed("away", code_of_authority="unreachable", retry_after=0.0)
    for _ in range(3):
        await world.issuer.order_due()
    assert world.authority.asked[2:] == ["a.test"]
    assert world.issuer.states["a.test"].error == ""
    world.authority.failure = None
    world.clock[0] += 901
    await world.issuer.order_due()
    assert world.authority.asked[3:] == ["b.test"]


async def test_nobody_orders_without_the_role(world: World) -> None:
    world.role.held = False
    await world.issuer.order_due()
    world.role.held, world.role.lost = True, True
    await world.issuer.order_due()
    assert world.authority.ordered == []
    assert world.ledger.rows == {}


@pytest.mark.parametrize("method", ["ask", "store", "failed", "asked"])
async def test_a_database_that_fails_in_between_makes_no_storm_of_orders(world: World, method: str) -> None:
    world.hosts = ["a.test"]
    if method == "failed":
        world.authority.failure = AcmeFailed("no", code_of_authority="dns", retry_after=0.0)
    world.ledger.broken = {method}
    with pytest.raises(Unavailable):
        await world.issuer.order_due()
    for _ in range(5):
        await world.issuer.order_due()
    assert world.authority.ordered == ["a.test"]


async def test_a_host_with_a_certificate_in_files_is_left_out(world: World) -> None:
    given = Certificate(("a.test", "*.wild.test"), b"", b"", 0.0, 0.0, "1", "/etc/tls/a.crt")
    world.service._of_files = (given,)
    world.hosts = ["a.test", "x.wild.test", "b.test"]
    assert world.issuer.wanted == ["b.test"]


async def test_every_node_follows_what_one_has_ordered(world: World) -> None:
    other = World()
    other.ledger = world.ledger
    other.issuer = other.node()
    await world.issuer.order_due()
    await other.issuer.follow()
    assert other.shown == ["a.test", "b.test"]
    assert other.authority.ordered == []


async def test_the_end_of_the_process_does_not_wait_for_an_authority_that_does_not_answer(world: World) -> None:
    world.authority.stuck = threading.Event()
    running = asyncio.create_task(world.issuer.run())
    await eventually(lambda: world.authority.ordered)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(5):
        await asyncio.get_running_loop().shutdown_default_executor()
    world.authority.stuck.set()
