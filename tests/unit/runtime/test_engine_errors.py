"""What the SDK and the layers below it raise, in our words."""

from __future__ import annotations

import json

import docker.errors
import pytest
import requests
import urllib3

from maelstrom.model.errors import EngineUnavailable, ImageMissing, MaelstromError, RuntimeFailed
from maelstrom.runtime.client import find_endpoint
from maelstrom.runtime.engine import Engine, translate


def refused(status: int, message: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps({"message": message}).encode()
    return docker.errors.APIError("refused", response=response, explanation=message)


def unreachable(cause: Exception) -> requests.ConnectionError:
    """As requests reports what urllib3 reports of the system."""
    try:
        try:
            raise cause
        except Exception as inner:
            raise urllib3.exceptions.ProtocolError("Connection aborted.", inner) from inner
    except urllib3.exceptions.ProtocolError as outer:
        error = requests.ConnectionError(outer)
        error.__context__ = outer
        return error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (refused(404, "No such image: app:1"), ImageMissing, "No such image: app:1"),
        (refused(404, "network back not found"), RuntimeFailed, "network back not found"),
        (refused(500, "OCI runtime\n  create failed"), RuntimeFailed, "OCI runtime create failed"),
        (refused(503, "starting"), EngineUnavailable, "not ready"),
        (
            refused(400, "client version 1.41 is too old. Minimum supported API version is 1.44"),
            EngineUnavailable,
            "1.44",
        ),
        (requests.ReadTimeout("read timed out"), EngineUnavailable, "does not answer in time"),
        (unreachable(FileNotFoundError(2, "No such file or directory")), EngineUnavailable, "No such file"),
        (unreachable(ConnectionRefusedError(111, "Connection refused")), EngineUnavailable, "Connection refused"),
        (requests.exceptions.ChunkedEncodingError("x"), EngineUnavailable, "the connection broke off"),
        (docker.errors.DockerException("the engine's API 1.12 is too old"), EngineUnavailable, "1.12"),
    ],
)
def test_each_kind_of_failure_is_one_of_ours(error: Exception, kind: type[MaelstromError], message: str) -> None:
    ours = translate(error)
    assert type(ours) is kind
    assert message in ours.message


def test_who_may_not_talk_to_the_engine_is_told_what_to_do() -> None:
    assert "group docker" in translate(unreachable(PermissionError(13, "Permission denied"))).hint


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Bind for 0.0.0.0:80 failed: port is already allocated", "ports"),
        ('exec: "x": executable file not found in $PATH', "command"),
        ("network back not found", "networkname"),
        ("invalid mount config: bind source path does not exist: /x", "volumes"),
        ("unknown log opt 'x' for json-file log driver", "logdriveroptions"),
        ("something else", "engine's message"),
    ],
)
def test_refusals_have_a_hint_at_the_field_that_is_wrong(said: str, hint: str) -> None:
    assert hint in translate(refused(500, said)).hint


def test_the_engine_is_chosen_as_the_docker_command_line_does() -> None:
    assert find_endpoint({"DOCKER_HOST": "tcp://engine:2375"}) == {"base_url": "tcp://engine:2375"}
    assert find_endpoint({"DOCKER_HOST": ""})["base_url"].startswith("unix://")


async def test_a_context_that_does_not_exist_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="no-such-context"):
        _ = Engine({"DOCKER_CONTEXT": "no-such-context"}).endpoint
