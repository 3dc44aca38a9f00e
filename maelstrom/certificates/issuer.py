"""Automatic certificates: one node orders them for hosts of enabled http sources, every node shows and answers.

Who orders is the one that holds the role. Each order leaves its outcome in the database, a failure with the time before
which nobody tries again; so a host that cannot be validated costs one try in a while, whatever restarts. It must not
know how an authority is spoken to (`acme_orders`), or who shows certificates.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from maelstrom.certificates.ports import Authority, Ledger, Orders, Role
from maelstrom.certificates.renewal_times import RenewalTimes
from maelstrom.certificates.service import Certificates
from maelstrom.model.certificate import AcmeAccount, Certificate, Issued, IssuedState, RenewalWindow
from maelstrom.model.errors import AcmeFailed, LeaseLost, MaelstromError
from maelstrom.plan import certificates as plan
from maelstrom.plan.backoff import Backoff

log = logging.getLogger("maelstrom.certificates")

T = TypeVar("T")

# What says nothing of the host that was ordered for.
NO_ACCOUNT: Final = "noAccount"  # our own word
OF_AUTHORITY: Final = frozenset(
    ("unreachable", "serverInternal", "badNonce", "timeout", "accountDoesNotExist", NO_ACCOUNT)
)
LOOK_SECONDS: Final = 2.0  # between looks at what the database has
FOLLOW_SECONDS: Final = 60.0  # for a validation, and for an issue
POLL_SECONDS: Final = 1.0
# At most so long nothing at all is ordered after a limit was reached, or the authority wants no account of ours.
RATE_LIMITED_SECONDS: Final = 900.0
TIDY_SECONDS: Final = 3600.0  # between looks for what is left over; challenges older than that are nobody's
OTHERS_SECONDS: Final = 2.5 * LOOK_SECONDS  # until every other node answers a new challenge
WORKERS_SECONDS: Final = 0.5  # the same of this node's workers, who are told at once


class Issuer:
    """`hosts`: of enabled http sources, now. `settle`: seconds until all answer a challenge. Times: s since 1970."""

    def __init__(
        self,
        ledger: Ledger,
        role: Role,
        authority: Authority,
        service: Certificates,
        *,
        hosts: Callable[[], Iterable[str]],
        settle: Callable[[], Awaitable[float]],
        now: Callable[[], float],
        random: Callable[[], float],
        backoff: Backoff = plan.BACKOFF,
        look_seconds: float = LOOK_SECONDS,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._role = role
        self._authority = authority
        self._service = service
        self._hosts = hosts
        self._settle = settle
        self._now = now
        self._random = random
        self._backoff = backoff
        self._look_seconds = look_seconds
        self._poll_seconds = poll_seconds
        self._mark: tuple[int, ...] = ()
        self._loaded: dict[str, tuple[int, Certificate]] = {}  # by host, with the version that was read
        # Its own thread: the end of the process does not wait for an authority that does not answer.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="certificates")
        self._following = asyncio.Lock()
        self._rest_until = 0.0  # the authority wants to be left alone
        self._resting: dict[str, float] = {}  # hosts whose last try could not even be recorded, and until when
        self._tidied_at = 0.0
        self._times = RenewalTimes(ledger, role, self._window, now, random)
        self._orders: Orders | None = None
        self.states: dict[str, IssuedState] = {}

    @property
    def wanted(self) -> list[str]:
        """Hosts to order for: exact names without a certificate in files."""
        given = {name for one in self._service.of_files for name in one.names}
        return [h for h in plan.orderable(self._hosts()) if h not in given and "*." + h.partition(".")[2] not in given]

    async def run(self) -> None:
        """Follows what all nodes know, and orders while the role is held. Until cancelled."""
        failing = False
        async with asyncio.TaskGroup() as group:
            group.create_task(self._order_for_ever(), name="certificates: orders")
            while True:
                try:
                    await self.follow()
                    failing = False
                except MaelstromError as error:
                    if not failing:
                        log.warning("certificates cannot be read, those known stay", extra={"reason": error.message})
                    failing = True
                await asyncio.sleep(self._look_seconds)

    # what every node does

    async def follow(self) -> None:
        """Takes over what has changed in the database."""
        async with self._following:
            mark = await self._ledger.mark()
            if mark == self._mark:
                return
            self._service.challenges(await self._ledger.challenges())
            states = await self._ledger.states()
            changed = [h for h, one in states.items() if one.not_after and self._version(h) != one.version]
            issued = await self._ledger.issued(changed) if changed else []
            self._loaded |= await asyncio.to_thread(self._read, issued)
            self._loaded = {host: one for host, one in self._loaded.items() if host in states}
            self.states = states
            self._service.issued([certificate for _, (_, certificate) in sorted(self._loaded.items())])
            self._mark = mark

    def _version(self, host: str) -> int:
        return self._loaded[host][0] if host in self._loaded else 0

    def _read(self, issued: Iterable[Issued]) -> dict[str, tuple[int, Certificate]]:
        found = {}
        for one in issued:
            try:
                found[one.host] = one.version, self._authority.read(one.chain, one.key)
            except ValueError as error:
                log.error("a stored certificate cannot be used: %s", error, extra={"host": one.host})
        return found

    # what one node does

    async def _order_for_ever(self) -> None:
        while True:
            try:
                if self._role.held:
                    await self.order_due()
            except MaelstromError as error:
                log.warning("certificates cannot be ordered now", extra={"reason": error.message})
            except Exception:
                log.exception("an order of a certificate went wrong")
            await asyncio.sleep(self._look_seconds)

    async def order_due(self) -> None:
        """Orders for all hosts whose time has come, one after the other."""
        await self.follow()
        wanted = self.wanted
        await self._tidy(wanted)
        for due, host in plan.in_order(wanted, self.states):
            if not self._role.held or self._now() < self._rest_until:
                return
            if max(due, self._resting.get(host, 0.0)) <= self._now() and host in self.wanted:
                await self.order(host)
        await self._times.look({h: self._loaded[h][1] for h in wanted if h in self._loaded}, self.states)

    async def order(self, host: str) -> None:
        """One order from its beginning to its outcome in the database. Raises what the database raises."""
        key = await asyncio.to_thread(self._authority.new_key)
        asked: list[str] = []
        # Until the outcome is recorded: a database that fails in between must not make it be tried again and again.
        self._resting[host] = self._now() + self._backoff.delay(1, self._random())
        try:
            await self._role.confirm()
            chain = await self._order(host, key, asked)
            certificate = self._authority.read(chain, key)
            if host not in certificate.names:
                raise AcmeFailed("the certificate is for another host")
            renew_at = plan.renewal(certificate.not_before, certificate.not_after, self._random())
            await self._ledger.store(Issued(host, 0, chain, key), certificate.not_after, renew_at, self._now())
            del self._resting[host]
            log.info("a certificate was issued", extra={"host": host, "serial": certificate.serial})
        except LeaseLost:
            del self._resting[host]  # another node orders now
        except (AcmeFailed, ValueError) as error:
            await self._failed(host, error)
        finally:
            if asked:
                await self._ledger.asked(asked)
            await self.follow()

    async def _order(self, host: str, key: bytes, asked: list[str]) -> bytes:
        orders = await self._registered()
        order = await self._blocking(orders.begin, host, key)
        if order.answers:
            asked += order.answers
            await self._ledger.ask(host, order.answers, self._now())
            await self.follow()
            await asyncio.sleep(await self._settle())
            await self._blocking(orders.validate, order)
        async with _patience("the authority did not validate in time"):
            while not await self._blocking(orders.validated, order):  # noqa: ASYNC110 - nobody is told, it is asked
                await asyncio.sleep(self._poll_seconds)
        await self._blocking(orders.finish, order)
        async with _patience("the authority did not issue in time"):
            while (chain := await self._blocking(orders.chain, order)) is None:  # noqa: ASYNC110 - as above
                await asyncio.sleep(self._poll_seconds)
            return chain

    async def _registered(self) -> Orders:
        """With the cluster's account at the authority, made at the first order of all."""
        if self._orders is None:
            account = await self._ledger.account(self._authority.directory)
            if account is None:
                key = await self._blocking(self._authority.new_key)
                account = AcmeAccount(self._authority.directory, self._authority.email, key, "")
            orders = await self._blocking(self._authority.orders, account)
            if not account.uri:
                account = await self._account(orders)
                await self._ledger.keep_account(account, self._now())
                log.info("registered at the authority of certificates", extra={"directory": account.directory})
            self._orders = orders
        return self._orders

    async def _account(self, orders: Orders) -> AcmeAccount:
        """A refusal says nothing of the host that happened to be the first."""
        try:
            return await self._blocking(orders.register)
        except AcmeFailed as error:
            if error.fields.get("code_of_authority") not in {*OF_AUTHORITY, "rateLimited"}:
                error.fields["code_of_authority"] = NO_ACCOUNT
            raise

    async def _window(self, certificate: Certificate) -> RenewalWindow | None:
        orders = await self._registered()
        return await self._blocking(orders.window, certificate.chain)

    async def _failed(self, host: str, error: AcmeFailed | ValueError) -> None:
        fields = error.fields if isinstance(error, AcmeFailed) else {}
        why, after = fields.get("code_of_authority", ""), float(fields.get("retry_after", 0.0))
        failures = self.states[host].failures + 1 if host in self.states else 1
        now = self._now()
        backoff = plan.BACKOFF_OF_AUTHORITY if why in OF_AUTHORITY else self._backoff
        wait = max(after, backoff.delay(failures, self._random()))
        if why == "rateLimited":
            self._rest_until = now + min(after or RATE_LIMITED_SECONDS, RATE_LIMITED_SECONDS)
        elif why == NO_ACCOUNT:
            self._rest_until = now + RATE_LIMITED_SECONDS
        elif why == "accountDoesNotExist":
            await self._ledger.forget_account(self._authority.directory)
        if self._orders is not None and why in ("accountDoesNotExist", "unreachable", ""):
            self._orders.close()
            self._orders = None  # begun anew next time, the directory too
        text = str(error)[:1000]
        await self._ledger.failed(host, text, now + wait, now)
        del self._resting[host]
        log.warning("no certificate was issued: %s", text, extra={"host": host, "next_try_in_seconds": round(wait)})

    async def _blocking(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _tidy(self, wanted: Sequence[str]) -> None:
        """Forgets what nobody wants any more, and what an order that broke off has left; now and then."""
        if self._now() - self._tidied_at < TIDY_SECONDS:
            return
        self._tidied_at = self._now()
        if old := plan.forgettable(wanted, self.states, self._now()):
            await self._ledger.forget(old)
        await self._ledger.asked([], before=self._now() - TIDY_SECONDS)


@asynccontextmanager
async def _patience(message: str) -> AsyncIterator[None]:
    """A time-out that says what was waited for in vain."""
    try:
        async with asyncio.timeout(FOLLOW_SECONDS):
            yield
    except TimeoutError as error:
        raise AcmeFailed(message, code_of_authority="timeout") from error
