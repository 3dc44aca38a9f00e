"""Automatic certificates in both databases."""

from __future__ import annotations

from itertools import pairwise

from maelstrom.model.certificate import AcmeAccount, Issued
from maelstrom.registry.registry import Registry

A, B = "a.example.org", "b.example.org"


async def test_an_account_is_kept_per_authority(registry: Registry) -> None:
    ledger = registry.certificates
    assert await ledger.account("https://one/dir") is None
    one = AcmeAccount("https://one/dir", "ops@example.org", b"key", "https://one/acct/1")
    await ledger.keep_account(one, 1.0)
    assert await ledger.account("https://one/dir") == one
    assert await ledger.account("https://two/dir") is None
    await ledger.keep_account(AcmeAccount("https://one/dir", "", b"new", "https://one/acct/2"), 2.0)
    found = await ledger.account("https://one/dir")
    assert found is not None
    assert (found.key, found.uri) == (b"new", "https://one/acct/2")
    assert "new" not in repr(found)
    await ledger.forget_account("https://one/dir")
    assert await ledger.account("https://one/dir") is None


async def test_failures_are_counted_and_over_with_the_next_certificate(registry: Registry) -> None:
    ledger = registry.certificates
    await ledger.failed(A, "no answer", 100.0, 10.0)
    await ledger.failed(A, "still none", 300.0, 101.0)
    state = (await ledger.states())[A]
    assert (state.failures, state.retry_at, state.error, state.not_after) == (2, 300.0, "still none", 0.0)
    assert await ledger.issued([A]) == []
    await ledger.store(Issued(A, 0, b"chain", b"key"), 900.0, 600.0, 310.0)
    state = (await ledger.states())[A]
    assert (state.failures, state.retry_at, state.error) == (0, 0.0, "")
    assert (state.not_after, state.renew_at, state.changed_at) == (900.0, 600.0, 310.0)
    assert await ledger.issued([A, B]) == [Issued(A, 3, b"chain", b"key")]


async def test_a_failed_renewal_keeps_what_there_is(registry: Registry) -> None:
    ledger = registry.certificates
    await ledger.store(Issued(A, 0, b"chain", b"key"), 900.0, 600.0, 1.0)
    await ledger.failed(A, "away", 700.0, 601.0)
    state = (await ledger.states())[A]
    assert (state.not_after, state.renew_at, state.retry_at, state.failures) == (900.0, 600.0, 700.0, 1)
    assert [one.chain for one in await ledger.issued([A])] == [b"chain"]


async def test_another_time_for_the_next_one_makes_no_other_certificate(registry: Registry) -> None:
    ledger = registry.certificates
    await ledger.store(Issued(A, 0, b"chain", b"key"), 900.0, 600.0, 1.0)
    mark = await ledger.mark()
    await ledger.renew(A, 1, 300.0, 2.0)
    state = (await ledger.states())[A]
    assert (state.renew_at, state.version, state.not_after) == (300.0, 1, 900.0)
    assert await ledger.mark() != mark, "other nodes show it to people"
    await ledger.store(Issued(A, 0, b"new", b"key"), 1900.0, 1600.0, 3.0)
    await ledger.renew(A, 1, 400.0, 4.0)  # it was meant for the one before
    assert (await ledger.states())[A].renew_at == 1600.0


async def test_every_change_makes_another_mark(registry: Registry) -> None:
    ledger = registry.certificates
    marks = [await ledger.mark()]
    await ledger.ask(A, {"t1": "t1.x"}, 1.5)
    marks.append(await ledger.mark())
    await ledger.ask(B, {"t2": "t2.x"}, 2.5)
    marks.append(await ledger.mark())
    await ledger.asked(["t1"])
    marks.append(await ledger.mark())
    await ledger.failed(A, "no", 2.0, 1.0)
    marks.append(await ledger.mark())
    await ledger.store(Issued(A, 0, b"chain", b"key"), 9.0, 6.0, 3.0)
    marks.append(await ledger.mark())
    await ledger.store(Issued(A, 0, b"chain", b"key"), 9.0, 6.0, 3.0)
    marks.append(await ledger.mark())
    await ledger.forget([A])
    marks.append(await ledger.mark())
    assert all(before != after for before, after in pairwise(marks))
    assert await ledger.mark() == marks[-1]


async def test_challenges_are_there_while_they_are_asked_for(registry: Registry) -> None:
    ledger = registry.certificates
    await ledger.ask(A, {"t1": "t1.x", "t2": "t2.x"}, 100.0)
    await ledger.ask(A, {"t1": "t1.y"}, 200.0)  # an order that was begun again
    assert await ledger.challenges() == {"t1": "t1.y", "t2": "t2.x"}
    await ledger.asked([], before=150.0)
    assert await ledger.challenges() == {"t1": "t1.y"}
    await ledger.asked(["t1"])
    assert await ledger.challenges() == {}
