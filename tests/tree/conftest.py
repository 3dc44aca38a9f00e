"""What the tests of the tree have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tree.tree import syntax


@pytest.fixture(scope="module", autouse=True)
def forgotten_trees() -> Iterator[None]:
    """A million nodes, which every full collection of garbage would walk through for the rest of the run."""
    yield
    syntax.cache_clear()
