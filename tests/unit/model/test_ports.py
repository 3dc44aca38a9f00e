"""Port entries: what they bind, and which of them cannot be bound together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.model.ports import clashes, fixes_host_port, parse_port_span, parse_ports


@pytest.mark.parametrize(
    ("entry", "fixes"),
    [
        ("80", False),
        ("127.0.0.1::80", False),
        ("0:80", False),
        ("8000-8010:80", False),
        ("8080:80", True),
        ("127.0.0.1:8080:80/udp", True),
        ("8000-8002:80-82", True),
    ],
)
def test_a_host_port_is_fixed_where_a_second_container_could_not_have_it(entry: str, fixes: bool) -> None:
    assert fixes_host_port([entry]) is fixes
    assert all(binding.fixes_host_port is fixes for binding in parse_ports(entry))


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        (["80", "81", "80/udp"], []),
        (["80", "80"], [1]),
        (["80-90", "85"], [1]),
        (["85", "80-90", "81"], [1, 2]),
        (["1-65535", "65535"], [1]),
        (["8080:80", "8080:81"], [1]),
        (["8080:80", "8080:81/udp"], []),
        (["127.0.0.1:8080:80", "127.0.0.2:8080:81"], []),
        (["8080-8090:80", "8085:81"], []),
        (["8080-8082:80-82", "8082:90"], [1]),
    ],
)
def test_entries_that_bind_the_same_are_found(entries: list[str], found: list[int]) -> None:
    spans = [(index, parse_port_span(entry)) for index, entry in enumerate(entries)]
    assert [index for index, _, _ in clashes(spans)] == found


PORT = st.integers(1, 40)
RANGE = st.tuples(PORT, PORT).map(sorted)


@given(st.lists(st.tuples(RANGE, st.sampled_from(["tcp", "udp"])), max_size=6))
def test_container_ports_clash_just_where_bindings_say_so(ranges: list[tuple[list[int], str]]) -> None:
    entries = [f"{first}-{last}/{protocol}" for (first, last), protocol in ranges]
    keys = [binding.key for entry in entries for binding in parse_ports(entry)]
    spans = [(index, parse_port_span(entry)) for index, entry in enumerate(entries)]
    assert bool(clashes(spans)) is (len(keys) != len(set(keys)))
