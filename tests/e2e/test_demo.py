"""`make demo` and `make demo-stop` from a copy of the source, as a new user runs them: real engine, real processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import engine_api
from tools.machine import alive

ROOT = Path(__file__).resolve().parents[2]
TREE = (
    "Makefile",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "requirements",
    "maelstrom",
    "migrations",
    "tools",
    "examples",
)

USUAL_PORTS = (8080, 8374, 4566)

pytestmark = pytest.mark.timeout(180)


class Clone:
    """A copy of the tree with an environment of its own, which finds the installed requirements in this one's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in TREE:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy2(source, folder / name)
        self._environment()

    def make(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        env = {name: text for name, text in os.environ.items() if not name.startswith(("MAEL_", "MAELSTROM_", "AWS_"))}
        return subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=self.folder,
            env=env | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    @property
    def made(self) -> dict[str, dict[str, int]]:
        path = self.folder / ".work" / "demo" / "demo.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def public(self) -> str:
        return str(json.loads((self.folder / ".work" / "demo" / "state" / "ready.json").read_text())["public"])

    @property
    def label(self) -> str:
        """What the containers of this clone's demo are labelled with."""
        code = "from tools.demo import parts; print(parts.LABEL)"
        return subprocess.check_output(
            [self.folder / ".venv/bin/python", "-c", code], cwd=self.folder, text=True
        ).strip()

    def _environment(self) -> None:
        venv = self.folder / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, capture_output=True)
        packages = next(venv.glob("lib/python*/site-packages"))
        here = next(Path(p) for p in sys.path if p.endswith("site-packages"))
        (packages / "clone.pth").write_text(f"{self.folder}\n{here}\n")
        (packages / "pip").mkdir()  # is looked for, and not used
        (packages / "pip" / "__init__.py").touch()
        for name, module in (("maelstromd", "daemon"), ("maelctl", "cli")):
            script = venv / "bin" / name
            script.write_text(f"#!{venv}/bin/python\nfrom maelstrom.{module}.main import main\nmain()\n")
            script.chmod(0o755)
        stamp = "from tools import setup; setup._stamp('demo').write_text(setup._wanted('demo'))"
        subprocess.run([venv / "bin" / "python", "-c", stamp], cwd=self.folder, check=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    found = Clone(tmp_path_factory.mktemp("clone") / "maelstrom")
    yield found
    found.make("demo-stop")


@pytest.fixture(scope="module")
def first(clone: Clone) -> subprocess.CompletedProcess[str]:
    """A first run on a machine where somebody else has the usual ports."""
    with contextlib.ExitStack() as taken:
        for port in USUAL_PORTS:
            listener = taken.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):  # somebody else has it indeed, which is as good
                listener.bind(("127.0.0.1", port))
                listener.listen()
        return clone.make("demo")


def test_demo_shows_the_main_job(first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    for line in (
        r"✓ maelctl put examples/hello/project.yml: components added: hello; eventsources added: split, sum, web",
        r"✓ First request, no container runs: 200 .* after \d+ ms",
        r"its receipt: queue \d+ ms, create \d+ ms, start \d+ ms, port open \d+ ms, first ok \d+ ms",
        r"✓ Warm requests: [\d.]+ ms",
        r'✓ Step Functions execution: {"numbers": "1,2,3"} → split → sum → 6',
        r"✓ Idle for \d+ s: no container is left",
        r"make demo-stop",
    ):
        assert re.search(line, first.stdout), f"{line} is not in\n{first.stdout}"


def test_demo_takes_other_ports_where_the_usual_ones_are_taken(first: subprocess.CompletedProcess[str]) -> None:
    used = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", first.stdout)}
    assert len(used) == 3
    assert not used & set(USUAL_PORTS)


@pytest.mark.usefixtures("first")
def test_demo_leaves_a_daemon_that_serves(clone: Clone) -> None:
    with urllib.request.urlopen(f"{clone.public}/hello", timeout=30) as answer:
        assert answer.status == 200


@pytest.mark.usefixtures("first")
def test_second_run_reuses_what_the_first_one_left(clone: Clone) -> None:
    before = clone.made
    again = clone.make("demo")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("still running") == 2
    assert "nothing has changed" in again.stdout
    assert (clone.made["daemon"], clone.made["standin"]) == (before["daemon"], before["standin"])


@pytest.mark.usefixtures("first")
def test_demo_stop_removes_all_that_was_made(clone: Clone) -> None:
    urllib.request.urlopen(f"{clone.public}/hello", timeout=30).close()  # so that a container runs
    made = clone.made
    assert engine_api.containers(clone.label)
    stopped = clone.make("demo-stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert [name for name in ("daemon", "standin") if alive(made[name])] == []
    assert engine_api.containers(clone.label) == []
    assert not (clone.folder / ".work" / "demo").exists()


@pytest.mark.usefixtures("first")
def test_stopping_twice_is_no_error(clone: Clone) -> None:
    assert clone.make("demo-stop").returncode == 0
    again = clone.make("demo-stop")
    assert (again.returncode, "nothing to stop" in again.stdout) == (0, True)


def test_without_an_engine_one_message_says_what_to_do(clone: Clone) -> None:
    done = clone.make("demo", DOCKER_HOST="unix:///nonexistent.sock")
    assert done.returncode != 0
    assert "DOCKER_HOST=unix:///nonexistent.sock does not answer" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("target", ["demo", "test"])
def test_without_a_new_enough_python_one_message_says_what_to_do(clone: Clone, tmp_path: Path, target: str) -> None:
    (tmp_path / "python3").symlink_to("/bin/false")
    for program in ("make", "sh", "echo"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    done = clone.make(target, PATH=str(tmp_path))
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
