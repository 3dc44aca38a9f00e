"""What AWS documents and no test can wait for."""

from __future__ import annotations

import pytest

from tools.aws_standin.rules import matches, retry_delay


@pytest.mark.parametrize(
    ("retrier", "delays"),
    [
        ({}, [1, 2, 4]),
        ({"IntervalSeconds": 3, "BackoffRate": 1}, [3, 3, 3]),
        ({"IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 10}, [2, 6, 10]),
    ],
)
def test_retries_wait_longer_each_time_up_to_their_cap(retrier: dict[str, float], delays: list[float]) -> None:
    assert [retry_delay(retrier, n) for n in range(3)] == delays


@pytest.mark.parametrize(
    ("selectors", "error", "expected"),
    [
        (["Mine"], "Mine", True),
        (["Mine"], "mine", False),
        (["States.ALL"], "anything", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.ALL"], "States.DataLimitExceeded", False),
        (["States.TaskFailed"], "Mine", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.TaskFailed"], "States.HeartbeatTimeout", False),
        (["States.Timeout"], "States.HeartbeatTimeout", True),
        (["States.HeartbeatTimeout"], "States.Timeout", False),
    ],
)
def test_which_error_a_retry_or_catch_selects(selectors: list[str], error: str, expected: bool) -> None:
    assert matches(selectors, error) is expected
