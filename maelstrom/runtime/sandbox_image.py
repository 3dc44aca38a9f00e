"""The image of a network sandbox: one program of nine instructions or less, written out here as bytes.

A host that runs components has neither a compiler nor, perhaps, a registry; the engine takes an image of one file from
us. The program waits for ever and does nothing else. Pure: values in, values out.

amd64:  again: mov eax, 34          arm64:  again: mov x0, #0      (no descriptors)
               syscall     (pause)                 mov x1, #0
               jmp again                           mov x2, #0      (no end)
                                                   mov x3, #0
                                                   mov x8, #73
                                                   svc #0          (ppoll)
                                                   b again
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from dataclasses import dataclass

REPOSITORY = "maelstrom-sandbox"
PROGRAM = "sandbox"  # its path in the image

_BASE = 0x400000  # where the file is mapped
_PAGE = 0x10000  # the largest page of any of these machines
_HEADERS = 64 + 2 * 56


@dataclass(frozen=True, slots=True)
class Machine:
    """`elf`: the number of the machine in an ELF header."""

    elf: int
    code: bytes


MACHINES = {
    "amd64": Machine(62, bytes.fromhex("b822000000 0f05 ebf7")),
    "arm64": Machine(183, bytes.fromhex("000080d2 010080d2 020080d2 030080d2 280980d2 010000d4 faffff17")),
}


def program(architecture: str) -> bytes:
    """An ELF file for the engine's architecture, as the engine names it. KeyError: there is none for it."""
    machine = MACHINES[architecture]
    size = _HEADERS + len(machine.code)
    identification = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)  # 64 bits, little-endian, version 1
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine.elf, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    code = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, _PAGE)  # read, execute
    stack = struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # read, write: not to be executed
    return identification + header + code + stack + machine.code


def archive(architecture: str) -> bytes:
    """The image's file system as a tar archive; the same bytes each time. KeyError as above."""
    data = program(architecture)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo(PROGRAM)
        info.size, info.mode = len(data), 0o755
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def image_name(architecture: str) -> str:
    """Says what is in it: another program is another image. KeyError as above."""
    return f"{REPOSITORY}:{hashlib.sha256(archive(architecture)).hexdigest()[:12]}"
