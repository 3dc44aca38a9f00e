"""Certificates in files: found in the usual layouts, read again when they change, kept when they become useless."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from maelstrom.certificates.files import CertificateFiles
from maelstrom.certificates.service import DAY, Certificates
from maelstrom.model.certificate import Certificate
from tests.support.certificates import Authority, Pair

AUTHORITY = Authority()


def names(found: list[Certificate]) -> list[tuple[str, ...]]:
    return [one.names for one in found]


def replace(folder: Path, name: str, pair: Pair) -> None:
    """As programs do it that renew certificates: other files take the names, the time of a second may be the same."""
    for suffix, text in ((".key", pair.key), (".crt", pair.chain)):
        partial = folder / f".{name}{suffix}"
        partial.write_bytes(text)
        partial.replace(folder / f"{name}{suffix}")


def test_the_usual_layouts_are_understood(tmp_path: Path) -> None:
    AUTHORITY.pair("a.test", "*.A.test").write(tmp_path / "flat", "a")
    pair = AUTHORITY.pair("b.test")
    (tmp_path / "flat" / "b.pem").write_bytes(pair.chain + pair.key)
    (tmp_path / "flat" / "authority.crt").write_bytes(AUTHORITY.root)
    live = tmp_path / "live" / "c.test"
    live.mkdir(parents=True)
    pair = AUTHORITY.pair("c.test")
    (live / "fullchain.pem").write_bytes(pair.chain)
    (live / "privkey.pem").write_bytes(pair.key)
    (live / "cert.pem").write_bytes(pair.chain)
    (tmp_path / "live" / "README").write_text("certbot's")
    AUTHORITY.pair("d.test").write(tmp_path / "else", "d")
    single = f"{tmp_path}/else/d.crt:{tmp_path}/else/d.key"
    files = CertificateFiles((f"{tmp_path}/flat", f"{tmp_path}/live", single, str(live)))
    assert names(files.look()) == [("a.test", "*.a.test"), ("b.test",), ("c.test",), ("d.test",)]
    assert files.problems == {}


def test_what_has_changed_is_read_again(tmp_path: Path) -> None:
    AUTHORITY.pair("a.test").write(tmp_path, "a")
    files = CertificateFiles((str(tmp_path),))
    first = files.look()
    assert files.look() == first
    replace(tmp_path, "a", AUTHORITY.pair("a.test", "www.a.test"))
    AUTHORITY.pair("b.test").write(tmp_path, "b")
    assert names(files.look()) == [("a.test", "www.a.test"), ("b.test",)]
    os.unlink(tmp_path / "b.crt")
    os.unlink(tmp_path / "b.key")
    assert names(files.look()) == [("a.test", "www.a.test")]


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    for number, host in enumerate(("old.test", "new.test")):
        AUTHORITY.pair(host).write(tmp_path / str(number), "tls")
    (tmp_path / "..data").symlink_to("0")
    folder = tmp_path / "mounted"
    folder.mkdir()
    for suffix in ("crt", "key"):
        (folder / f"tls.{suffix}").symlink_to(f"../..data/tls.{suffix}")
    files = CertificateFiles((str(folder),))
    assert names(files.look()) == [("old.test",)]
    (tmp_path / "..new").symlink_to("1")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert names(files.look()) == [("new.test",)]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("half", "the key is not the certificate's"),
        ("cut", "the chain is no certificate in PEM"),
        ("no key", "No such file or directory"),
        ("encrypted", "the key is encrypted, and nobody is there to be asked for its password"),
        ("empty", "the key is no private key in PEM"),
    ],
)
def test_a_broken_pair_leaves_the_old_one_in_force_and_says_why_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str, reason: str
) -> None:
    AUTHORITY.pair("a.test").write(tmp_path, "a")
    AUTHORITY.pair("b.test").write(tmp_path, "b")
    files = CertificateFiles((str(tmp_path),))
    good = files.look()
    new = AUTHORITY.pair("a.test", password=b"secret" if what == "encrypted" else b"")
    chain, key = tmp_path / "a.crt", tmp_path / "a.key"
    if what == "no key":
        key.unlink()
    elif what == "cut":
        chain.write_bytes(new.chain[:200])
    else:
        chain.write_bytes(new.chain)
        if what != "half":
            key.write_bytes(b"" if what == "empty" else new.key)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert files.look() == good
    assert files.problems == {str(chain): reason}
    assert [record.getMessage().endswith(reason) for record in caplog.records] == [True]
    assert new.key.decode() not in caplog.text
    chain.write_bytes(new.chain)
    key.write_bytes(AUTHORITY.pair("x").key if what == "half" else new.key)
    if what not in ("half", "encrypted"):
        assert names(files.look()) == names(good)
        assert files.look() != good
        assert files.problems == {}


def test_a_certificate_without_a_host_is_of_no_use(tmp_path: Path) -> None:
    AUTHORITY.pair("under score and blanks").write(tmp_path, "a")
    files = CertificateFiles((str(tmp_path),))
    assert files.look() == []
    assert list(files.problems.values()) == ["the certificate names no host (subject alternative names)"]


def test_a_directory_that_is_away_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    AUTHORITY.pair("a.test").write(folder, "a")
    files = CertificateFiles((str(folder), str(tmp_path / "never")))
    good = files.look()
    folder.rename(tmp_path / "away")
    assert files.look() == good
    assert set(files.problems) == {str(folder), str(tmp_path / "never"), str(folder / "a.crt")}
    (tmp_path / "away").rename(folder)
    assert files.look() == good
    assert set(files.problems) == {str(tmp_path / "never")}


async def test_who_shows_them_hears_of_changes_only(tmp_path: Path) -> None:
    AUTHORITY.pair("a.test").write(tmp_path, "a")
    shown: list[list[str]] = []
    service = Certificates(
        CertificateFiles((str(tmp_path),)),
        show=lambda all: shown.append([one.names[0] for one in all]),
        now=lambda: 0.0,
    )
    await service.look()
    await service.look()
    service.issued([AUTHORITY.certificate("auto.test")])
    assert shown == [["a.test"], ["a.test", "auto.test"]]


async def test_an_end_that_comes_near_is_told_once_a_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair = AUTHORITY.pair("a.test", begins=0, ends=90 * DAY)
    pair.write(tmp_path, "a")
    files = CertificateFiles((str(tmp_path),))
    [one] = files.look()
    clock = [one.not_before]
    service = Certificates(files, show=lambda all: None, now=lambda: clock[0])
    told = []
    for day in (0, 75, 77, 77.5, 78.1, 91):
        clock[0] = one.not_before + day * DAY
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            await service.look()
        told.append([record.getMessage() for record in caplog.records])
    assert told == [
        [],
        [],
        ["a certificate ends in 13.0 days"],
        [],
        ["a certificate ends in 11.9 days"],
        ["a certificate has ended 1.0 days ago"],
    ]
