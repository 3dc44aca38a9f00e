"""The process: says where it listens, refuses a taken port in one line, ends at once whatever waits."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError

from tests.support.aws import ROOT, Machine, StandIn, one_task, stand_in, until


def test_a_taken_port_is_refused_in_one_line(service: StandIn) -> None:
    port = str(urlsplit(service.url).port)
    command = [sys.executable, "-m", "tools.aws_standin", "--port", port]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in run.stderr


def test_the_address_is_written_where_asked(tmp_path: Path) -> None:
    ready = tmp_path / "url"
    command = [sys.executable, "-m", "tools.aws_standin", "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        assert ready.read_text() == printed
        process.terminate()
        assert process.wait(10) == 0


def test_it_ends_with_whoever_started_it() -> None:
    command = [sys.executable, "-m", "tools.aws_standin", "--port", "0", "--until-eof"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(10) == 0


def test_open_polls_and_running_executions_do_not_keep_it() -> None:
    with stand_in() as service, ThreadPoolExecutor(1) as pool:
        sfn = service.client()
        arn = sfn.create_activity(name="idle")["activityArn"]
        Machine(sfn, "waits", one_task(sfn.create_activity(name="other")["activityArn"])).start()
        poll = pool.submit(sfn.get_activity_task, activityArn=arn)
        until(lambda: service.calls().get("GetActivityTask"))
        assert service.stop() == 0
        assert isinstance(poll.exception(5), BotoCoreError)
