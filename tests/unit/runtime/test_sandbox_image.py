"""The sandbox's program and its image, byte by byte."""

from __future__ import annotations

import io
import platform
import signal
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from maelstrom.runtime.sandbox_image import MACHINES, PROGRAM, archive, image_name, program

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@pytest.mark.parametrize("architecture", MACHINES)
def test_it_is_an_elf_file_whose_only_segment_begins_at_its_first_instruction(architecture: str) -> None:
    data = program(architecture)
    machine, entry, headers = struct.unpack_from("<18xH4xQQ", data)
    assert (data[:6], machine, headers) == (b"\x7fELF\x02\x01", MACHINES[architecture].elf, 64)
    kind, flags, offset, address, _, size, size_in_memory, align = struct.unpack_from("<IIQQQQQQ", data, 64)
    assert (kind, flags, offset, size, size_in_memory) == (1, 5, 0, len(data), len(data))
    assert address % align == 0
    assert data[entry - address :] == MACHINES[architecture].code
    assert struct.unpack_from("<II", data, 64 + 56) == (0x6474E551, 6), "its stack is not to be executed"


def test_the_code_for_arm64_is_what_the_listing_says() -> None:
    def mov(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    again = 0x14000000 | -6 & 0x3FFFFFF  # six instructions back
    listing = [mov(0, 0), mov(1, 0), mov(2, 0), mov(3, 0), mov(8, 73), 0xD4000001, again]
    assert MACHINES["arm64"].code == struct.pack("<7I", *listing)


def test_the_code_for_amd64_is_what_the_listing_says() -> None:
    pause, back = struct.pack("<BI", 0xB8, 34), struct.pack("<Bb", 0xEB, -9)
    assert MACHINES["amd64"].code == pause + b"\x0f\x05" + back


def test_it_sleeps_until_it_is_killed_also_when_it_was_woken(tmp_path: Path) -> None:
    path = tmp_path / PROGRAM
    path.write_bytes(program(HERE))
    path.chmod(0o700)
    with subprocess.Popen([path]) as process:
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
        assert process.poll() is None
        threads = list(Path(f"/proc/{process.pid}/task").iterdir())
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    assert len(threads) == 1


@pytest.mark.parametrize("architecture", MACHINES)
def test_the_archive_holds_nothing_else_and_is_the_same_each_time(architecture: str) -> None:
    assert archive(architecture) == archive(architecture)
    with tarfile.open(fileobj=io.BytesIO(archive(architecture))) as tar:
        (member,) = tar.getmembers()
        file = tar.extractfile(member)
        assert file is not None
        assert (member.name, member.mode, file.read()) == (PROGRAM, 0o755, program(architecture))


def test_each_architecture_has_an_image_of_its_own_and_others_have_none() -> None:
    assert len({image_name(architecture) for architecture in MACHINES}) == len(MACHINES)
    with pytest.raises(KeyError):
        image_name("riscv64")
