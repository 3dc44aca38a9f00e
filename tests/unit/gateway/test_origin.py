"""Who a client is, by its address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.gateway.wire.origin import Crowds, Origin, client_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_a_client_of_ipv6_is_its_network(one: str, other: str, same: bool) -> None:
    assert (client_of(one) == client_of(other)) is same


def test_ipv4_on_a_socket_of_ipv6_is_ipv4() -> None:
    assert Origin.of("::ffff:192.0.2.1", "::ffff:127.0.0.1", 80) == Origin("192.0.2.1", b"127.0.0.1:80")


@given(st.lists(st.integers(0, 3)), st.integers(1, 3))
def test_what_has_left_is_forgotten(peers: list[int], limit: int) -> None:
    crowds = Crowds(limit)
    entered = [crowds.enter(f"192.0.2.{peer}") for peer in peers]
    assert [key is not None for key in entered] == [peers[:n].count(peer) < limit for n, peer in enumerate(peers)]
    for key in entered:
        if key is not None:
            crowds.leave(key)
    assert len(crowds) == 0
