"""A real admin API for a test: the real server and the real registry on SQLite, only the node is a fake."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest

from maelstrom.api.client import Client, Target
from maelstrom.api.server import AdminServer, AdminSettings
from maelstrom.daemon.sockets import bind
from maelstrom.model.settings import Listen
from maelstrom.registry.migrate import migrate
from maelstrom.registry.registry import Registry
from tests.fakes.api import FakeNode

TOKEN = "t0k3n-of-the-test"
SETTINGS = AdminSettings()

T = TypeVar("T")


class Admin:
    """One running server with what it is made of."""

    def __init__(self, server: AdminServer, registry: Registry, node: FakeNode, port: int) -> None:
        self.server = server
        self.registry = registry
        self.node = node
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.token = TOKEN

    def client(self, token: str = TOKEN, seconds: float = 10) -> Client:
        return Client(Target(self.url, token, seconds))


@asynccontextmanager
async def admin_api(database: Path, *, settings: AdminSettings = SETTINGS, token: str = TOKEN) -> AsyncIterator[Admin]:
    """`database`: a file with the present schema, see `copy_of`."""
    registry = await Registry.open(f"sqlite:///{database}", migrate=False)
    node = FakeNode()
    server = AdminServer(settings=settings, token=token, registry=registry, node=node)
    (listening,) = await bind("MAEL_ADMIN_LISTEN", Listen(host="127.0.0.1", port=0))
    await server.start([listening])
    try:
        yield Admin(server, registry, node, listening.getsockname()[1])
    finally:
        await server.stop(1)
        await registry.close()


class AdminThread:
    """The same with a loop of its own, for tests that block: those of the client and of the command line."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="admin-api")

    def __enter__(self) -> Self:
        self._thread.start()
        self._context = admin_api(self._database)
        admin = self.call(self._context.__aenter__())
        self.server, self.registry, self.node = admin.server, admin.registry, admin.node
        self.url, self.port, self.token, self.client = admin.url, admin.port, admin.token, admin.client
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the present schema."""
    path = tmp_path_factory.mktemp("template") / "maelstrom.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    return copy_of(template, tmp_path)


@pytest.fixture
def threaded(database: Path) -> Iterator[AdminThread]:
    with AdminThread(database) as running:
        yield running


def copy_of(template: Path, directory: Path) -> Path:
    return Path(shutil.copy(template, directory / "maelstrom.db"))
