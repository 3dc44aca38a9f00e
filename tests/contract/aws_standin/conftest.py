"""One service for all tests of this folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.aws import StandIn, stand_in


@pytest.fixture(scope="session")
def service() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture(scope="session")
def sfn(service: StandIn) -> Any:
    return service.client()


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def activity(sfn: Any, name: str) -> str:
    arn: str = sfn.create_activity(name=name)["activityArn"]
    return arn
