"""TLS in front of real containers: certificates from files, and from an authority whose last for seconds."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.support.certificates import Authority
from tests.support.daemon import Daemon
from tests.support.pebble import pebble
from tests.support.postgres import free_port
from tests.support.wait import eventually


def project(image: str, host: str) -> str:
    return f"""
name: shop
components:
  web:
    image: {image}
    httphealthcheckpath: /health
    eventsources:
      site: {{http: {{hostname: {host}}}}}
"""


async def fetch(url: str, host: str, trust: ssl.SSLContext, path: str = "/echo") -> tuple[int, dict[str, Any]]:
    """An answer with its headers and the certificate's serial number, on a connection of its own."""
    where = url.rpartition(":")
    name, port = where[0].rpartition("/")[2], int(where[2])
    reader, writer = await asyncio.open_connection(name, port, ssl=trust, server_hostname=host)
    try:
        shown = writer.get_extra_info("peercert")
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        return int(head.split(" ")[1]), {"serial": shown["serialNumber"], "head": head}
    finally:
        writer.transport.abort()


async def test_certificates_from_files_are_shown_and_replaced_without_a_restart(
    make_daemon: StartDaemon, image: str, tmp_path: Path
) -> None:
    authority, folder = Authority(), tmp_path / "tls"
    authority.pair("shop.test").write(folder, "shop")
    settings = {
        "MAEL_PUBLIC_TLS_LISTEN": "127.0.0.1:0",
        "MAEL_TLS_CERTIFICATES": str(folder),
        "MAEL_HTTPS_REDIRECT_PORT": "443",
        "MAEL_GATEWAY_WORKERS": "2",
    }
    daemon: Daemon = make_daemon(environ=settings).start()
    daemon.put(project(image, "shop.test"))
    secure, trust = daemon.ready["public_tls"], authority.trust()
    assert re.fullmatch(r"https://127\.0\.0\.1:\d+", secure)
    first: dict[str, Any] = {}

    async def served() -> bool:
        status, shown = await fetch(secure, "shop.test", trust)
        first.update(shown)
        return status == 200

    await eventually(served, within=10, every=0.2)  # the workers may hear of the source a moment later
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{daemon.public}/x?y", headers={"Host": "shop.test"}, allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (308, "https://shop.test/x?y")
    authority.pair("shop.test").write(folder, "shop")

    async def replaced() -> bool:
        return (await fetch(secure, "shop.test", trust))[1]["serial"] != first["serial"]

    await eventually(replaced, within=15, every=0.2)
    (row,) = daemon.ask("certs", "ls")
    assert (row["host"], row["source"], row["error"]) == ("shop.test", str(folder / "shop.crt"), "")


async def test_an_automatic_certificate_comes_with_the_source_and_is_renewed(
    make_daemon: StartDaemon, image: str, tmp_path: Path
) -> None:
    port = free_port()
    with pebble(tmp_path / "pebble", port, seconds=6) as authority:
        settings = {
            "MAEL_PUBLIC_LISTEN": f"127.0.0.1:{port}",
            "MAEL_PUBLIC_TLS_LISTEN": "127.0.0.1:0",
            "MAEL_ACME": authority.directory,
            "MAEL_ACME_TERMS_AGREED": "true",
            "MAEL_ACME_CA_FILE": str(authority.ca_file),
            "MAEL_HTTPS_REDIRECT_PORT": "443",
        }
        daemon: Daemon = make_daemon(environ=settings).start()
        assert daemon.ask("certs", "ls") == []
        daemon.put(project(image, "shop.example.org"))
        secure = daemon.ready["public_tls"]
        trust = ssl.create_default_context(cadata=await asyncio.to_thread(authority.root))
        serials: set[str] = set()

        async def served() -> int:
            try:
                status, shown = await fetch(secure, "shop.example.org", trust)
            except ssl.SSLError:
                return len(serials)  # there is none yet
            assert status == 200
            serials.add(shown["serial"])
            return len(serials)

        await eventually(lambda: _at_least(served, 1), within=20, every=0.2)
        (row,) = daemon.ask("certs", "ls")
        assert (row["host"], row["source"], row["error"]) == ("shop.example.org", "acme", "")
        assert row["next_renewal"] < row["not_after"]
        await eventually(lambda: _at_least(served, 2), within=20, every=0.2)
        assert "PRIVATE KEY" not in daemon.log()
        assert daemon.terminate() == 0


async def _at_least(served: Any, count: int) -> bool:
    return await served() >= count
