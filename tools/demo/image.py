"""The example component's image: built on this machine's own Python, so that no registry is needed.

Standard library only. It must not know of Maelstrom: any image that serves HTTP would do.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

from tools import base_image, engine_api
from tools.machine import ROOT, Failure, checkout, step

NAME = f"maelstrom-hello:demo-{checkout()}"  # another clone's demo has its own
SOURCE = ROOT / "examples" / "hello" / "component"
LABEL = "maelstrom_demo"
PUBLIC_BASE = "python:3.12-slim"  # where this machine's Python cannot run in the engine's containers


def ensure() -> list[str]:
    """Builds the image unless the one that is there has today's source; returns what was made. Raises Failure."""
    with step("Example image") as done:
        done.note = NAME
        try:
            base, made = _base()
            wanted = _fingerprint(base)
            if engine_api.image_label(NAME, LABEL) != wanted:
                outdated = engine_api.image_id(NAME)
                engine_api.build(SOURCE, NAME, {"BASE": base}, {LABEL: wanted})
                engine_api.remove_image(outdated)
                made.append(NAME)
                done.note += f", built on {base}"
        except engine_api.EngineRefused as refused:
            raise Failure(f"The example's image cannot be built: {refused}") from refused
    return made


def _base() -> tuple[str, list[str]]:
    """The base image, and its name once more if it was made just now."""
    engine = engine_api.version()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if sys.platform != "linux" or engine.get("Os") != "linux" or engine.get("Arch") != machine:
        return PUBLIC_BASE, []
    new = engine_api.image_label(base_image.name(), base_image.LABEL) is None
    base = base_image.ensure()
    return base, [base] if new else []


def _fingerprint(base: str) -> str:
    digest = hashlib.sha256(base.encode())
    for path in sorted(p for p in SOURCE.iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0" + Path(path).read_bytes())
    return digest.hexdigest()[:16]
