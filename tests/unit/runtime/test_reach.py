"""Which way to containers follows from which facts."""

from __future__ import annotations

from maelstrom.runtime.reach import Facts, OwnNetwork, choose
from maelstrom.runtime.spec import Publication

LOOPBACK = Publication(publish=True, bind="127.0.0.1")
LOCAL = Facts(gateway="172.17.0.1", gateway_is_ours=True, certain=True, outbound="203.0.113.5")


def test_an_engine_on_this_host_is_reached_directly_and_calls_back_at_the_bridge() -> None:
    reach = choose(LOCAL)
    assert reach.publication == Publication()
    assert (reach.listen, reach.callback) == ("172.17.0.1", "172.17.0.1")


def test_a_remote_engine_publishes_on_its_host_and_is_told_our_address_towards_it() -> None:
    reach = choose(
        Facts(engine_host="198.51.100.2", gateway="172.17.0.1", gateway_is_ours=True, outbound="198.51.100.1")
    )
    assert reach.publication == Publication(publish=True)
    assert (reach.host, reach.listen, reach.callback) == ("198.51.100.2", "198.51.100.1", "198.51.100.1")


def test_docker_desktop_publishes_on_loopback_and_has_a_name_for_the_host() -> None:
    reach = choose(Facts(desktop=True, gateway="172.17.0.1", gateway_is_ours=True))
    assert reach.publication == LOOPBACK
    assert (reach.host, reach.listen, reach.callback) == ("127.0.0.1", "127.0.0.1", "host.docker.internal")


def test_a_rootless_engine_publishes_on_loopback_although_another_engine_has_the_same_bridge() -> None:
    reach = choose(Facts(rootless=True, gateway="172.17.0.1", gateway_is_ours=True, outbound="203.0.113.5"))
    assert reach.publication == LOOPBACK
    assert reach.callback == "203.0.113.5"


def test_an_engine_whose_bridge_is_elsewhere_publishes_on_loopback() -> None:
    assert choose(Facts(gateway="172.17.0.1")).publication == LOOPBACK
    assert choose(Facts()).publication == LOOPBACK


def test_a_daemon_in_a_container_joins_components_to_its_own_network() -> None:
    reach = choose(Facts(own_network=OwnNetwork("nodes", "172.20.0.3"), engine_host="172.20.0.9"))
    assert reach.publication == Publication(network="nodes")
    assert (reach.listen, reach.callback) == ("172.20.0.3", "172.20.0.3")


def test_on_the_default_bridge_there_is_nothing_to_join() -> None:
    reach = choose(Facts(own_network=OwnNetwork("bridge", "172.17.0.2")))
    assert reach.publication == Publication()
