"""The main job, shown: put, cold start, warm request, Step Functions, scale to zero; each with its time.

Runs in the project's environment and uses only what a user has: maelctl, HTTP, and the AWS SDK.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tools import engine_api, setup
from tools.demo import image, parts
from tools.machine import ROOT, Failure, guarded, step, wait_until

EXAMPLE = ROOT / "examples" / "hello"
IDLE_SECONDS = 3
PATH = "/hello"  # as the project file says
WARM_REQUESTS = 50
NUMBERS = "1,2,3"
VARIABLES = parts.FOLDER / "demo.env"  # what the project file leaves open
LOG = parts.FOLDER / "maelstromd.log"
ACTIVITIES = {"${SplitActivityArn}": "split", "${SumActivityArn}": "sum"}
MACHINE = "hello-split-and-sum"


def main() -> int:
    started = time.monotonic()
    parts.images(image.ensure())
    aws_url = parts.aws()
    ready = parts.daemon(aws_url)
    env = parts.environment(aws_url)
    print("The main job", flush=True)
    _put(env)
    _wait_for_zero()
    _first_request(ready["public"], env)
    _warm_requests(ready["public"])
    _execution(aws_url)
    _scale_to_zero()
    _go_on(ready, aws_url, time.monotonic() - started)
    return 0


def _put(env: Mapping[str, str]) -> None:
    VARIABLES.write_text(f"HELLO_IMAGE={image.NAME}\nHELLO_IDLE={IDLE_SECONDS}\n")
    with step("maelctl put examples/hello/project.yml") as done:
        result = _maelctl(env, "put", "--env", str(VARIABLES), str(EXAMPLE / "project.yml"))
        changes = [
            f"{kind} {how}: {', '.join(names)}"
            for kind in ("components", "eventsources")
            for how, names in result[kind].items()
            if names
        ]
        done.note = "; ".join(changes) or "nothing has changed"


def _wait_for_zero() -> None:
    """An instance that an earlier run left warm would spoil the show."""
    wait_until(lambda: not engine_api.containers(parts.LABEL, parts.COMPONENTS), IDLE_SECONDS + 10)


def _first_request(public: str, env: Mapping[str, str]) -> None:
    with step("First request, no container runs") as done, _gateway(public) as connection:
        started = time.monotonic()
        connection.request("GET", PATH)
        answer = connection.getresponse()
        body = answer.read(300).decode(errors="replace").strip()
        milliseconds = (time.monotonic() - started) * 1000
        if answer.status != 200:
            raise Failure(f"The first request was answered {answer.status}: {body}\nSee {LOG}.")
        done.note = f"{answer.status} {body!r} after {milliseconds:.0f} ms"
    rows = _maelctl(env, "ps")
    receipt = rows[0].get("receipt_ms", {}) if rows else {}
    print("      its receipt: " + ", ".join(f"{phase.replace('_', ' ')} {ms:.0f} ms" for phase, ms in receipt.items()))


def _warm_requests(public: str) -> None:
    with step("Warm requests") as done, _gateway(public) as connection:
        times = []
        for _ in range(WARM_REQUESTS):
            started = time.monotonic()
            connection.request("GET", PATH)
            answer = connection.getresponse()
            answer.read()
            times.append((time.monotonic() - started) * 1000)
            if answer.status != 200:
                raise Failure(f"A warm request was answered {answer.status}. See {LOG}.")
        done.note = f"{statistics.median(times):.1f} ms, the median of {WARM_REQUESTS}"


def _execution(aws_url: str) -> None:
    with step("Step Functions execution") as done:
        options = Config(retries={"total_max_attempts": 3}, connect_timeout=5, read_timeout=30)
        states = boto3.client(
            "stepfunctions",
            endpoint_url=aws_url,
            region_name=parts.REGION,
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
            config=options,
        )
        machine = _state_machine(states)
        started = time.monotonic()
        work = json.dumps({"numbers": NUMBERS})
        execution = states.start_execution(stateMachineArn=machine, input=work)["executionArn"]
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(states.describe_execution(executionArn=execution))
            return bool(found["status"] != "RUNNING")

        wait_until(ended, 60)
        if found["status"] != "SUCCEEDED":
            raise Failure(f"The execution is {found['status']}: {found.get('error', '')} {found.get('cause', '')}")
        milliseconds = (time.monotonic() - started) * 1000
        done.note = f"{work} → split → sum → {found['output']}, {milliseconds:.0f} ms"


def _state_machine(states: Any) -> str:
    """The example's state machine, its activities named as in the project file; made anew or brought up to date."""
    text = (EXAMPLE / "state-machine.json").read_text()
    for placeholder, activity in ACTIVITIES.items():
        text = text.replace(placeholder, states.create_activity(name=activity)["activityArn"])
    role = "arn:aws:iam::000000000000:role/demo"
    arn = str(states.create_state_machine(name=MACHINE, definition=text, roleArn=role)["stateMachineArn"])
    states.update_state_machine(stateMachineArn=arn, definition=text)
    return arn


def _scale_to_zero() -> None:
    with step(f"Idle for {IDLE_SECONDS} s") as done:
        if not wait_until(lambda: not engine_api.containers(parts.LABEL, parts.COMPONENTS), IDLE_SECONDS + 30):
            raise Failure(f"A container still runs. See {LOG}.")
        done.note = "no container is left"


def _go_on(ready: Mapping[str, Any], aws_url: str, seconds: float) -> None:
    maelctl = (setup.VENV / "bin" / "maelctl").relative_to(ROOT)
    print(f"""
Done in {seconds:.0f} s. The daemon goes on running. Try

  curl {ready["public"]}{PATH}
  export MAEL_STATE_DIR={parts.STATE.relative_to(ROOT)}
  {maelctl} ps
  {maelctl} es ls
  {maelctl} logs hello
  {maelctl} put --env {VARIABLES.relative_to(ROOT)} examples/hello/project.yml     (after a change)
  curl {ready["admin"]}/metrics

Its log is {LOG.relative_to(ROOT)}, the AWS stand-in {aws_url} (any credentials will do).
make demo-stop ends all of it and removes what the demo made.""")


@contextlib.contextmanager
def _gateway(url: str) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        yield connection
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"The gateway at {url} does not answer: {error}\nSee {LOG}.") from error
    finally:
        connection.close()


def _maelctl(env: Mapping[str, str], *arguments: str) -> Any:
    command = [str(setup.VENV / "bin" / "maelctl"), *arguments, "--json"]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Failure(f"maelctl {' '.join(arguments)} failed:\n{done.stderr}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(guarded(main))
