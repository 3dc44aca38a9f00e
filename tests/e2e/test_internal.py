"""Components that call components: by name, through the internal gateway, as far as they may."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from maelstrom.api.operations import OPERATIONS
from tests.e2e.conftest import StartDaemon
from tests.support import engine
from tests.support.daemon import Daemon

REACHABLE = {"MAEL_INTERNAL_LISTEN": "0.0.0.0:0"}  # by containers
ASK = """
import json, os, sys, urllib.request
url = os.environ["MAELSTROM_PRIVATE_URL"] if sys.argv[1] == "-" else sys.argv[1]
told = []
for name, path in json.loads(sys.argv[2]):
    try:
        ask = urllib.request.Request(url + path, headers={"Maelstrom-Component": name} if name else {})
        with urllib.request.urlopen(ask, timeout=10) as answer:
            told.append([answer.status, ""])
    except urllib.error.HTTPError as error:
        told.append([error.code, error.headers.get("Maelstrom-Error", "")])
    except OSError as error:
        told.append([0, str(error)])
print(json.dumps(told))
"""


def project(name: str, image: str, **components: dict[str, object]) -> str:
    sources = {"web": {"http": {"pathprefix": f"/{name}/", "stripprefix": True}}}
    rules = {"image": image, "httphealthcheckpath": "/health", "stopgraceseconds": 5}
    first = {key: {**rules, **fields} for key, fields in components.items()}
    next(iter(first.values()))["eventsources"] = sources
    return json.dumps({"name": name, "components": first})


async def container(daemon: Daemon, name: str, cluster: str) -> str:
    """That of a project's first component, once it runs."""
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.public}/{name}/") as response:
        assert response.status == 200
    (found,) = [c for c in engine.containers(cluster) if c["Labels"]["maelstrom_project"] == name]
    return str(found["Id"])


async def asked(inside: str, *calls: tuple[str, str], url: str = "-") -> list[Any]:
    """(status, code of the gateway) of requests from inside a container, each a component's name and a path."""

    def run() -> list[Any]:
        made = engine.engine().exec_create(inside, ["python3", "-c", ASK, url, json.dumps(calls)])
        told: list[Any] = json.loads(engine.engine().exec_start(made["Id"]))
        return told

    return await asyncio.to_thread(run)


async def test_a_component_reaches_those_that_let_it_in_and_never_the_admin_api(
    make_daemon: StartDaemon, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=REACHABLE).start()
    daemon.put(project("shop", image, web={}, private={}, shared={"allow": ["bank/desk"]}, open={"allow": ["*"]}))
    daemon.put(project("bank", image, desk={}, vault={}))
    shop, bank = await container(daemon, "shop", cluster), await container(daemon, "bank", cluster)
    everyone = [(f"shop_{name}", "/") for name in ("web", "private", "shared", "open")]
    assert await asked(shop, *everyone, ("", "/shop/"), ("bank_desk", "/")) == [[200, ""]] * 5 + [[403, "forbidden"]]
    assert await asked(bank, *everyone, ("", "/shop/"), ("bank_vault", "/")) == [
        *([[403, "forbidden"]] * 2),
        *([[200, ""]] * 2),
        [403, "forbidden"],
        [200, ""],
    ]
    assert "bank_desk may not call shop_web: refused" in daemon.log()
    # the host's own programs get to every container anyway
    port = urlsplit(str(daemon.ready["internal"])).port
    async with aiohttp.ClientSession() as session:
        headers = {"Maelstrom-Component": "shop_private"}
        async with session.get(f"http://127.0.0.1:{port}/", headers=headers) as response:
            assert response.status == 200
    # nothing of the admin API answers there, nor to the address that containers know the node by
    paths = {operation.path.split("{")[0] for operation in OPERATIONS} | {"/livez", "/readyz", "/metrics"}
    answers = await asked(shop, *(("", path) for path in sorted(paths)))
    assert {code for _, code in answers} == {"no_route"}
    admin = f"http://{urlsplit(str(daemon.ready['internal'])).hostname}:{urlsplit(daemon.admin).port}"
    ((status, _),) = await asked(shop, ("", "/livez"), url=admin)
    assert status == 0
