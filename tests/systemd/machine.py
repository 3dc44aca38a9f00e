"""A small Debian whose first process is systemd, in a container, with this project installed as a user would.

It needs root, debootstrap and the network once, to make the image, and the network again where requirements have
changed. Tried on a host with cgroups of version 1.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.engine import engine
from tests.support.images import LABEL
from tools import engine_api
from tools.machine import ROOT, Failure, run, wait_until

SUITE = "bookworm"
PYTHON = "3.11"  # of that suite
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,curl,procps"
REQUIREMENTS = ROOT / "requirements" / "run.txt"
UNITS = ROOT / "examples" / "systemd"
BOOT_SECONDS = 60.0


class Machine:
    """One that runs."""

    def __init__(self, container: str) -> None:
        self._container = container

    def run(self, command: str) -> str:
        """By a shell; its output. Raises AssertionError with it where it fails."""
        code, output = self.tried(command)
        assert code == 0, f"{command}: exit {code}\n{output}"
        return output

    def tried(self, command: str) -> tuple[int, str]:
        """The same, with the exit code."""
        made = engine().exec_create(self._container, ["sh", "-c", command])["Id"]
        output: bytes = engine().exec_start(made)
        return int(engine().exec_inspect(made)["ExitCode"]), output.decode(errors="replace").strip()

    def write(self, path: str, content: bytes) -> None:
        folder, _, name = path.rpartition("/")
        self.run(f"mkdir -p {folder}")
        self._unpack(folder, _packed({name: content}))

    def copy(self, folder: Path, to: str) -> None:
        self.run(f"mkdir -p {to}")
        self._unpack(to, _packed({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}))

    def _unpack(self, folder: str, archive: bytes) -> None:
        # not by the engine's own way of copying, which does not see what is mounted inside
        made = engine().exec_create(self._container, ["tar", "-x", "-C", folder], stdin=True)["Id"]
        stream = engine().exec_start(made, socket=True)
        connection = getattr(stream, "_sock", stream)
        connection.sendall(archive)
        stream.close()
        done = wait_until(lambda: not engine().exec_inspect(made)["Running"], BOOT_SECONDS)
        assert done, f"files for {folder} could not be written"


@contextmanager
def booted(work: Path) -> Iterator[Machine]:
    """With the project in /opt/maelstrom and its units in place, not enabled."""
    image, client = _image(work), engine()
    host = client.create_host_config(
        # what a machine of its own would have, as far as this host itself may do it
        cap_add=["SYS_ADMIN"],
        security_opt=["seccomp=unconfined"],
        tmpfs={"/run": "", "/run/lock": "", "/tmp": ""},
        binds=["/sys/fs/cgroup:/sys/fs/cgroup:rw", "/var/run/docker.sock:/run/docker.sock"],
    )
    container = client.create_container(image, stop_signal="SIGRTMIN+3", host_config=host, labels={LABEL: "true"})["Id"]
    try:
        client.start(container)
        machine = Machine(container)
        up = wait_until(lambda: machine.tried("systemctl is-system-running")[1] == "running", BOOT_SECONDS)
        assert up, f"systemd does not run:\n{machine.tried('systemctl --failed; journalctl -n 30 --no-pager')[1]}"
        machine.copy(_wheels(work), "/opt/wheels")
        machine.run("python3 -m venv /opt/maelstrom")
        machine.run("/opt/maelstrom/bin/pip install -q --no-index --find-links /opt/wheels maelstrom-node")
        machine.copy(UNITS, "/etc/systemd/system")
        machine.run("systemctl daemon-reload && systemd-analyze verify maelstromd.service maelstromd.socket")
        yield machine
    finally:
        client.remove_container(container, force=True, v=True)


def _image(work: Path) -> str:
    image = f"maelstrom-test-systemd:{hashlib.sha256((SUITE + PACKAGES).encode()).hexdigest()[:12]}"
    if engine_api.image_label(image, LABEL) is not None:
        return image
    if shutil.which("debootstrap") is None:
        raise Failure("The image is made by debootstrap, as root: install the package debootstrap and try again.")
    tree = work / "tree"
    command: list[str | Path] = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, tree]
    run(command, log="debootstrap", what=f"Making a Debian {SUITE}")
    (tree / "etc" / "machine-id").write_text("")
    with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as packed:
        changes = ['ENTRYPOINT ["/sbin/init"]', "ENV container=docker", f"LABEL {LABEL}=true"]
        repository, _, tag = image.partition(":")
        engine().import_image_from_stream(packed.stdout, repository=repository, tag=tag, changes=changes)
    shutil.rmtree(tree)
    return image


def _wheels(work: Path) -> Path:
    """The project's and those of all that it requires, for the machine's Python."""
    folder = work / "wheels"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--quiet"]
    wanted: list[str | Path] = [
        "--only-binary=:all:",
        "--python-version",
        PYTHON,
        "--require-hashes",
        "-r",
        REQUIREMENTS,
    ]
    run([*pip, "download", "--no-deps", "-d", folder, *wanted], log="pip-download", what="Fetching the requirements")
    own: list[str | Path] = ["wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    run([*pip, *own], log="pip-wheel", what="Making the project's wheel")
    return folder


def _packed(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry: Any = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
