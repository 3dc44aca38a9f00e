"""The Docker engine: finds the one that the Docker command line would use, and starts or installs it where it may.

Standard library only. What this machine's administrator runs is never stopped: only a `dockerd` that was started here,
recognised by its pid and start time.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools import engine_api
from tools.machine import (
    WORK,
    Failure,
    alive,
    can_install,
    install,
    read_json,
    run,
    start_background,
    step,
    stop,
    tail,
    wait_until,
    write_json,
)

STARTED = WORK / "engine.json"  # the dockerd that was started here
LOG = WORK / "log" / "dockerd.log"
DENIED = "permission denied"
PACKAGES = ("docker.io", "iptables", "ca-certificates")


def ensure() -> None:
    """Makes sure that an engine answers. Raises Failure with what to do."""
    with step("Docker engine") as done:
        reason = _unreachable()
        if reason:
            _start(reason)
            done.note = "started, "
        elif alive(read_json(STARTED)):
            done.note = "started before, "
        version = _version()
        done.note += f"version {version.get('Version')}, API {version.get('ApiVersion')}"


def ensure_compose() -> None:
    """Makes sure that docker-compose.yml can be tried. Raises Failure with what to do."""
    with step("Docker Compose") as done:
        if not compose_command():
            if not can_install():
                raise Failure("Docker Compose is needed to test docker-compose.yml: install it and try again.")
            install(["docker-compose"])
        done.note = " ".join(compose_command())


def compose_command() -> list[str]:
    """Compose as it is installed here: a part of the Docker command line, or Debian's program; empty if neither."""
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def started_here() -> bool:
    """Whether the engine in use was started by `ensure` of this checkout."""
    return alive(read_json(STARTED))


def stop_started() -> None:
    """Stops the engine if it was started here."""
    if started_here():
        with step("Docker engine stopped"):
            stop(read_json(STARTED), grace=20)
    STARTED.unlink(missing_ok=True)


def _unreachable() -> str:
    """Why the engine does not answer; empty if it does."""
    try:
        _version()
    except PermissionError:
        return DENIED
    except (OSError, http.client.HTTPException, ValueError, engine_api.EngineRefused) as error:
        return str(error) or type(error).__name__
    return ""


def _version() -> dict[str, Any]:
    if engine_api.address().startswith(("unix://", "tcp://")) and not os.environ.get("DOCKER_TLS_VERIFY"):
        return engine_api.version()
    command = ["docker", "version", "--format", "{{json .Server}}"]  # knows SSH and TLS
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip() or "docker version fails")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refusal(reason: str, *, docker_host: str, may_start: bool, platform: str, installed: bool) -> str:
    """What to tell a person who has to bring the engine up; empty where it can be started here. Pure."""
    if reason == DENIED:
        return (
            "This user may not talk to Docker.\n"
            "Run as root, or let the user in: sudo usermod -aG docker $USER, then log in again."
        )
    if docker_host:
        return (
            f"The Docker engine at DOCKER_HOST={docker_host} does not answer: {reason}\n"
            "Start it, or unset DOCKER_HOST to use the one of this machine."
        )
    if may_start:
        return ""
    if platform == "darwin":
        todo = "Install and start Docker Desktop, then try again."
    elif installed:
        todo = "Start it (sudo systemctl start docker), then try again."
    else:
        todo = "Install Docker Engine (Debian, Ubuntu: sudo apt install docker.io) and start it, then try again."
    return f"No Docker engine answers at {engine_api.address()}: {reason}\n{todo}"


def _start(reason: str) -> None:
    installed = shutil.which("dockerd") is not None
    refused = refusal(
        reason,
        docker_host=os.environ.get("DOCKER_HOST", ""),
        may_start=can_install() or (installed and sys.platform == "linux" and os.geteuid() == 0),
        platform=sys.platform,
        installed=installed,
    )
    if refused:
        raise Failure(refused)
    if not installed:
        install(PACKAGES)
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker"], log="systemctl", what="Starting Docker")
        if not wait_until(lambda: not _unreachable(), 30):
            raise Failure(f"Docker was started but does not answer: {_unreachable()}\nSee `journalctl -u docker`.")
        return
    _start_by_hand()


def _start_by_hand() -> None:
    pidfile = WORK / "dockerd.pid"
    pidfile.unlink(missing_ok=True)
    process = start_background(["dockerd", "--pidfile", pidfile], log=LOG)
    write_json(STARTED, process)
    ready = wait_until(lambda: not _unreachable() or not alive(process), 60)
    if not ready or not alive(process):
        stop(process, grace=10)
        STARTED.unlink(missing_ok=True)
        raise Failure(f"dockerd does not start; its whole log is in {LOG}\n{tail(LOG)}")
