"""One AWS service, and an environment that leads to it and to nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws import CREDENTIALS, StandIn, stand_in


@pytest.fixture(scope="session")
def aws() -> Iterator[StandIn]:
    """Its polls come back empty after two seconds, so that stops and toggles need not wait for a minute."""
    with stand_in(poll_seconds=2) as running:
        yield running


@pytest.fixture(autouse=True)
def _environ(aws: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws.url}).items():
        monkeypatch.setenv(name, value)
    aws.faults()


@pytest.fixture
def sfn(aws: StandIn) -> Any:
    return aws.client()


@pytest.fixture
def name() -> str:
    return f"i-{uuid.uuid4().hex[:10]}"
