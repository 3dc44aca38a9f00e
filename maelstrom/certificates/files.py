"""Certificates in files, looked at again and again: what has changed is read anew, without a restart.

A pair that cannot be used leaves the one before in place, and its reason is logged once. Blocking; the caller gives it
a thread. It must not know who shows the certificates.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maelstrom.model.certificate import Certificate

log = logging.getLogger("maelstrom.certificates")

CHAINS = (".crt", ".pem")
CERTBOT = ("fullchain.pem", "privkey.pem")
FILE_MAX = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Pair:
    chain: Path
    key: Path  # the same file where that has both


@dataclass(slots=True)
class _Known:
    """What was last read of a pair. `state`: of both files at that time."""

    state: object
    certificate: Certificate | None = None


class CertificateFiles:
    """The certificates of some directories and pairs of files (`chain:key`)."""

    def __init__(self, places: tuple[str, ...]) -> None:
        self._places = places
        self._known: dict[Pair, _Known] = {}
        self._pairs: dict[str, list[Pair]] = {}  # of each place, as last seen
        self.problems: dict[str, str] = {}  # what is wrong now, by path

    def look(self) -> list[Certificate]:
        """All that can be used now, in the order of the places and by name within each."""
        problems: dict[str, str] = {}
        found: dict[Pair, _Known] = {}
        for place in self._places:
            before = self._pairs.get(place, [])
            try:
                now = list(pairs_at(place))
                chains = {pair.chain for pair in now}
                # Where only the key has gone, somebody has made a mistake, or is not done yet.
                kept = [pair for pair in before if pair.chain not in chains and pair.chain.exists()]
                self._pairs[place] = sorted(now + kept, key=lambda pair: pair.chain)
            except OSError as error:
                problems[place] = f"cannot be read: {error.strerror or error}"
            for pair in self._pairs.get(place, ()):
                found[pair] = self._read(pair, problems)
        self._known = found
        for path, problem in problems.items():
            if self.problems.get(path) != problem:
                text = "a certificate cannot be used, what was there before stays in force: %s"
                log.error(text, problem, extra={"path": path})
        self.problems = problems
        return [known.certificate for known in found.values() if known.certificate is not None]

    def _read(self, pair: Pair, problems: dict[str, str]) -> _Known:
        known = self._known.get(pair)
        path = str(pair.chain)
        try:
            state = (_state(pair.chain), _state(pair.key))
            if known is not None and known.state == state:
                if path in self.problems:
                    problems[path] = self.problems[path]
                return known
            from maelstrom.certificates.pem import read_certificate  # many MiB, for those who have certificates

            certificate = read_certificate(_text(pair.chain), _text(pair.key), path)
        except (OSError, ValueError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            problems[path] = reason
            # Looked at again next time: files that are being replaced fit together a moment later.
            return _Known(None, known.certificate if known is not None else None)
        log.info("a certificate was read", extra={"path": path, "names": ",".join(certificate.names[:5])})
        return _Known(state, certificate)


def pairs_at(place: str) -> Iterator[Pair]:
    """The pairs of files at a place of the setting, in their order. Raises OSError."""
    chain, separator, key = place.rpartition(":")
    if separator:
        yield Pair(Path(chain), Path(key))
        return
    folder = Path(place)
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue  # what is being written, and the inner side of mounted secrets
        if path.suffix in CHAINS and path.name not in CERTBOT:
            yield from _named(path)
        elif path.is_dir() and (path / CERTBOT[0]).exists():
            yield Pair(path / CERTBOT[0], path / CERTBOT[1])
    if (folder / CERTBOT[0]).exists():
        yield Pair(folder / CERTBOT[0], folder / CERTBOT[1])


def _named(path: Path) -> Iterator[Pair]:
    """NAME.crt or NAME.pem with NAME.key, or with the key inside; other files (authorities, say) are passed over."""
    key = path.with_suffix(".key")
    if key.exists():
        yield Pair(path, key)
    elif b"PRIVATE KEY-----" in _text(path):
        yield Pair(path, path)


def _state(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _text(path: Path) -> bytes:
    with path.open("rb") as file:
        text = file.read(FILE_MAX + 1)
    if len(text) > FILE_MAX:
        raise ValueError("is larger than 1 MiB")
    return text
