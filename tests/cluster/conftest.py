"""One cluster for all tests here: each does its harm, sees the work go on, and leaves the cluster whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.cluster.run import Run
from tests.support.aws import stand_in
from tests.support.images import component_image


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with stand_in(poll_seconds=20) as aws, Run.over(aws, component_image()) as found:
        yield found
        if request.session.testsfailed:
            logging.getLogger(__name__).error("what the nodes say:\n%s", found.cluster.logs())
