"""Command line of the benchmark; see the package's docstring."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from benchmarks.idle_sources.process import Usage, usage

BIN = Path(sys.executable).parent
MOST_MIB, MOST_SHARE = 150.0, 0.05  # of one core, while nothing comes
READY_SECONDS = 60.0
OPEN_SECONDS = 60.0  # until every source has a poll open
REST_SECONDS = 10.0  # after that, before measuring
REGION = "eu-west-1"
AWS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": REGION}


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory and CPU of a node whose sources are idle.")
    parser.add_argument("--sources", type=int, default=300, help="half Step Functions, half SQS")
    parser.add_argument("--seconds", type=float, default=45, help="how long to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="maelstrom-bench-") as directory, stand_in() as endpoint:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MAEL", "AWS_"))},
            **AWS,
            "AWS_ENDPOINT_URL": endpoint,
            "MAEL_STATE_DIR": f"{directory}/state",
            "MAEL_NODE_NAME": f"bench-{os.getpid()}",
            "MAEL_CLUSTER_NAME": f"bench-{os.getpid()}",
            "MAEL_PUBLIC_LISTEN": "127.0.0.1:0",
            "MAEL_ADMIN_LISTEN": "127.0.0.1:0",
            "MAEL_INTERNAL_LISTEN": "127.0.0.1:0",
            "MAEL_SHUTDOWN_GRACE_SECONDS": "1",
            "MAEL_LOG_LEVEL": "warning",
        }
        # as any start but the first, which keeps what the migrations needed
        subprocess.run([str(BIN / "maelstromd"), "migrate"], env=environ, check=True)
        with daemon(environ) as pid:
            time.sleep(REST_SECONDS)
            alone = measured(pid, 5)
            make_queues(endpoint, options.sources // 2)
            ctl(environ, "put", "-", text=json.dumps(project(options.sources)))
            wait_until_all_poll(environ)
            time.sleep(REST_SECONDS)
            busy = measured(pid, options.seconds)
    return report(options.sources, alone, busy)


def project(sources: int) -> dict[str, Any]:
    pairs = range(sources // 2)
    activities = {f"task{n}": {"awsstepfunc": {"activityname": f"bench-{n}", "path": "/"}} for n in pairs}
    queues = {f"queue{n}": {"sqs": {"queuename": f"bench-{n}", "path": "/"}} for n in pairs}
    component = {"image": "never:started", "eventsources": activities | queues}
    return {"name": "bench", "components": {"idle": component}}


def make_queues(endpoint: str, count: int) -> None:
    client = boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=AWS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS["AWS_SECRET_ACCESS_KEY"],
    )
    for number in range(count):
        client.create_queue(QueueName=f"bench-{number}")


@contextmanager
def stand_in() -> Iterator[str]:
    command = [sys.executable, "-m", "tools.aws_standin", "--port", "0", "--until-eof"]
    environ = {**os.environ, **AWS}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def daemon(environ: dict[str, str]) -> Iterator[int]:
    """Yields its process once it is ready."""
    ready = Path(environ["MAEL_STATE_DIR"]) / "ready.json"
    with subprocess.Popen([str(BIN / "maelstromd")], env=environ) as process:
        try:
            end = time.monotonic() + READY_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("maelstromd did not become ready")
                time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()


def ctl(environ: dict[str, str], *arguments: str, text: str = "") -> Any:
    command = [str(BIN / "maelctl"), *arguments, "--json"]
    return json.loads(
        subprocess.run(command, env=environ, input=text, text=True, check=True, capture_output=True).stdout
    )


def wait_until_all_poll(environ: dict[str, str]) -> None:
    end = time.monotonic() + OPEN_SECONDS
    while silent := [row for row in ctl(environ, "es", "ls") if not row["polls_open"] or row["state"] != "ok"]:
        if time.monotonic() > end:
            raise RuntimeError(f"{len(silent)} sources do not poll, the first: {silent[0]}")
        time.sleep(1)


def measured(pid: int, seconds: float) -> Usage:
    """The CPU of that time, and the rest as it is at its end."""
    before, begun = usage(pid), time.monotonic()
    time.sleep(seconds)
    after = usage(pid)
    return after.since(before, time.monotonic() - begun)


def report(sources: int, alone: Usage, busy: Usage) -> int:
    print(f"{'':16}{'MiB':>8}{'CPU %':>8}{'threads':>9}{'files':>7}")
    for name, one in (("no source", alone), (f"{sources} idle ones", busy)):
        print(f"{name:16}{one.mib:8.1f}{one.cpu * 100:8.2f}{one.threads:9}{one.files:7}")
    kept = busy.mib < MOST_MIB and busy.cpu < MOST_SHARE
    print(f"bounds: {MOST_MIB:g} MiB and {MOST_SHARE * 100:g} % of a core: {'kept' if kept else 'NOT kept'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
