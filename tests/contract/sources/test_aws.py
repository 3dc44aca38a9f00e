"""boto3 behind the port: configuration as everywhere, errors in our words, nothing that blocks the loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from maelstrom.model.errors import (
    AwsNotConfigured,
    AwsRefused,
    AwsThrottled,
    AwsUnavailable,
    MaelstromError,
    OutputRefused,
    TaskGone,
)
from maelstrom.sources.aws.clients import Lanes
from maelstrom.sources.aws.step_functions import AwsStepFunctions
from maelstrom.sources.ports import TaskFailure
from tests.support.aws import REGION, StandIn
from tests.support.wait import eventually

UNCLAIMED = TaskFailure("Maelstrom.Stopped", "nobody was there")


@pytest.fixture
def name() -> str:
    return f"b-{uuid.uuid4().hex[:10]}"


async def test_many_sources_look_their_activities_up_with_one_list(
    aws: StandIn, real: AwsStepFunctions, name: str
) -> None:
    sfn = aws.client()
    made = [sfn.create_activity(name=f"{name}-{i}")["activityArn"] for i in range(60)]  # more than a page
    before = aws.calls()
    arns = await asyncio.gather(*(real.activity(f"{name}-{i}") for i in range(60)))
    await asyncio.gather(*(real.activity(f"{name}-{i}") for i in range(60)))
    after = aws.calls()
    assert arns == made
    assert 2 <= after["ListActivities"] - before.get("ListActivities", 0) <= 4
    assert after["CreateActivity"] == before["CreateActivity"]
    for arn in made:
        sfn.delete_activity(activityArn=arn)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"code": "ThrottlingException"}, AwsThrottled),
        ({"code": "TooManyRequestsException", "status": 429}, AwsThrottled),
        ({"code": "Unheard", "status": 429}, AwsThrottled),
        ({"code": "InternalFailure", "status": 500}, AwsUnavailable),
        ({"code": "ServiceUnavailable", "status": 503}, AwsUnavailable),
        ({"code": "AccessDeniedException"}, AwsRefused),
        ({"code": "UnrecognizedClientException"}, AwsNotConfigured),
        ({"code": "ExpiredTokenException"}, AwsNotConfigured),
        ({"code": "TaskTimedOut"}, TaskGone),
        ({"code": "TaskDoesNotExist"}, TaskGone),
        ({"code": "ValidationException"}, OutputRefused),
    ],
)
async def test_each_refusal_of_aws_has_its_meaning(
    aws: StandIn, real: AwsStepFunctions, fault: dict[str, object], expected: type[MaelstromError]
) -> None:
    aws.faults({"action": "SendTaskSuccess", **fault})
    with pytest.raises(expected) as caught:
        await real.succeed("token", "{}")
    assert type(caught.value) is expected
    assert str(fault["code"]) in caught.value.message
    assert caught.value.hint
    assert caught.value.__cause__ is not None


async def test_no_call_is_repeated_behind_our_back(aws: StandIn, real: AwsStepFunctions) -> None:
    before = aws.calls().get("SendTaskHeartbeat", 0)
    aws.faults({"action": "SendTaskHeartbeat", "code": "ThrottlingException", "times": 5})
    with pytest.raises(AwsThrottled):
        await real.heartbeat("token")
    assert aws.calls()["SendTaskHeartbeat"] == before + 1


async def test_an_address_that_nobody_listens_on_is_unavailable(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("AWS_ENDPOINT_URL_SFN", "http://127.0.0.1:9")
    with pytest.raises(AwsUnavailable, match="cannot be reached"):
        await AwsStepFunctions().activity("a")


async def test_an_address_that_is_none_is_a_matter_of_configuration(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("AWS_ENDPOINT_URL_SFN", "not an address")
    with pytest.raises(AwsNotConfigured) as caught:
        await AwsStepFunctions().activity("a")
    assert "AWS_ENDPOINT_URL" in caught.value.hint


async def test_missing_credentials_and_region_are_said_and_found_when_they_come(
    aws: StandIn, environ: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    environ.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        environ.delenv(variable)
    service = AwsStepFunctions()
    with pytest.raises(AwsNotConfigured) as no_region:
        await service.activity(name)
    assert "AWS_DEFAULT_REGION" in no_region.value.hint
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(f"[default]\nregion = {REGION}\n")
    with pytest.raises(AwsNotConfigured) as no_credentials:
        await service.activity(name)
    assert "AWS_ACCESS_KEY_ID" in no_credentials.value.hint
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = test\naws_secret_access_key = test\n"
    )

    async def found() -> bool:
        try:
            return (await service.activity(name)).endswith(name)
        except AwsNotConfigured:
            return False

    await eventually(found)


@pytest.mark.parametrize("variable", ["AWS_DEFAULT_REGION", "AWS_REGION"])
async def test_the_region_is_found_by_either_name(
    aws: StandIn, environ: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    environ.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
    environ.delenv("AWS_DEFAULT_REGION")
    environ.setenv(variable, "ap-south-1")
    assert ":ap-south-1:" in await AwsStepFunctions().activity(name)


async def test_an_unknown_profile_is_a_matter_of_configuration(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(AwsNotConfigured, match="nobody"):
        await AwsStepFunctions().activity("a")


async def test_a_hundred_open_polls_do_not_keep_a_report_waiting(
    aws: StandIn, environ: pytest.MonkeyPatch, name: str
) -> None:
    environ.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
    service = AwsStepFunctions(lanes=Lanes("aws", polls=100, calls=1))
    arn = await service.activity(name)
    before = aws.calls().get("GetActivityTask", 0)
    loop = asyncio.get_running_loop()
    polls = [loop.create_task(service.poll(arn, "node/0", unclaimed=UNCLAIMED)) for _ in range(100)]
    with pytest.raises(MaelstromError, match="InvalidToken"):
        await service.heartbeat("nonsense")
    assert await asyncio.gather(*polls) == [None] * 100
    assert aws.calls()["GetActivityTask"] - before == 100


async def test_calls_that_wait_when_the_node_ends_fail_in_our_words(
    aws: StandIn, environ: pytest.MonkeyPatch, name: str
) -> None:
    environ.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
    service = AwsStepFunctions(lanes=Lanes("aws", polls=16, calls=1))
    arn = await service.activity(name)
    aws.faults({"action": "SendTaskHeartbeat", "code": "TaskTimedOut", "seconds": 0.5})
    loop = asyncio.get_running_loop()
    before = aws.calls().get("SendTaskHeartbeat", 0)
    first, second = (loop.create_task(service.heartbeat("token")) for _ in range(2))
    await eventually(lambda: aws.calls().get("SendTaskHeartbeat", 0) == before + 1)
    service.close()
    with pytest.raises(TaskGone):
        await first
    with pytest.raises(AwsUnavailable, match="stopping"):
        await second
    with pytest.raises(AwsUnavailable):
        await service.poll(arn, "node/0", unclaimed=UNCLAIMED)


async def test_a_poll_that_never_ran_is_not_run_after_its_cancellation(
    aws: StandIn, environ: pytest.MonkeyPatch, name: str
) -> None:
    environ.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
    service = AwsStepFunctions(lanes=Lanes("aws", polls=1, calls=4))
    arn = await service.activity(name)
    before = aws.calls().get("GetActivityTask", 0)
    loop = asyncio.get_running_loop()
    open_one = loop.create_task(service.poll(arn, "node/0", unclaimed=UNCLAIMED))
    await eventually(lambda: aws.calls().get("GetActivityTask", 0) == before + 1)
    queued = loop.create_task(service.poll(arn, "node/0", unclaimed=UNCLAIMED))
    await asyncio.sleep(0)
    queued.cancel()
    assert await open_one is None
    assert await service.poll(arn, "node/0", unclaimed=UNCLAIMED) is None
    assert aws.calls()["GetActivityTask"] == before + 2


def test_an_open_poll_does_not_keep_a_process_from_ending(aws: StandIn, environ: pytest.MonkeyPatch, name: str) -> None:
    program = """
import asyncio
from maelstrom.sources.aws.step_functions import AwsStepFunctions
from maelstrom.sources.ports import TaskFailure

async def main(name):
    service = AwsStepFunctions()
    arn = await service.activity(name)
    try:
        async with asyncio.timeout(0.3):
            await service.poll(arn, "node/0", unclaimed=TaskFailure("a", "b"))
    except TimeoutError:
        print("left")

asyncio.run(main("%s"))
"""
    environ.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
    run = subprocess.run([sys.executable, "-c", program % name], capture_output=True, text=True, timeout=20)
    assert (run.returncode, run.stdout, run.stderr) == (0, "left\n", "")


def test_boto3_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, maelstrom.sources.aws.step_functions, maelstrom.sources.owner; print('boto3' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert run.stdout == "False\n"
