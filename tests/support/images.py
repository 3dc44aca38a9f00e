"""Images for tests: Python out of this machine's own interpreter, and the tests' component on top of it.

Named by their contents, so they are made once and found again by the next run.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from tests.support.engine import ensure_engine
from tools import base_image, engine_api

COMPONENT = Path(__file__).resolve().parent.parent / "component"
LABEL = "maelstrom_test_image"


@functools.cache
def python_image() -> str:
    """An image with nothing but Python."""
    ensure_engine()
    return base_image.ensure()


@functools.cache
def component_image() -> str:
    """The image of tests/component."""
    return built("maelstrom-test-component", COMPONENT)


def built(name: str, folder: Path) -> str:
    """The image of a folder with a Dockerfile that begins with `ARG BASE`; its tag tells its contents."""
    base = python_image()
    contents = hashlib.sha256(base.encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            contents.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    image = f"{name}:{contents.hexdigest()[:12]}"
    if engine_api.image_label(image, LABEL) is None:
        engine_api.build(folder, image, {"BASE": base}, {LABEL: "true"})
    return image
