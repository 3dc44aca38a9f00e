"""`maelstromd`: arguments, exit codes and signals. Everything else is in `daemon/node`.

Exit codes: 0 stopped on request, 2 bad settings, 3 cannot reach what it must have, 1 anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import sys
from collections.abc import Mapping, Sequence

import maelstrom
from maelstrom.daemon import logs
from maelstrom.daemon.environment import Loaded, load
from maelstrom.daemon.loop import loop_runner
from maelstrom.daemon.state import make_directory
from maelstrom.model.errors import InvalidSettings, MaelstromError, Unavailable

M_ARENA_MAX = -8  # glibc's malloc.h
EXIT_OK, EXIT_FAILED, EXIT_SETTINGS, EXIT_UNREACHABLE = 0, 1, 2, 3

log = logging.getLogger("maelstrom.daemon")


def main(argv: Sequence[str] | None = None) -> None:
    try:
        code = _main(sys.argv[1:] if argv is None else argv)
    except MaelstromError as error:
        code = _explain(error)
    # not sys.exit alone: a thread that waits for the engine must not hold up the end
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _main(argv: Sequence[str]) -> int:
    loaded = load(argv, os.environ)
    match loaded.command:
        case "version":
            print(f"maelstromd {maelstrom.__version__}")
            return EXIT_OK
        case "check-config":
            for notice in loaded.notices:
                print(f"note: {notice}", file=sys.stderr)
            for name, value in loaded.shown().items():
                print(f"{name}={value}")
            return EXIT_OK
        case "upgrade":
            return _upgrade(loaded)
    logs.set_up(loaded.settings.log_format, loaded.settings.log_level, os.environ)
    for notice in loaded.notices:
        log.warning("%s", notice)
    original = dict(os.environ)  # the file may say something else when this is upgraded
    loaded.export(os.environ)
    _allow_many_files()
    _share_memory()
    runner = loop_runner()
    if loaded.command == "run":
        return _run(loaded, runner, original)
    with runner:
        return runner.run(_migrate(loaded) if loaded.command == "migrate" else _new_era(loaded))


def _upgrade(loaded: Loaded) -> int:
    """Asks the node of this state directory to be followed, and waits for the outcome."""
    from maelstrom.daemon.asking import ask_for_upgrade

    pid, version = ask_for_upgrade(loaded.settings.state_dir, loaded.settings.shutdown_grace_seconds)
    print(f"process {pid} serves now, version {version}")
    return EXIT_OK


async def _migrate(loaded: Loaded) -> int:
    from maelstrom.registry.migrate import migrate

    if loaded.settings.database_url.startswith(f"sqlite:///{loaded.settings.state_dir}/"):
        make_directory(loaded.settings.state_dir)
    await migrate(loaded.settings.database_url)
    log.info("the database has the schema of this version")
    return EXIT_OK


async def _new_era(loaded: Loaded) -> int:
    """After a restore: what the copy does not know of may still be open towards components."""
    from maelstrom.leases.restore import begin_era
    from maelstrom.registry.registry import Registry

    settings = loaded.settings
    registry = await Registry.open(settings.database_url, listen_url=settings.database_listen_url, migrate=False)
    try:
        seconds = await begin_era(registry.engine, ttl_seconds=settings.session_ttl_seconds)
    finally:
        await registry.close()
    log.info("a new era has begun: polled sources are worked again once nothing can be open that the database lost")
    log.info("that takes at most %.0f s from the start of the first node", seconds)
    return EXIT_OK


def _run(loaded: Loaded, runner: asyncio.Runner, original: Mapping[str, str]) -> int:
    from maelstrom.daemon.life import Life
    from maelstrom.daemon.upgrade import hold_place

    life = Life(loaded.settings, os.environ, [sys.executable, *sys.orig_argv[1:]], original)
    with runner:
        runner.run(life.run())
    if life.place:
        logging.shutdown()
        hold_place(life.place, loaded.settings.state_dir)
    return EXIT_OK


def _allow_many_files() -> None:
    """Each connection and each open poll is a file: the soft limit of most systems is far too low for a gateway."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _share_memory() -> None:
    """An open poll is a thread; glibc would give every few of them a heap of their own, which is never given back."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _explain(error: MaelstromError) -> int:
    """One clear message, with what to do; no traceback."""
    print(
        f"maelstromd: {error.message}" if not isinstance(error, InvalidSettings) else "maelstromd: bad settings",
        file=sys.stderr,
    )
    if isinstance(error, InvalidSettings):
        for problem in error.problems:
            where = ":".join(str(part) for part in (problem.file, problem.line or "") if part)
            text = ": ".join(part for part in (where, problem.path, problem.message) if part)
            print(f"  {text}" + (f" ({problem.hint})" if problem.hint else ""), file=sys.stderr)
        return EXIT_SETTINGS
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)
    return EXIT_UNREACHABLE if isinstance(error, Unavailable) else EXIT_FAILED
