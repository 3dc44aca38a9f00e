"""A component's `pullcommand`: a program of the host that brings its image, run as the daemon's user.

It must not know of engines: whether the image is there afterwards is not for the command to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Mapping

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.errors import PullFailed

IMAGE_PLACE = "<image>"  # what the command writes where the reference belongs
OUTPUT_TAIL_BYTES = 2000
LAST_OUTPUT_SECONDS = 1.0
OWN_SETTINGS = "MAEL_"  # the daemon's settings hold secrets that no command of a component may see


async def pull_by_command(definition: ComponentDefinition, environ: Mapping[str, str]) -> None:
    """Raises PullFailed with the end of its output. Cancelled, it is ended together with all its children."""
    command = [part.replace(IMAGE_PLACE, definition.image) for part in definition.pullcommand or ()]
    async with _pipe() as (output, write_end):
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                env={name: value for name, value in environ.items() if not name.startswith(OWN_SETTINGS)},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise PullFailed(
                f"pullcommand {command[0]}: {error}", hint="the command runs on the daemon's host"
            ) from error
        finally:
            os.close(write_end)
        tail = await _watched(process, output)
    if process.returncode != 0:
        said = f": {tail}" if tail else ""
        raise PullFailed(
            f"pullcommand {command[0]} ended with {process.returncode}{said}", hint="run it by hand on this host"
        )


async def _watched(process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> str:
    """Waits for its end; returns the end of what it said."""
    kept = bytearray()
    try:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_keep_tail(output, kept), name="output of a pullcommand")
            await process.wait()
            _end_group(process.pid)  # what it has left behind may hold the output open
            await asyncio.wait({reading}, timeout=LAST_OUTPUT_SECONDS)
            reading.cancel()
    finally:
        if process.returncode is None:
            _end_group(process.pid)
            await asyncio.shield(process.wait())
    return kept.decode("utf-8", "replace").strip()


async def _keep_tail(output: asyncio.StreamReader, kept: bytearray) -> None:
    while piece := await output.read(4096):
        kept += piece
        del kept[:-OUTPUT_TAIL_BYTES]


def _end_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


@contextlib.asynccontextmanager
async def _pipe() -> AsyncGenerator[tuple[asyncio.StreamReader, int], None]:
    """A pipe of our own: asyncio's would not see the end of the process before the end of all who hold the pipe."""
    read_end, write_end = os.pipe()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    try:
        yield reader, write_end
    finally:
        transport.close()
