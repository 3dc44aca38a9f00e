"""Routes: the most specific rule for a host and a path, whole segments, paths as they were sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.plan.routes import RouteEntry, RouteTable

TABLE = RouteTable.build(
    [
        RouteEntry("", "/", False, "any"),
        RouteEntry("", "/foo", True, "foo"),
        RouteEntry("", "/foo/bar", False, "foobar"),
        RouteEntry("", "/dir/", True, "dir"),
        RouteEntry("", "/a%2Fb", False, "encoded"),
        RouteEntry("shop.example", "", False, "shop"),
        RouteEntry("shop.example", "/api", True, "api"),
        RouteEntry("only.example", "/api", False, "only"),
        RouteEntry("::1", "", False, "ipv6"),
        RouteEntry("10.0.0.1", "", False, "ipv4"),
    ]
)


@pytest.mark.parametrize(
    ("host", "path", "target"),
    [
        (b"x", b"/", "any"),
        (b"x", b"/other", "any"),
        (b"x", b"/foo", "foo"),
        (b"x", b"/foo/", "foo"),
        (b"x", b"/foo/x", "foo"),
        (b"x", b"/foobar", "any"),
        (b"x", b"/Foo", "any"),
        (b"x", b"/foo/bar", "foobar"),
        (b"x", b"/foo/bar/x", "foobar"),
        (b"x", b"/foo/barx", "foo"),
        (b"x", b"/dir", "any"),
        (b"x", b"/dir/", "dir"),
        (b"x", b"/dir/x", "dir"),
        (b"x", b"/a%2Fb/c", "encoded"),
        (b"x", b"/a/b", "any"),
        (b"x", b"/a%2fb", "any"),
        (b"x", b"/%66oo", "any"),
        (b"", b"/foo", "foo"),
        (b"shop.example", b"/", "shop"),
        (b"shop.example", b"/foo", "shop"),
        (b"shop.example", b"/api", "api"),
        (b"shop.example", b"/apix", "shop"),
        (b"shop.example", b"*", "shop"),
        (b"shop.example:8080", b"/api/x", "api"),
        (b"SHOP.Example", b"/api", "api"),
        (b"Shop.Example.:80", b"/api", "api"),
        (b"shop.example.evil", b"/api", "any"),
        (b"only.example", b"/api", "only"),
        (b"only.example", b"/foo", "foo"),
        (b"[::1]", b"/", "ipv6"),
        (b"[::1]:8080", b"/", "ipv6"),
        (b"[0:0:0:0:0:0:0:1]:80", b"/x", "ipv6"),
        (b"10.0.0.1:80", b"/x", "ipv4"),
        (b"[::2]", b"/", "any"),
        (b"x", b"*", None),
        (b"x", b"", None),
        (b"[", b"/", "any"),
        (b":::", b"/", "any"),
        (b"\xff", b"/foo\xff", "any"),
    ],
)
def test_the_most_specific_rule_wins(host: bytes, path: bytes, target: str | None) -> None:
    match = TABLE.lookup(host, path)
    assert (match and match.target) == target


@pytest.mark.parametrize(
    ("host", "path", "strip"),
    [
        (b"x", b"/foo/x", b"/foo"),
        (b"x", b"/foo", b"/foo"),
        (b"x", b"/dir/x", b"/dir/"),
        (b"x", b"/foo/bar", b""),
        (b"x", b"/y", b""),
        (b"shop.example", b"/api/a%2Fb", b"/api"),
    ],
)
def test_what_is_to_be_cut_is_the_prefix_as_it_was_written(host: bytes, path: bytes, strip: bytes) -> None:
    match = TABLE.lookup(host, path)
    assert match is not None
    assert match.strip == strip
    assert path.startswith(strip)


def test_of_equal_rules_the_first_one_wins() -> None:
    table = RouteTable.build([RouteEntry("a", "/x", False, 1), RouteEntry("A", "/x", True, 2)])
    match = table.lookup(b"a", b"/x")
    assert match is not None
    assert match.target == 1


def test_without_rules_and_by_a_rule_that_says_nothing_nothing_matches() -> None:
    assert RouteTable.build([]).lookup(b"a", b"/") is None
    assert RouteTable.build([RouteEntry("", "", False, 1)]).lookup(b"a", b"/") is None


HOSTS = st.sampled_from(["", "a", "b"])
PATHS = st.lists(st.sampled_from(["/", "a", "b", "ab"]), max_size=6).map("".join)
RULES = st.lists(st.tuples(HOSTS, PATHS.filter(lambda path: not path or path[0] == "/")), max_size=8)


@given(RULES, HOSTS, PATHS)
def test_a_look_up_is_what_going_through_all_rules_would_find(
    rules: list[tuple[str, str]], host: str, path: str
) -> None:
    table = RouteTable.build([RouteEntry(host, prefix, False, (host, prefix)) for host, prefix in rules])

    def covers(prefix: str) -> bool:
        return not prefix or path == prefix or path.startswith(prefix if prefix[-1] == "/" else f"{prefix}/")

    fitting = [rule for rule in rules if any(rule) and rule[0] in ("", host) and covers(rule[1])]
    expected = max(fitting, key=lambda rule: (bool(rule[0]), len(rule[1])), default=None)
    match = table.lookup(host.encode(), path.encode())
    assert (match and match.target) == expected


def test_of_equal_rules_the_first_one_wins_and_the_others_are_told_of() -> None:
    table = RouteTable.build(
        [
            RouteEntry("Shop.example", "/a", False, "first"),
            RouteEntry("shop.example.", "/a", True, "second"),
            RouteEntry("shop.example", "/b", False, "apart"),
            RouteEntry("", "/a", False, "any host"),
            RouteEntry("shop.example", "/a", False, "third"),
        ]
    )
    found = table.lookup(b"shop.example", b"/a")
    assert found is not None
    assert found.target == "first"
    assert table.hidden == (("second", "first"), ("third", "first"))
