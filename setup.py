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
    "maelstrom/gateway/answers.py",
    "maelstrom/gateway/http1/client.py",
    "maelstrom/gateway/http1/client_connection.py",
    "maelstrom/gateway/http1/container.py",
    "maelstrom/gateway/http1/container_connection.py",
    "maelstrom/gateway/http1/exchange.py",
    "maelstrom/gateway/http1/forwarded.py",
    "maelstrom/gateway/http1/request_reader.py",
    "maelstrom/gateway/http1/requests.py",
    "maelstrom/gateway/http1/sender.py",
    "maelstrom/gateway/stats.py",
    "maelstrom/gateway/timers.py",
    "maelstrom/gateway/wire/answer_heads.py",
    "maelstrom/gateway/wire/bodies.py",
    "maelstrom/gateway/wire/first_lines.py",
    "maelstrom/gateway/wire/heads.py",
    "maelstrom/gateway/wire/lines.py",
    "maelstrom/gateway/wire/origin.py",
    "maelstrom/gateway/wire/patterns.py",
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
