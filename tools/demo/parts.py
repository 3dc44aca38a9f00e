"""What the demo leaves running: the AWS stand-in and a maelstromd, in a directory and a cluster of this checkout's own.

Standard library only. A second run finds them by demo.json and reuses those that are alive and healthy; `stop` removes
them, their containers and their state. It must not know what the demo shows.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools import engine, engine_api, setup
from tools.machine import (
    ROOT,
    WORK,
    Failure,
    alive,
    checkout,
    read_json,
    start_background,
    step,
    stop,
    tail,
    wait_until,
    write_json,
)

FOLDER = WORK / "demo"
MADE = FOLDER / "demo.json"
STATE = FOLDER / "state"
CLUSTER = f"demo-{checkout()}"
LABEL = f"maelstrom_cluster={CLUSTER}"
COMPONENTS = "maelstrom_component"  # a label of theirs only: sandboxes wait for the next start
GRACE_SECONDS = 3  # a poll of Step Functions lasts a minute; the demo's is cut instead
PUBLIC_PORT, ADMIN_PORT, AWS_PORT = 8080, 8374, 4566  # or any free one where they are taken
START_SECONDS = 30
REGION = "eu-central-1"


def images(made: list[str]) -> None:
    """Remembers the images that the demo made: those and no others are removed again."""
    if made:
        _remember(images=sorted({*read_json(MADE).get("images", []), *made}))


def aws() -> str:
    """The address of the AWS stand-in, started if it does not run."""
    with step("AWS stand-in") as done:
        made = read_json(MADE)
        url = str(made.get("aws", ""))
        if alive(made.get("standin")) and _answers(url):
            done.note = f"{url}, still running"
            return url
        stop(made.get("standin"), grace=2)
        ready = FOLDER / "aws.url"
        ready.unlink(missing_ok=True)
        port = str(_port(AWS_PORT))
        log = FOLDER / "aws.log"
        command = setup.inside("tools.aws_standin", "--port", port, "--ready-file", str(ready))
        process = start_background(command, log=log, env=environment(""))
        _remember(standin=process)
        _await(ready.exists, process, log, "the AWS stand-in")
        url = done.note = ready.read_text().strip()
        _remember(aws=url)
        return url


def daemon(aws_url: str) -> dict[str, Any]:
    """What ready.json says of the demo's maelstromd, started if none runs that is healthy and has today's code."""
    with step("maelstromd") as done:
        made = read_json(MADE)
        ready = read_json(STATE / "ready.json")
        wanted = {"code": _code(), "aws": aws_url}
        if alive(made.get("daemon")) and made.get("daemon_of") == wanted and _answers(f"{ready.get('admin')}/readyz"):
            done.note = "still running, "
        else:
            stop(made.get("daemon"), grace=GRACE_SECONDS + 3)
            ready = _start_daemon(aws_url)
            _remember(daemon_of=wanted)
        done.note += f"gateway {ready['public']}, admin {ready['admin']}"
        return ready


def environment(aws_url: str) -> dict[str, str]:
    """The environment of the demo's processes: nothing of the user's own AWS account or Maelstrom gets in."""
    ours = ("MAEL_", "MAELSTROM_", "AWS_")
    env = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    env |= {
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": ",".join(filter(None, [env.get("NO_PROXY", ""), "127.0.0.1", "localhost"])),
        "MAEL_STATE_DIR": str(STATE),
        "PYTHONUNBUFFERED": "1",
    }
    if aws_url:
        env["AWS_ENDPOINT_URL"] = aws_url
    return env


def remove() -> None:
    """Stops and removes all that the demo made, within seconds, whatever state it is in."""
    made = read_json(MADE)
    if not FOLDER.exists():
        print("  nothing to stop: no demo has run here")
        return
    for name, what in (("daemon", "maelstromd"), ("standin", "AWS stand-in")):
        if alive(made.get(name)):
            with step(f"{what} stopped"):
                stop(made[name], grace=GRACE_SECONDS + 2 if name == "daemon" else 2)
    try:
        with step("containers and images removed") as done:
            done.note = f"{engine_api.remove_containers(LABEL)} containers"
            for name in made.get("images", []):
                engine_api.remove_image(name)
    except (OSError, engine_api.EngineRefused) as error:
        print(f"    the Docker engine does not answer, so its containers stay: {error}", file=sys.stderr)
    if engine.started_here():
        engine.stop_started()
    with step("state removed"):
        shutil.rmtree(FOLDER)


def _start_daemon(aws_url: str) -> dict[str, Any]:
    log = FOLDER / "maelstromd.log"
    env = environment(aws_url) | {
        "MAEL_CLUSTER_NAME": CLUSTER,
        "MAEL_NODE_NAME": "demo",
        "MAEL_PUBLIC_LISTEN": f"127.0.0.1:{_port(PUBLIC_PORT)}",
        "MAEL_ADMIN_LISTEN": f"127.0.0.1:{_port(ADMIN_PORT)}",
        "MAEL_SHUTDOWN_GRACE_SECONDS": str(GRACE_SECONDS),
        "MAEL_STOP_CONTAINERS": "true",
        "MAEL_SHOW_REASONS": "true",
    }
    process = start_background([setup.VENV / "bin" / "maelstromd"], log=log, env=env)
    _remember(daemon=process)
    found = STATE / "ready.json"
    _await(lambda: read_json(found).get("pid") == process["pid"], process, log, "maelstromd")
    ready = read_json(found)
    _await(lambda: _answers(f"{ready['admin']}/readyz"), process, log, "maelstromd")
    return ready


def _port(wanted: int) -> int:
    """The wanted port if it is free, else 0: any free one."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def _await(ready: Any, process: Mapping[str, Any], log: Path, what: str) -> None:
    if wait_until(lambda: bool(ready()) or not alive(process), START_SECONDS) and ready():
        return
    reason = "does not get ready" if alive(process) else "ended while it was starting"
    stop(process, grace=2)
    raise Failure(f"{what} {reason}; its whole log is in {log}\n{tail(log)}")


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


def _code() -> str:
    """Changes when the product's code does: a daemon with older code is not reused."""
    paths = [p for folder in ("maelstrom", "migrations") for p in (ROOT / folder).rglob("*.py")]
    newest = max(path.stat().st_mtime_ns for path in paths)
    return f"{len(paths)} files, {newest}"


def _remember(**made: Any) -> None:
    write_json(MADE, read_json(MADE) | made)
