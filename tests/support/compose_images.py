"""The images of docker-compose.yml, made on this machine without any registry: stand-ins for what a build would pull.

The node's has the requirements that are installed here and today's source, the database's the PostgreSQL that is
installed here. It must not know what is done with them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.images import LABEL, python_image
from tests.support.postgres import binaries
from tools import engine_api

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {"maelstromd": "maelstrom.daemon.main", "maelctl": "maelstrom.cli.main"}

NOT_NEEDED = ("bitcode", "llvmjit*")  # compiled queries

PACKAGES = """\
ARG BASE
FROM ${BASE}
COPY packages /opt/packages
ENV PYTHONPATH=/opt/source:/opt/packages
"""
NODE = """\
ARG BASE
FROM ${BASE}
COPY source /opt/source
COPY bin /usr/local/bin
ENTRYPOINT ["maelstromd"]
"""
DATABASE = """\
ARG BASE
FROM ${BASE}
COPY root /
USER nobody
ENV HOME=/tmp PATH=%s:/usr/local/bin:/usr/bin:/bin
CMD ["sh", "/start"]
"""
START = """\
set -e
data=/tmp/data
if ! test -d $data; then
  initdb -D $data -U "$POSTGRES_USER" -A trust -E UTF8 --locale=C --no-sync
  echo 'host all all all trust' >> $data/pg_hba.conf
  echo "create database $POSTGRES_DB" | postgres --single -D $data postgres
fi
exec postgres -D $data -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off
"""


def node_image(folder: Path) -> str:
    """Runs as the Dockerfile's target `node`; as `standin` with `python3 -m tools.aws_standin` for its entrypoint."""
    context = folder / "node"
    for name in ("maelstrom", "migrations", "tools"):
        shutil.copytree(ROOT / name, context / "source" / name)  # compiled modules too: they save seconds
    (context / "bin").mkdir()
    for command, module in COMMANDS.items():
        script = context / "bin" / command
        script.write_text(f"#!/usr/local/bin/python3\nfrom {module} import main\nmain()\n")
        script.chmod(0o755)
    return _built("maelstrom-test-node", context, NODE, _packages_image(folder), key="")


def database_image(folder: Path) -> str:
    """Understands what docker-compose.yml asks of postgres:15, but keeps nothing."""
    programs = binaries(folder)
    shares = Path("/usr/share/postgresql") / programs.parent.name
    version = subprocess.check_output([programs / "postgres", "--version"], text=True)

    def fill(context: Path) -> None:
        root = context / "root"
        for tree in (programs.parent, *([shares] if shares.is_dir() else [])):
            shutil.copytree(tree, root / tree.relative_to("/"), ignore=shutil.ignore_patterns(*NOT_NEEDED))
        for file in (Path("/bin/sh"), *_libraries(programs)):  # initdb asks a shell
            target = root / file.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        (root / "start").write_text(START)

    return _built(
        "maelstrom-test-database", folder / "database", DATABASE % programs, python_image(), version + START, fill
    )


def _packages_image(folder: Path) -> str:
    """The requirements of `make demo`, as they are installed here."""
    pins = (ROOT / "requirements" / "demo.txt").read_text()

    def fill(context: Path) -> None:
        for requirement in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE):
            _copy_package(requirement, context / "packages")

    return _built("maelstrom-test-packages", folder / "packages", PACKAGES, python_image(), pins, fill)


def _built(
    name: str, context: Path, dockerfile: str, base: str, key: str, fill: Callable[[Path], None] | None = None
) -> str:
    """An image whose tag tells what it is made of: found again, it is not even prepared. No key: made each time."""
    digest = hashlib.sha256("\n".join((dockerfile, base, key)).encode()).hexdigest()[:12]
    image = f"{name}:{digest}"
    if key and engine_api.image_label(image, LABEL) is not None:
        return image
    context.mkdir(exist_ok=True)
    if fill is not None:
        fill(context)
    (context / "Dockerfile").write_text(dockerfile)
    outdated = engine_api.image_id(image)
    engine_api.build(context, image, {"BASE": base}, {LABEL: "true"})
    if outdated != engine_api.image_id(image):
        engine_api.remove_image(outdated)
    return image


def _copy_package(name: str, target: Path) -> None:
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return  # for another system
    for file in found.files or ():
        source = Path(str(file.locate()))
        if ".." not in file.parts and source.is_file():
            (target / file.parent).mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / file)


def _libraries(programs: Path) -> set[Path]:
    """What the dynamic linker would load for the programs and their own modules."""
    modules = [path for path in programs.parent.glob("lib/*.so") if not path.match("llvmjit*")]
    files = ["/bin/sh", *programs.iterdir(), *modules]
    text = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout
    return {
        Path(path) for path in re.findall(r"(?:=> )?(/\S+) \(0x", text) if not path.startswith(str(programs.parent))
    }
