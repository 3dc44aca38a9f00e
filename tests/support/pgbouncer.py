"""PgBouncer in transaction mode: each transaction may get another connection of the server, so nothing stays on one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.postgres import PostgresServer, end_with_us, free_port, new_folder, unprivileged

START_SECONDS = 10.0
CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
server_reset_query_always = 1
server_reset_query = discard all
"""


@contextmanager
def pgbouncer(server: PostgresServer) -> Iterator[int]:
    """The port of one in front of the server, for all its databases."""
    folder, port = new_folder(), free_port()
    log = (folder / "log").open("wb")
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(CONFIGURATION.format(server=server.port, port=port))
    configuration.chmod(0o644)
    process = subprocess.Popen(
        [_program(), configuration], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, **unprivileged()
    )
    watchdog = end_with_us(process.pid)
    try:
        _await_ready(server.url(port=port), process, folder / "log")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)
        watchdog.kill()
        watchdog.communicate()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    assert found is not None, "install the package pgbouncer"
    return found


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PgBouncer did not start: {log.read_text()[-2000:]}") from None
        time.sleep(0.02)
