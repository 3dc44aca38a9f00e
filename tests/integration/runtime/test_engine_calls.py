"""Calls to engines that are not there, or that take connections and never answer."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from maelstrom.model.errors import EngineUnavailable
from maelstrom.runtime.engine import Engine, LaneLimits


async def test_a_host_without_an_engine_is_told_in_words() -> None:
    engine = Engine({"DOCKER_HOST": "tcp://127.0.0.1:9"})
    with pytest.raises(EngineUnavailable, match="Connection refused"):
        await engine.call("look", lambda client: client.version())
    engine.close()


async def test_a_frozen_engine_is_given_up_also_by_those_who_wait_for_a_thread(tmp_path: Path) -> None:
    """It takes connections, as a stopped process's socket does, and never answers."""
    address = tmp_path / "frozen.sock"
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(address))
        frozen.listen(16)
        engine = Engine({"DOCKER_HOST": f"unix://{address}"}, {"look": LaneLimits(threads=1, seconds=1)})
        calls = (engine.call("look", lambda client: client.info()) for _ in range(5))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [EngineUnavailable] * 5
        engine.close()


async def test_after_closing_calls_say_so() -> None:
    engine = Engine({"DOCKER_HOST": "tcp://127.0.0.1:9"})
    engine.close()
    with pytest.raises(EngineUnavailable, match="closed"):
        await engine.call("look", lambda client: client.info())
