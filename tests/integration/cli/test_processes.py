"""The real process: exit codes, what is on which stream, and what a shell may do to it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.fakes.api import line
from tests.integration.cli.conftest import MAELCTL, Ctl
from tests.support.admin import AdminThread

PROJECT = """
name: shop
components:
  web:
    image: ${IMAGE:-app:1}
    pullpassword: hunter2
    environment: ["GREETING=grüße €"]
    eventsources:
      site: {http: {hostname: shop.example}}
"""


def put(process: Ctl, text: str = PROJECT) -> None:
    Path("project.yml").write_text(text, "utf-8")
    assert process("put", "--json").json()["project"] == "shop"


def test_exit_codes_by_kind_of_outcome(process: Ctl, tmp_path: Path) -> None:
    Path("bad.yml").write_text("name: shop\ncomponents: {web: {imag: x}}\n")
    put(process)
    outcomes = {
        ("ps",): 0,
        ("nothing",): 2,
        ("project", "get"): 2,
        ("logs",): 2,
        ("es", "ls", "--type", "htp"): 2,
        ("es", "disable"): 2,
        ("put", "bad.yml"): 3,
        ("put", "missing.yml"): 3,
        ("put", "--env", "missing.env"): 3,
        ("project", "get", "none"): 4,
        ("comp", "restart", "none"): 4,
        ("put", "--expected-revision", "9"): 5,
        ("ps", "--token", "wrong"): 6,
        ("ps", "--url", "http://127.0.0.1:1"): 6,
        ("ps", "--state-dir", str(tmp_path / "nowhere")): 6,
    }
    for arguments, code in outcomes.items():
        done = process(*arguments, "-o", "json")
        assert (arguments, done.code) == (arguments, code), done.err
        assert done.out == "" or json.loads(done.out) == []
        assert bool(done.err) == bool(code)
        assert "hunter2" not in done.err


def test_wait_in_vain_is_7_and_the_put_is_told_all_the_same(process: Ctl) -> None:
    Path("project.yml").write_text("name: shop\ncomponents: {web: {image: app:1, mininstances: 1}}\n")
    done = process("put", "--wait", "--timeout", "0.1", "-o", "json")
    assert (done.code, json.loads(done.out)["revision"]) == (7, 1)
    assert "web" in done.err


def test_any_language_goes_through_any_locale(process: Ctl) -> None:
    put(process)
    for locale in ("C", "POSIX", "en_US.ISO-8859-1"):
        done = process(
            "project", "get", "shop", "--json", env={"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        )
        assert done.json()["components"]["web"]["environment"] == ["GREETING=grüße €"]
        assert process("project", "get", "shop", env={"LC_ALL": locale, "PYTHONUTF8": "0"}).code == 0


def test_standard_input_is_a_file(process: Ctl) -> None:
    assert process("put", "-", "--json", input=PROJECT).json()["components"]["added"] == ["web"]
    assert process("validate", "-", "--json", input="name: [").code == 3


def test_reader_that_leaves_ends_it_quietly(environ: dict[str, str], threaded: AdminThread, process: Ctl) -> None:
    put(process)
    threaded.node.lines = [line("x" * 1000)] * 500
    done = subprocess.run(
        f"'{MAELCTL}' logs web | head -n 1",
        shell=True,
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == f"[web]\t{'x' * 1000}\n"
    assert done.stderr == ""


def test_interrupt_is_130_without_a_traceback(environ: dict[str, str], threaded: AdminThread, process: Ctl) -> None:
    put(process)
    threaded.node.lines = [line("first")]
    running = subprocess.Popen(
        [str(MAELCTL), "logs", "-f", "web"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "[web]\tfirst\n"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=10)
    assert (running.returncode, err.strip()) == (130, "")


def test_full_disk_is_an_error_and_no_traceback(environ: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [str(MAELCTL), "version", "--client"],
            env=environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "No space left" in done.stderr


@pytest.mark.parametrize(("answer", "code", "enabled"), [("y", 0, False), ("n", 2, True), ("\x04", 2, True)])
def test_toggling_everything_asks_on_a_terminal(
    environ: dict[str, str], threaded: AdminThread, process: Ctl, answer: str, code: int, enabled: bool
) -> None:
    put(process)
    controller, terminal = pty.openpty()
    running = subprocess.Popen(
        [str(MAELCTL), "es", "disable", "--json"],
        env=environ,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    os.write(controller, answer.encode() + b"\n")
    out, err = running.communicate(timeout=20)
    os.close(controller)
    assert running.returncode == code, err
    assert "every event source" in err
    assert out == "" if enabled else json.loads(out) == ["site"]
    assert [row["enabled"] for row in threaded.client().eventsources()] == [enabled]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_empty_or_nowhere(environ: dict[str, str], closed: str) -> None:
    command = f"'{MAELCTL}' put - --json {closed}"
    done = subprocess.run(command, shell=True, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)


def test_put_of_a_device_or_a_directory_costs_nothing(process: Ctl) -> None:
    for name in ("/dev/zero", "/", "/dev/null", "a\nb"):
        assert process("put", name).code == 3


def test_start_up_does_not_load_what_is_not_needed(environ: dict[str, str]) -> None:
    code = (
        "import sys; from maelstrom.cli.main import run; run(['version', '--client']); run(['--help']);"
        "print(sorted(set(sys.modules) & {'pydantic', 'aiohttp', 'yaml', 'sqlalchemy', 'tabulate', 'asyncio'}))"
    )
    python = MAELCTL.parent / "python"
    done = subprocess.run(
        [str(python), "-c", code], env=environ, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
