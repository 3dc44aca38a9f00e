"""Automatic certificates in the database, so that any node shows them, answers for them, and may go on ordering them.

One method, one transaction. Who may order is not decided here. All methods raise only errors of `model/errors`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from maelstrom.model.certificate import AcmeAccount, Issued, IssuedState
from maelstrom.registry.certificate_tables import acme_accounts, acme_challenges, certificates
from maelstrom.registry.engine import autocommit, transaction

_STORE = text("""
insert into certificates (host, version, chain, key, not_after, renew_at, changed_at)
values (:host, 1, :chain, :key, :not_after, :renew_at, :now)
on conflict (host) do update set version = certificates.version + 1, chain = excluded.chain, key = excluded.key,
  not_after = excluded.not_after, renew_at = excluded.renew_at, failures = 0, retry_at = 0, error = '',
  changed_at = excluded.changed_at
""")
_FAILED = text("""
insert into certificates (host, version, failures, retry_at, error, changed_at)
values (:host, 1, 1, :retry_at, :error, :now)
on conflict (host) do update set version = certificates.version + 1, failures = certificates.failures + 1,
  retry_at = excluded.retry_at, error = excluded.error, changed_at = excluded.changed_at
""")
_ACCOUNT = text("""
insert into acme_accounts (directory, email, key, uri, created_at) values (:directory, :email, :key, :uri, :now)
on conflict (directory) do update set email = excluded.email, key = excluded.key, uri = excluded.uri
""")
_STATE = [column for column in certificates.c if column.name not in ("chain", "key")]


class CertificateLedger:
    """Methods may be called concurrently, by several nodes. Times are seconds since 1970."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    # accounts

    async def account(self, directory: str) -> AcmeAccount | None:
        async with autocommit(self._engine) as connection:
            wanted = select(acme_accounts).where(acme_accounts.c.directory == directory)
            row = (await connection.execute(wanted)).one_or_none()
        return None if row is None else AcmeAccount(row.directory, row.email, row.key.encode(), row.uri)

    async def keep_account(self, account: AcmeAccount, now: float) -> None:
        values = {"directory": account.directory, "email": account.email, "uri": account.uri, "now": now}
        async with transaction(self._engine) as connection:
            await connection.execute(_ACCOUNT, {**values, "key": account.key.decode()})

    async def forget_account(self, directory: str) -> None:
        """The authority does not know it any more."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(acme_accounts).where(acme_accounts.c.directory == directory))

    # certificates

    async def states(self) -> dict[str, IssuedState]:
        """All hosts, without keys."""
        async with autocommit(self._engine) as connection:
            rows = (await connection.execute(select(*_STATE))).all()
        return {row.host: _state(row) for row in rows}

    async def issued(self, hosts: Collection[str]) -> list[Issued]:
        """What these have, where they have anything."""
        found: list[Issued] = []
        async with transaction(self._engine, write=False) as connection:
            for few in _chunks(hosts):
                wanted = select(certificates).where(certificates.c.host.in_(few), certificates.c.chain != "")
                rows = await connection.execute(wanted)
                found += [Issued(row.host, row.version, row.chain.encode(), row.key.encode()) for row in rows]
        return found

    async def store(self, issued: Issued, not_after: float, renew_at: float, now: float) -> None:
        """A new one; what was wrong before is over."""
        values = {"host": issued.host, "chain": issued.chain.decode(), "key": issued.key.decode(), "now": now}
        async with transaction(self._engine) as connection:
            await connection.execute(_STORE, {**values, "not_after": not_after, "renew_at": renew_at})

    async def renew(self, host: str, version: int, renew_at: float, now: float) -> None:
        """Another time for the next one, of the very one that is meant. It stays the same certificate."""
        meant = (certificates.c.host == host) & (certificates.c.version == version)
        async with transaction(self._engine) as connection:
            await connection.execute(update(certificates).where(meant).values(renew_at=renew_at, changed_at=now))

    async def failed(self, host: str, error: str, retry_at: float, now: float) -> None:
        """What it had, it keeps; nobody tries again before."""
        values = {"host": host, "error": error, "retry_at": retry_at, "now": now}
        async with transaction(self._engine) as connection:
            await connection.execute(_FAILED, values)

    async def forget(self, hosts: Collection[str]) -> None:
        async with transaction(self._engine) as connection:
            for few in _chunks(hosts):
                await connection.execute(delete(certificates).where(certificates.c.host.in_(few)))

    # challenges

    async def challenges(self) -> dict[str, str]:
        """What is to be answered now, by token."""
        async with autocommit(self._engine) as connection:
            rows = (await connection.execute(select(acme_challenges.c.token, acme_challenges.c.answer))).all()
        return {row.token: row.answer for row in rows}

    async def ask(self, host: str, answers: Mapping[str, str], now: float) -> None:
        """From now on nodes are to answer these."""
        row = text(
            "insert into acme_challenges (token, host, answer, created_at) values (:token, :host, :answer, :now)"
        )
        again = text("delete from acme_challenges where token = :token")
        values = [{"token": token, "host": host, "answer": answer, "now": now} for token, answer in answers.items()]
        async with transaction(self._engine) as connection:
            for one in values:  # an order that was left behind may have the same
                await connection.execute(again, {"token": one["token"]})
                await connection.execute(row, one)

    async def asked(self, tokens: Collection[str], *, before: float = 0.0) -> None:
        """These are over, and those from before a time, whose order nobody goes on with."""
        table = acme_challenges.c
        over = table.token.in_(list(tokens)) | (table.created_at < before)
        async with transaction(self._engine) as connection:
            await connection.execute(delete(acme_challenges).where(over))

    async def mark(self) -> tuple[int, ...]:
        """Another value whenever certificates or challenges have changed."""
        tokens = select(func.count(), func.coalesce(func.sum(acme_challenges.c.created_at), 0.0))
        changed = func.coalesce(func.sum(certificates.c.changed_at), 0.0)
        rows = select(func.count(), func.coalesce(func.sum(certificates.c.version), 0), changed)
        async with autocommit(self._engine) as connection:
            asked = (await connection.execute(tokens.select_from(acme_challenges))).one()
            known = (await connection.execute(rows.select_from(certificates))).one()
        return (int(asked[0]), int(asked[1] * 1000), int(known[0]), int(known[1]), int(known[2] * 1000))


def _state(row: Row[tuple[object, ...]]) -> IssuedState:
    return IssuedState(**{column.name: getattr(row, column.name) for column in _STATE})


def _chunks(hosts: Iterable[str]) -> Iterable[list[str]]:
    every = sorted(hosts)
    return (every[at : at + 500] for at in range(0, len(every), 500))
