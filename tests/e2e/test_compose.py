"""docker-compose.yml as it stands, but for its images, which are made here, and the host's ports: any free ones."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.compose_images import database_image, node_image
from tests.support.engine import remove_cluster
from tests.support.images import component_image
from tests.support.wait import eventually
from tools import engine_api
from tools.engine import compose_command

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """
name: shop
components:
  web:
    image: %s
    httphealthcheckpath: /health
    eventsources:
      all: {http: {pathprefix: /}}
"""

pytestmark = pytest.mark.timeout(180)


class Compose:
    """The services of a compose file under a name of their own."""

    def __init__(self, file: Path, name: str) -> None:
        self._command = [*compose_command(), "-p", name, "-f", str(file)]
        self.name = name

    def run(self, *arguments: str, check: bool = True, given: str = "") -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def maelctl(self, node: str, *arguments: str, given: str = "") -> Any:
        return json.loads(self.run("exec", "-T", node, "maelctl", *arguments, "--json", given=given))

    def url(self, service: str, port: int) -> str:
        return f"http://{self.run('port', service, str(port)).strip()}"


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    folder = tmp_path_factory.mktemp("compose")
    name = f"maelstrom-test-{folder.name.removeprefix('compose')}-{id(folder):x}"
    file = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    images = {"db": database_image(folder), "aws": (node := node_image(folder)), "node1": node, "node2": node}
    for service, definition in file["services"].items():
        definition["image"] = images[service]
        definition.pop("build", None)
        definition["ports"] = [f"127.0.0.1::{port.rpartition(':')[2]}" for port in definition.get("ports", [])]
        if service.startswith("node"):
            definition["environment"]["MAEL_CLUSTER_NAME"] = name
    file["services"]["aws"]["entrypoint"] = ["python3", "-m", "tools.aws_standin"]
    (folder / "docker-compose.yml").write_text(yaml.safe_dump(file))
    found = Compose(folder / "docker-compose.yml", name)
    try:
        found.run("up", "-d", "--no-build")
        yield found
    finally:
        found.run("down", "-v", "-t", "5", check=False)
        remove_cluster(name)


async def test_two_nodes_find_each_other(compose: Compose) -> None:
    def ready() -> bool:
        nodes = compose.maelctl("node1", "nodes")
        return {(node["name"], node["state"]) for node in nodes} == {("node1", "ready"), ("node2", "ready")}

    await eventually(ready, within=60, every=0.5)


async def test_a_project_put_at_one_node_is_served_by_the_other(compose: Compose) -> None:
    put = compose.maelctl("node1", "put", "-", given=PROJECT % component_image())
    assert put["components"]["added"] == ["web"]

    def served() -> bool:
        with urllib.request.urlopen(f"{compose.url('node2', 80)}/health", timeout=30) as answer:
            return bool(answer.status == 200)

    await eventually(served, within=30, every=0.2, ignoring=(OSError,))
    (row,) = compose.maelctl("node2", "ps")
    assert (row["component"], row["node"], row["state"]) == ("web", "node2", "ready")


def test_down_leaves_no_container_of_a_component(compose: Compose) -> None:
    assert engine_api.containers(f"maelstrom_cluster={compose.name}")
    compose.run("down", "-v", "-t", "20")
    assert engine_api.containers(f"maelstrom_cluster={compose.name}") == []
    assert engine_api.containers(f"com.docker.compose.project={compose.name}") == []
