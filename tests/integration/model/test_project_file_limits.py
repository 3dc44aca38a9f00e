"""The largest files that are allowed: read or refused within 300 MB and a few seconds of the processor."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEGABYTES = 300
CPU_SECONDS = 20  # of a slow machine, start of the interpreter included

READ = """
import resource, sys
from maelstrom.model.errors import InvalidInput
from maelstrom.model.manifest import read_project

try:
    read_project(sys.stdin.buffer.read(), file="project.yml", environ={"A": "1"}, read_file=lambda path: b"")
    print("read")
except InvalidInput as error:
    print("refused", len(error.problems))
used = resource.getrusage(resource.RUSAGE_SELF)
# not ru_maxrss: the process that forked this one counts in that
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(peak // 1024, used.ru_utime + used.ru_stime)
"""

HEAD = "name: a\ncomponents:\n"
FILES = {
    "components": (HEAD + "".join(f"  c{number}: {{image: a}}\n" for number in range(49_000)), "read"),
    "ports": (HEAD + "".join(f"  c{number}: {{image: a, ports: [1-65535]}}\n" for number in range(24_000)), "read"),
    "sources": (
        HEAD + "  c: {image: a, eventsources: {"
        + ",".join(f"s{number}: {{http: {{pathprefix: /}}}}" for number in range(30_000)) + "}}\n",
        "read",
    ),
    "crontab": (HEAD + "  c:\n    image: a\n    crontab: |\n" + "      * * * * * /\n" * 58_000, "refused"),
    "unknown keys": (HEAD + "".join(f"  c{number}: {{imagee: 1}}\n" for number in range(33_000)), "refused"),
    "keys by alias": (
        HEAD + "  c0: &c {image: a, " + ", ".join(f"{'k' * 900}{number}: 1" for number in range(40)) + "}\n"
        + "".join(f"  c{number}: *c\n" for number in range(1, 2300)),
        "refused",
    ),
    "texts by alias": (
        HEAD + f"  c0: {{image: a, ulimits: [&t {'x' * 80}]}}\n"
        + "".join(f"  c{number}: {{image: *t, user: *t, ulimits: [*t]}}\n" for number in range(1, 15_000)),
        "refused",
    ),
    "variables": ("#${A}" * 200_000, "refused"),
    "blank lines": ("\n" * (1 << 20), "refused"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_largest_files_cost_little(name: str) -> None:
    text, expected = FILES[name]
    assert len(text) <= 1 << 20
    done = subprocess.run(
        [sys.executable, "-c", READ], input=text.encode(), capture_output=True, check=True, timeout=100
    )
    outcome, used = done.stdout.decode().splitlines()
    megabytes, seconds = used.split()
    assert outcome.split()[0] == expected
    assert int(megabytes) < MEGABYTES
    assert float(seconds) < CPU_SECONDS
