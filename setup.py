"""Builds the compiled core where it is asked for: `MAELSTROM_COMPILED=1 pip install .` (pyproject.toml says the rest).

The gateway's warm path is compiled by mypyc from the very files that run without it, so there is one source, and what
is not compiled (no compiler, another Python) works alike and is the default. Needs a C compiler. `make test-compiled`
runs the gateway's tests on it; docs/performance.md says what it brings.
"""

import os
import sys

from setuptools import Extension, setup

# All that a warm request passes through. One group: they call each other as C functions.
COMPILED = (
    "maelstrom/gateway/answer_heads.py",
    "maelstrom/gateway/answers.py",
    "maelstrom/gateway/bodies.py",
    "maelstrom/gateway/client.py",
    "maelstrom/gateway/client_connection.py",
    "maelstrom/gateway/container.py",
    "maelstrom/gateway/container_connection.py",
    "maelstrom/gateway/exchange.py",
    "maelstrom/gateway/first_lines.py",
    "maelstrom/gateway/forwarded.py",
    "maelstrom/gateway/heads.py",
    "maelstrom/gateway/lines.py",
    "maelstrom/gateway/origin.py",
    "maelstrom/gateway/patterns.py",
    "maelstrom/gateway/request_reader.py",
    "maelstrom/gateway/requests.py",
    "maelstrom/gateway/sender.py",
    "maelstrom/gateway/stats.py",
    "maelstrom/gateway/timers.py",
)
# In an isolated build the product's own dependencies are not there: what they are is not asked then.
OPTIONS = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")


def extensions() -> list[Extension]:
    from mypyc.build import mypycify

    made: list[Extension] = mypycify([*OPTIONS, *COMPILED], opt_level="3")
    return made


compiled = os.environ.get("MAELSTROM_COMPILED", "") not in ("", "0")
asked = not {"egg_info", "dist_info"} & set(sys.argv)  # pip first asks what the build needs: mypyc is not there yet
setup(
    ext_modules=extensions() if compiled and asked else [],
    setup_requires=["mypy==2.4.1"] if compiled else [],  # pip brings it for the build alone
)
