"""`make try-systemd`: examples/systemd with a real systemd, in a container, in a few minutes.

Sockets that start the node, readiness, reload, restart and stop under load, processes killed, settings that are wrong.
Exit code 1 at the first thing that is not so. It needs root, Docker, debootstrap and the network (`machine.py`).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.support.engine import own_cluster
from tests.support.images import component_image
from tests.systemd.machine import Machine, booted
from tools.machine import Failure, guarded, step, wait_until

CONFIGURATION = "/etc/maelstrom/maelstromd.conf"
PROJECT = """\
name: shop
components:
  web:
    image: {image}
    httphealthcheckpath: /health
    maxconcurrency: 10
    mininstances: 1
    eventsources:
      site: {{http: {{pathprefix: /}}}}
"""
ASK = "curl -s -m 30 -o /dev/null -w '%{http_code}' http://127.0.0.1"


def main() -> int:
    if os.geteuid() != 0:
        raise Failure("It is to be run as root: a Debian is made, and a container that may do what systemd does.")
    with tempfile.TemporaryDirectory() as work, own_cluster() as cluster, ExitStack() as ends:
        with step("a Debian with systemd, and the project in it"):
            machine = ends.enter_context(booted(Path(work)))
            machine.write(CONFIGURATION, f"MAEL_CLUSTER_NAME={cluster}\nMAEL_NODE_NAME=one\n".encode())
            machine.write("/root/project.yml", PROJECT.format(image=component_image()).encode())
            machine.write("/root/load.py", Path(__file__).with_name("load.py").read_bytes())
        for what, part in STORY.items():
            with step(what) as done:
                done.note = part(machine)
    return 0


def sockets(machine: Machine) -> str:
    machine.run("systemctl enable --now maelstromd.socket maelstromd-admin.socket")
    assert state(machine) == "inactive"
    assert machine.run(f"{ASK}/") == "404", "nothing is put yet"
    within(machine, "active")
    return ""


def components(machine: Machine) -> str:
    machine.run("/opt/maelstrom/bin/maelctl put --wait /root/project.yml")
    assert machine.run(f"{ASK}/") == "200"
    return ""


def followed(machine: Machine) -> str:
    main = pid(machine)

    def again() -> None:
        machine.run("systemctl reload maelstromd && sleep 1 && systemctl reload maelstromd && sleep 1")
        machine.run("systemctl kill -s HUP --kill-who=main maelstromd")
        within(machine, "reloading")
        within(machine, "active")
        assert pid(machine) == main, "the first process keeps its place"
        machine.run("sleep 1; systemctl restart maelstromd")

    requests = under_load(machine, 15, again)
    return f"{requests} requests, none failed"


def refused(machine: Machine) -> str:
    with_setting = f"cp {CONFIGURATION} /root/kept; echo MAEL_BEAT_SECONDS=x >> {CONFIGURATION}"
    code, _ = machine.tried(f"{with_setting}; systemctl reload maelstromd")
    assert code, "a reload that cannot be done says so"
    assert (state(machine), machine.run(f"{ASK}/")) == ("active", "200")
    machine.run(f"cp /root/kept {CONFIGURATION}")
    return ""


def drained(machine: Machine) -> str:
    machine.run(f"({ASK}/sleep?s=3 > /root/slow &) ; sleep 0.5; systemctl stop maelstromd 2>/dev/null")
    assert machine.run("cat /root/slow") == "200"
    assert machine.run("systemctl show -P Result maelstromd") == "success"
    machine.run("systemctl start maelstromd")
    return ""


def mended(machine: Machine) -> str:
    machine.run("systemctl stop maelstromd 2>/dev/null")
    code, _ = machine.tried(f"echo MAEL_BEAT_SECONDS=x >> {CONFIGURATION}; systemctl start maelstromd")
    assert code, "a start that cannot be done says so"
    machine.run("sleep 15")  # more often than systemd likes by itself
    assert state(machine, "maelstromd.socket") == "active"
    machine.run(f"cp /root/kept {CONFIGURATION}")
    assert machine.run(f"{ASK}/") == "200"
    return ""


def killed(machine: Machine) -> str:
    machine.run("systemctl reload maelstromd && sleep 1")
    for of in ("the node", "the process that was started first"):
        ready = json.loads(machine.run("cat /var/lib/maelstrom/ready.json"))
        machine.run(f"kill -9 {ready['pid'] if of == 'the node' else pid(machine)}")
        assert machine.run(f"{ASK}/") == "200", of
        within(machine, "active")
    return ""


def journal(machine: Machine) -> str:
    lines = machine.run("journalctl -u maelstromd -o json --output-fields=PRIORITY,MESSAGE,SYSLOG_IDENTIFIER").split(
        "\n"
    )
    said = [entry for entry in map(json.loads, lines) if "maelstrom.daemon ready" in str(entry["MESSAGE"])]
    assert said
    assert all(entry["PRIORITY"] == "6" and entry["MESSAGE"].startswith("info ") for entry in said), said[-1]
    return ""


def under_load(machine: Machine, seconds: int, work: Callable[[], None]) -> int:
    """How many were answered, all of them well."""
    machine.run(f"(python3 /root/load.py {seconds} > /root/answers 2>&1 &)")
    work()
    done = wait_until(lambda: bool(machine.run("cat /root/answers")), seconds + 60)
    assert done, "the load does not end"
    answers: dict[str, int] = json.loads(machine.run("cat /root/answers"))
    assert set(answers) <= {"200", "closed while idle"}, answers
    return answers["200"]


def within(machine: Machine, wanted: str) -> None:
    assert wait_until(lambda: state(machine) == wanted, 20), f"{state(machine)}, not {wanted}"


def state(machine: Machine, unit: str = "maelstromd") -> str:
    return machine.run(f"systemctl show -P ActiveState {unit}")


def pid(machine: Machine) -> int:
    return int(machine.run("systemctl show -P MainPID maelstromd"))


STORY: dict[str, Callable[[Machine], str]] = {
    "the first connection starts the node, which says when it is ready": sockets,
    "containers are started and reached, with the unit's restrictions": components,
    "reload, reload, SIGHUP and restart under load": followed,
    "a reload with bad settings fails, and the node goes on": refused,
    "a stop lets end what is open": drained,
    "a node that cannot start is tried again, its sockets stay, and who waits is served": mended,
    "killed, it is there again, and who comes meanwhile waits": killed,
    "the journal knows the levels of lines": journal,
}

if __name__ == "__main__":
    sys.exit(guarded(main))
