"""Listening sockets: several addresses, IPv6 and IPv4, and who gets what was handed over."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from maelstrom.daemon.sockets import Listening, Sockets
from maelstrom.model.errors import InvalidSettings
from maelstrom.model.settings import Listen


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    """What is in it is closed at the end."""
    found: list[socket.socket] = []
    yield found
    for one in found:
        one.close()


async def public(sockets: Sockets, opened: list[socket.socket], *wanted: Listen) -> list[Listening]:
    taken = await sockets.take("public", "MAEL_PUBLIC_LISTEN", wanted)
    opened += [one.socket for one in taken]
    return taken


def reaches(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


async def test_each_address_has_a_socket_in_the_order_wanted(opened: list[socket.socket]) -> None:
    four, six = await public(Sockets(), opened, Listen(host="127.0.0.1", port=0), Listen(host="::1", port=0))
    assert (four.bound.host, six.bound.host) == ("127.0.0.1", "::1")
    assert reaches("127.0.0.1", four.bound.port)
    assert reaches("::1", six.bound.port)
    assert not reaches("127.0.0.1", six.bound.port)


async def test_any_ipv6_address_takes_ipv4_too(opened: list[socket.socket]) -> None:
    (one,) = await public(Sockets(), opened, Listen(host="::", port=0))
    assert reaches("::1", one.bound.port)
    assert reaches("127.0.0.1", one.bound.port)


async def test_any_ipv6_address_leaves_ipv4_to_an_address_of_its_own(opened: list[socket.socket]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    wanted = (Listen(host="::", port=port), Listen(host="127.0.0.1", port=port))
    six, four = await public(Sockets(), opened, *wanted)
    assert six.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    assert (six.bound, four.bound) == wanted


async def test_a_name_is_all_its_addresses_on_one_port(opened: list[socket.socket]) -> None:
    taken = await public(Sockets(), opened, Listen(host="localhost", port=0))
    assert len({one.bound.port for one in taken}) == 1
    assert all(reaches(one.bound.host, one.bound.port) for one in taken)


async def test_an_address_that_cannot_be_had_is_named_and_the_others_are_given_back(
    opened: list[socket.socket],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        port = taken.getsockname()[1]
        mine = Listen(host="127.0.0.1", port=free.getsockname()[1])
        free.close()
        with pytest.raises(InvalidSettings, match=f"MAEL_PUBLIC_LISTEN: cannot listen on 127.0.0.1:{port}"):
            await public(Sockets(), opened, mine, Listen(host="127.0.0.1", port=port))
    assert not reaches(mine.host, mine.port)


async def test_an_address_that_is_not_of_this_host_is_named(opened: list[socket.socket]) -> None:
    with pytest.raises(InvalidSettings, match=r"cannot listen on \[2001:db8::1\]:1234"):
        await public(Sockets(), opened, Listen(host="2001:db8::1", port=1234))


async def test_sockets_of_the_former_process_serve_the_same_addresses(opened: list[socket.socket]) -> None:
    here, other = Listen(host="127.0.0.1", port=0), Listen(host="::1", port=0)
    former = Sockets()
    (old,) = await public(former, opened, here)
    sockets = Sockets(former.open)
    (same,) = await public(sockets, opened, here)
    assert same is old
    assert await public(sockets, opened, other) != [old]


async def test_what_was_reserved_is_taken_later(opened: list[socket.socket]) -> None:
    here = Listen(host="127.0.0.1", port=0)
    sockets = Sockets()
    await sockets.reserve("public", "MAEL_PUBLIC_LISTEN", [here])
    assert sockets.open == []
    (one,) = await public(sockets, opened, here)
    assert reaches("127.0.0.1", one.bound.port)
    assert sockets.open == [one]
    heir = Sockets(sockets.open)
    await heir.reserve("public", "MAEL_PUBLIC_LISTEN", [here])
    assert await public(heir, opened, here) == [one]


async def test_what_no_setting_asks_for_any_more_is_closed(opened: list[socket.socket]) -> None:
    former = Sockets()
    (old,) = await public(former, opened, Listen(host="127.0.0.1", port=0))
    port = old.bound.port
    sockets = Sockets(former.open)
    await public(sockets, opened, Listen(host="::1", port=0))
    assert reaches("127.0.0.1", port)
    sockets.close_unused()
    assert not reaches("127.0.0.1", port)


async def test_sockets_of_the_service_manager_come_before_the_setting(opened: list[socket.socket]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        sockets = Sockets([Listening("public", "", given)])
        (taken,) = await public(sockets, opened, Listen(host="127.0.0.1", port=0))
        assert taken.socket is given
