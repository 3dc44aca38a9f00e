"""The mistakes that people make: each ends in one clear message that says what to do, and in its exit code."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDaemon
from tests.support.daemon import BIN, Daemon
from tests.support.engine_proxy import EngineProxy
from tests.support.wait import eventually


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAEL_", "MAELSTROM_"))}
    return subprocess.run(
        [str(BIN / "maelstromd"), *arguments],
        env={**clean, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ended(daemon: Daemon) -> tuple[int, str]:
    daemon.launch()
    assert daemon.process is not None
    return daemon.process.wait(60), daemon.log()


def test_bad_settings_are_all_listed_with_their_names(tmp_path: Path) -> None:
    done = run(MAEL_STATE_DIR=str(tmp_path), MAEL_PUBLIC_LISTEN="nowhere", MAEL_BEAT_SECONDS="-1", MAEL_LOG_LEVEL="x")
    assert done.returncode == 2
    for name in ("MAEL_PUBLIC_LISTEN", "MAEL_BEAT_SECONDS", "MAEL_LOG_LEVEL"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_line_of_the_settings_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "node.env"
    file.write_text("MAEL_NODE_NAME=n1\nexport\nMAEL_LOG_LEVEL=loud\n")
    done = run("check-config", "--config", str(file))
    assert done.returncode == 2
    assert f"{file}:2: --config" in done.stderr
    file.write_text("MAEL_NODE_NAME=n1\nMAEL_LOG_LEVEL=loud\n")
    assert f"{file}:2: MAEL_LOG_LEVEL" in run("check-config", "--config", str(file)).stderr


def test_migrate_may_be_the_first_command_of_all(tmp_path: Path) -> None:
    done = run("migrate", MAEL_STATE_DIR=str(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "state" / "maelstrom.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("setting", ["MAEL_PUBLIC_LISTEN", "MAEL_ADMIN_LISTEN", "MAEL_INTERNAL_LISTEN"])
def test_a_port_that_is_taken_is_named(make_daemon: StartDaemon, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, log = ended(make_daemon(environ={setting: address}))
    assert code == 2
    assert address in log
    assert "Traceback" not in log


def test_two_daemons_with_one_state_directory(make_daemon: StartDaemon) -> None:
    first = make_daemon().start()
    second = make_daemon(environ={"MAEL_STATE_DIR": str(first.state)})
    second.launch()
    assert second.process is not None
    assert second.process.wait(60) == 1
    assert f"in use by process {first.ready['pid']}" in second.log()
    assert first.ask("nodes")[0]["state"] == "ready", "the first one is not disturbed"


def test_two_live_nodes_of_one_name_in_one_database(make_daemon: StartDaemon) -> None:
    first = make_daemon("same").start()
    database = f"sqlite:///{first.state}/maelstrom.db"
    code, log = ended(make_daemon("same", environ={"MAEL_DATABASE_URL": database}))
    assert code == 1
    assert "has the name same" in log
    assert "MAEL_NODE_NAME" in log


def test_a_database_that_is_not_there(make_daemon: StartDaemon) -> None:
    code, log = ended(make_daemon(environ={"MAEL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}))
    assert code == 3
    assert "127.0.0.1" in log
    assert "Traceback" not in log


def test_a_stale_state_directory_does_not_hinder_a_start(make_daemon: StartDaemon) -> None:
    daemon = make_daemon().start()
    daemon.kill()
    assert (daemon.state / "ready.json").exists()
    daemon.start()
    assert daemon.ask("nodes")[0]["name"] == "one"


def test_a_state_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    done = run(MAEL_STATE_DIR=str(tmp_path / "state"))
    assert done.returncode == 2
    assert "MAEL_STATE_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(full)], check=True)
    with contextlib.suppress(OSError):  # full then, as it should be
        (full / "filler").write_bytes(b"x" * 65_536)
    try:
        done = run(
            MAEL_STATE_DIR=str(full / "state"), MAEL_PUBLIC_LISTEN="127.0.0.1:0", MAEL_ADMIN_LISTEN="127.0.0.1:0"
        )
    finally:
        subprocess.run(["umount", str(full)], check=True)
    assert done.returncode in (1, 2, 3)
    assert "full" in done.stderr or "No space" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_read_only_state_directory_is_said_so(tmp_path: Path) -> None:
    place = tmp_path / "ro"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(place)], check=True)
    try:
        done = run(MAEL_STATE_DIR=str(place / "state"))
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert done.returncode == 2
    assert "read-only" in done.stderr.lower()


async def test_without_an_engine_it_says_so_waits_and_goes_on_when_it_is_there(
    make_daemon: StartDaemon, tmp_path: Path
) -> None:
    proxy = EngineProxy(tmp_path / "engine.sock")
    daemon = make_daemon(environ={"DOCKER_HOST": f"unix://{tmp_path}/engine.sock"})
    daemon.launch()
    await eventually(lambda: "waiting for the container engine" in daemon.log(), within=30)
    assert "start Docker" in daemon.log()
    # people can ask meanwhile
    await eventually(lambda: (daemon.state / "admin-token").exists(), within=10)
    proxy.start()
    try:
        daemon.wait_ready()
    finally:
        daemon.kill()
        proxy.stop()


def test_an_unknown_image_is_told_with_the_registrys_words(daemon: Daemon) -> None:
    path = daemon.directory / "project.yml"
    path.write_text("name: p\ncomponents: {c: {image: 'localhost:1/no/such:image', mininstances: 1}}\n")
    done = daemon.maelctl("put", str(path), "--wait", "--timeout", "30")
    assert done.returncode == 1
    assert "localhost:1/no/such:image" in done.stderr
    assert "Traceback" not in done.stderr
