"""Image references as Docker reads them: registry host and port, path, tag, digest.

Grammar and normalisation are those of the engine's own reference parser (github.com/distribution/reference), so that
`app`, `docker.io/library/app` and `index.docker.io/library/app:latest` are known to be the same image. Pure text: it
must not know of engines or registries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
NAME_LIMIT = 255  # characters of path and host together, the engine's own limit

_HOST = re.compile(
    r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
    r"(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?"
    r"|\[[a-fA-F0-9:]+\](?::[0-9]+)?"
)
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_BARE_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A parsed reference. `domain` and `path` are empty for an image id (`sha256:…`), which is in `digest` then."""

    domain: str
    path: str
    tag: str  # empty where only a digest was given
    digest: str

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Raises ValueError with the reason where the engine would refuse the reference."""
        if not text:
            raise ValueError("an image reference must not be empty")
        if _ID.fullmatch(text):
            return cls("", "", "", text)
        if _BARE_ID.fullmatch(text):
            raise ValueError("an image id must be written with `sha256:` in front")
        rest, at, digest = text.partition("@")
        if at and not _DIGEST.fullmatch(digest):
            raise ValueError(f"`{digest[:80]}` is no digest such as sha256:<64 hexadecimal digits>")
        domain, remainder = _split_domain(rest)
        path, colon, tag = remainder.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise ValueError(f"`{tag[:80]}` is no tag (letters, digits, `_`, `.`, `-`, at most 128)")
        _check_name(domain, path)
        return cls(domain, path, tag or ("" if digest else DEFAULT_TAG), digest)

    @property
    def name(self) -> str:
        """The repository with its registry: `docker.io/library/app`."""
        return f"{self.domain}/{self.path}"

    @property
    def normalised(self) -> str:
        """The one way to write it: a digest, where there is one, decides alone."""
        if not self.domain:
            return self.digest
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    @property
    def is_id(self) -> bool:
        """Whether it names a local image by its id; there is nothing to pull."""
        return not self.domain


def normalise(text: str) -> str:
    """The reference in its one form; text that is no reference stays as it is."""
    try:
        return ImageReference.parse(text).normalised
    except ValueError:
        return text


def same_image(a: str, b: str) -> bool:
    """Whether two references name the same image of the same registry."""
    return a == b or normalise(a) == normalise(b)


def _split_domain(text: str) -> tuple[str, str]:
    """The first part is a registry only if it looks like a host, as the engine decides it."""
    first, slash, rest = text.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    domain, remainder = (first, rest) if is_host else (DEFAULT_DOMAIN, text)
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = f"library/{remainder}"
    return domain, remainder


def _check_name(domain: str, path: str) -> None:
    if not _HOST.fullmatch(domain):
        raise ValueError(f"`{domain[:80]}` is no registry host")
    if path.lower() != path:
        raise ValueError(f"the image name `{path[:80]}` must be in lower case")
    if not _PATH.fullmatch(path):
        raise ValueError(f"`{path.removeprefix('library/')[:80]}` is no image name")
    if len(domain) + 1 + len(path) > NAME_LIMIT:
        raise ValueError(f"the image name is longer than {NAME_LIMIT} characters")
