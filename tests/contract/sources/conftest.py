"""One AWS service, and an environment that leads to it and to nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from maelstrom.sources.aws.clients import Lanes
from maelstrom.sources.aws.step_functions import AwsStepFunctions
from tests.support.aws import CREDENTIALS, StandIn, stand_in


@pytest.fixture(scope="session")
def aws() -> Iterator[StandIn]:
    """Its polls come back empty after a second, and its lists are short, so that no test waits for them."""
    with stand_in(poll_seconds=1, page_limit=40) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_faults(aws: StandIn) -> None:
    aws.faults()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> pytest.MonkeyPatch:
    """Nothing of the machine's own AWS configuration, and no metadata service to look for."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
async def real(aws: StandIn, environ: pytest.MonkeyPatch) -> AsyncIterator[AwsStepFunctions]:
    environ.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
    service = AwsStepFunctions(lanes=Lanes("aws", polls=16, calls=4))
    yield service
    service.close()
