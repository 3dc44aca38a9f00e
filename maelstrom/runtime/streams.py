"""One endless answer of the engine, read by a thread of its own and handed to the event loop piece by piece.

It must not know what the bytes mean.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import requests

from maelstrom.model.errors import EngineUnavailable, MaelstromError, RuntimeFailed

PIECES = 256  # that may wait for a patient reader
PIECES_IMPATIENT = 8192  # before an impatient reader is told that it was too slow


class ByteStream:
    """Async iterator over pieces of bytes. Made and used in one event loop; `close` never blocks."""

    def __init__(
        self,
        name: str,
        open: Callable[[], requests.Response],
        *,
        patient: bool,
        translate: Callable[[Exception], MaelstromError],
    ) -> None:
        self.on_close: Callable[[], None] = lambda: None
        self._open = open
        self._patient = patient
        self._translate = translate
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._pieces: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._room = threading.Semaphore(PIECES if patient else PIECES_IMPATIENT)
        self._error: MaelstromError | None = None
        self._ended = False
        self._closed = False
        self._lock = threading.Lock()  # between `close` and the thread's hold on the answer
        self._answer: requests.Response | None = None
        threading.Thread(target=self._read, name=name, daemon=True).start()

    async def opened(self) -> None:
        """Returns when the engine has begun to answer. Raises what `translate` makes of a failure."""
        await asyncio.shield(self._opened)

    def __aiter__(self) -> ByteStream:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._ended or self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        self._room.release()
        return self._pieces.popleft()

    def close(self) -> None:
        """Ends the stream and frees its thread and connection. May be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            answer = self._answer
        if answer is not None:
            shut_down(answer)
        self._room.release()
        self._pieces.clear()
        self._arrived.set()
        if not self._opened.done():
            # not a cancellation: who waits for the opening was not cancelled
            self._opened.set_exception(EngineUnavailable("the stream was closed"))
            self._opened.exception()  # nobody may be left to look at it
        self.on_close()

    # the thread

    def _read(self) -> None:
        try:
            with self._hold(self._open()) as answer:
                self._tell(self._begun)
                for piece in answer.iter_content(None):
                    if piece and not self._hand(piece):
                        break
        except Exception as error:  # noqa: BLE001 - raised again where the stream is read
            self._tell(self._failed, error)
        else:
            self._tell(self._finished)

    def _hold(self, answer: requests.Response) -> requests.Response:
        with self._lock:
            self._answer = answer
            if self._closed:
                shut_down(answer)
        return answer

    def _hand(self, piece: bytes) -> bool:
        if not self._room.acquire(blocking=self._patient):
            raise RuntimeFailed("the reader of the stream is too slow")
        if self._closed:
            return False
        self._tell(self._piece, piece)
        return True

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:
            self._closed = True  # the loop has ended, nobody listens any more

    # in the loop

    def _begun(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _piece(self, piece: bytes) -> None:
        if not self._closed:
            self._pieces.append(piece)
            self._arrived.set()

    def _failed(self, error: Exception) -> None:
        ours = error if isinstance(error, MaelstromError) else self._translate(error)
        if ours is not error:
            ours.__cause__ = error
        if not self._opened.done():
            self._opened.set_exception(ours)
        if not self._closed:
            self._error = ours
        self._finished()

    def _finished(self) -> None:
        self._ended = True
        self._arrived.set()


def shut_down(answer: requests.Response) -> None:
    """Wakes a thread that reads it; the thread then closes it."""
    try:
        answer.raw.shutdown()
    except (RuntimeError, ValueError, OSError):
        return  # all of it was read, or the connection is gone already
