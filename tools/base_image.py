"""A base image with Python, made without a registry: the running interpreter, its library and what both need to run.

    python -m tools.base_image         makes it where it is missing, prints its name

For Linux hosts whose engine is of the same architecture; elsewhere take an image such as python:3.12-slim as the base.
Standard library only. It must not know what is built upon it.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tools import engine_api
from tools.machine import Failure, guarded, step

REPOSITORY = "maelstrom-python"
LAYOUT = "3"  # raised when what goes into the image changes
LABEL = "maelstrom_base_image"

# what no server needs, or what is data of the installation itself
LEFT_OUT = {
    "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "site-packages", "dist-packages",
}  # fmt: skip
EXTENSIONS_LEFT_OUT = ("_test", "_xx", "xx", "_ctypes_test", "_tkinter")
# no list of dependencies has them: loaded by name when a host is looked up or a thread ends; expected of any system by
# packages with compiled parts
ALSO = (
    "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1",
    "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libstdc++.so.6",
)  # fmt: skip
TOOLS = ("sh", "ls", "cat", "sleep", "env", "wget", "ps", "kill", "id", "mkdir", "rm", "touch", "grep")  # of busybox
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
CHANGES = ("ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV PYTHONUNBUFFERED=1", 'CMD ["python3"]')


def name() -> str:
    """The image's name for this interpreter, as it is now."""
    found = _interpreter().stat()
    key = [LAYOUT, sys.version, str(_interpreter()), str(found.st_size), str(found.st_mtime_ns)]
    digest = hashlib.sha256("\n".join(key).encode()).hexdigest()[:12]
    return f"{REPOSITORY}:{platform.python_version().rstrip('+')}-{digest}"


def ensure() -> str:
    """Makes the image where the engine lacks it; returns its name. Raises Failure where that cannot work."""
    if sys.platform != "linux":
        raise Failure("A base image can only be made from a Linux system's own Python: name one, python:3.12-slim.")
    image = name()
    if engine_api.image_label(image, LABEL) is None:
        engine_api.import_image(archive(), image, (*CHANGES, f"LABEL {LABEL}={LAYOUT}"))
    return image


def archive() -> bytes:
    """The image's file system as a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        contents = _Contents(tar)
        contents.folder("tmp", mode=0o1777)
        for path, text in FILES.items():
            contents.text(path, text)
        _add_python(contents)
        _add_busybox(contents)
    return out.getvalue()


class _Contents:
    """A tar archive in which every path comes once, readable by everyone and owned by root."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._have: set[str] = set()

    def file(self, source: Path, target: Path | None = None) -> None:
        """A file of this system, with its time: compiled modules are valid only beside the very same source."""
        path = self._new(str(target or source))
        if path:
            info = tarfile.TarInfo(path)
            found = source.stat()
            info.size, info.mtime = found.st_size, int(found.st_mtime)
            info.mode = 0o755 if found.st_mode & 0o111 else 0o644
            with source.open("rb") as data:
                self._tar.addfile(info, data)

    def text(self, path: str, text: str) -> None:
        if self._new(path):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(text.encode()), 0o644
            self._tar.addfile(info, io.BytesIO(text.encode()))

    def link(self, path: str, to: str) -> None:
        if self._new(path):
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, to
            self._tar.addfile(info)

    def folder(self, path: str, mode: int = 0o755) -> None:
        if path not in self._have:
            self._have.add(path)
            info = tarfile.TarInfo(path)
            info.type, info.mode = tarfile.DIRTYPE, mode
            self._tar.addfile(info)

    def _new(self, path: str) -> str:
        path = path.lstrip("/")
        if path in self._have:
            return ""
        for parent in reversed(Path(path).parents[:-1]):
            self.folder(str(parent))
        self._have.add(path)
        return path


def _add_python(contents: _Contents) -> None:
    interpreter = _interpreter()
    contents.file(interpreter)
    contents.link("usr/local/bin/python3", str(interpreter))
    contents.link("usr/local/bin/python", "python3")
    programs = [interpreter]
    for path in _library():
        contents.file(path)
        if path.suffix == ".so":
            programs.append(path)
    _add_shared_libraries(contents, programs)


def _library() -> Iterator[Path]:
    """The standard library's files, with the compiled ones that lie beside them: without those, starts are slow."""
    for folder, folders, files in os.walk(sysconfig.get_path("stdlib")):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT and not f.startswith("config-"))
        for file in sorted(files):
            path = Path(folder, file)
            extension = path.suffix == ".so"
            if path.suffix == ".a" or ".opt-" in file or (extension and file.startswith(EXTENSIONS_LEFT_OUT)):
                continue
            yield path


def _add_shared_libraries(contents: _Contents, programs: list[Path]) -> None:
    """All that the programs are linked with, under the names by which they are asked for."""
    try:
        said = subprocess.run(["ldd", *programs], capture_output=True, text=True, timeout=60, check=False).stdout
    except FileNotFoundError:
        raise Failure("`ldd` is missing: the Python image is made with it (package libc-bin).") from None
    libraries = {Path(word) for word in said.split() if word.startswith("/") and not word.endswith(":")}
    for library in sorted(libraries):
        contents.file(library)
    for folder in sorted({library.parent for library in libraries if library.name.startswith("libc.")}):
        for library in (folder / file for file in ALSO):
            if library.exists():
                contents.file(library)
    cache = Path("/etc/ld.so.cache")  # libraries in places of this system's own are found as they are here
    if cache.exists():
        contents.file(cache)


def _add_busybox(contents: _Contents) -> None:
    """A shell and the usual small tools, where this system has them in one static file; no server needs them."""
    found = shutil.which("busybox")
    if found is None or "not a dynamic executable" not in _dependencies(Path(found)):
        return
    contents.file(Path(found), Path("/bin/busybox"))
    for tool in TOOLS:
        contents.link(f"bin/{tool}", "busybox")


def _dependencies(program: Path) -> str:
    done = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def _interpreter() -> Path:
    """The real one behind a virtual environment."""
    return Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()


def main() -> int:
    with step("Python base image") as done:
        done.note = ensure()
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
