"""The engine's words in ours."""

from __future__ import annotations

from typing import Any

from maelstrom.model.component import ComponentKey
from maelstrom.model.instance import Address
from maelstrom.runtime.observed import CUT_OFF, observe
from maelstrom.runtime.port import Observed
from maelstrom.runtime.spec import Publication

DIRECT = Publication()
LOOPBACK = Publication(publish=True, bind="127.0.0.1")
LABELS = {
    "maelstrom_project": "shop",
    "maelstrom_component": "shop_web",
    "maelstrom_version": "4",
    "maelstrom_fingerprint": "f",
    "maelstrom_instance": "i",
    "maelstrom_httpport": "8080",
}


def inspected(
    *, labels: dict[str, str] = LABELS, network: dict[str, Any] | None = None, **state: Any
) -> dict[str, Any]:
    return {
        "Id": "c1",
        "Image": "sha256:1",
        "State": {"Running": True, "StartedAt": "2026-01-01T00:00:00Z", "ExitCode": 0, **state},
        "Config": {"Labels": labels},
        "NetworkSettings": network or {"Networks": {"bridge": {"IPAddress": "172.17.0.5"}}},
    }


def test_a_running_container() -> None:
    observed = observe(inspected(), DIRECT, "")
    assert observed.component == ComponentKey("shop", "web")
    assert (observed.container, observed.version, observed.fingerprint) == ("c1", 4, "f")
    assert (observed.running, observed.exit_code, observed.image_id) == (True, None, "sha256:1")
    assert observed.address == Address("172.17.0.5", 8080)
    assert observed.instance == "i"


def test_one_that_has_ended_keeps_its_code_and_loses_its_address() -> None:
    observed = observe(inspected(Running=False, ExitCode=137, OOMKilled=True), DIRECT, "")
    assert (observed.running, observed.exit_code, observed.oom_killed, observed.address) == (False, 137, True, None)


def test_one_that_never_ran_has_no_start() -> None:
    observed = observe(
        inspected(Running=False, StartedAt="0001-01-01T00:00:00Z", Error="no such\n program"), DIRECT, ""
    )
    assert (observed.started_at, observed.error) == ("", "no such program")


def test_a_helper_is_no_component_and_labels_of_any_kind_do_no_harm() -> None:
    assert observe(inspected(labels={}), DIRECT, "").component is None
    strange = {**LABELS, "maelstrom_version": "x", "maelstrom_httpport": "-1", "maelstrom_component": "other_web"}
    observed = observe(inspected(labels=strange), DIRECT, "")
    assert (observed.component, observed.version, observed.address) == (None, 0, None)


def test_the_first_network_with_an_address_is_taken_and_the_daemon_s_own_before_it() -> None:
    networks = {
        "Networks": {"none": {"IPAddress": ""}, "a": {"IPAddress": "10.0.0.2"}, "own": {"IPAddress": "10.1.0.2"}}
    }
    assert observe(inspected(network=networks), DIRECT, "").address == Address("10.0.0.2", 8080)
    assert observe(inspected(network=networks), Publication(network="own"), "").address == Address("10.1.0.2", 8080)


def test_an_ipv6_only_network_has_an_address_too() -> None:
    networks = {"Networks": {"six": {"IPAddress": "", "GlobalIPv6Address": "2001:db8::2"}}}
    assert observe(inspected(network=networks), DIRECT, "").address == Address("2001:db8::2", 8080)


def test_without_any_network_there_is_no_address() -> None:
    assert observe(inspected(network={"Networks": {"host": {"IPAddress": ""}}}), DIRECT, "").address is None


def test_a_published_port_is_found_where_we_asked_for_it() -> None:
    ports = {"Ports": {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}, {"HostIp": "127.0.0.1", "HostPort": "7"}]}}
    assert observe(inspected(network=ports), LOOPBACK, "127.0.0.1").address == Address("127.0.0.1", 7)
    everywhere = Publication(publish=True)
    assert observe(inspected(network=ports), everywhere, "203.0.113.9").address == Address("203.0.113.9", 80)


def test_a_container_made_before_ports_were_published_has_no_address_now() -> None:
    assert observe(inspected(), LOOPBACK, "127.0.0.1").address is None


LENT = {"HostConfig": {"NetworkMode": "container:5a"}, "NetworkSettings": {"Networks": {}}}


def lent(started_at: str, **sandbox_state: Any) -> Observed:
    """A container that was started at that time, and its sandbox, which was at 10:00:00.5."""
    sandbox = {
        "Id": "5a",
        "State": {"Running": True, "StartedAt": "2026-01-01T10:00:00.5Z", "Pid": 7, **sandbox_state},
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.9"}}},
    }
    return observe(inspected(StartedAt=started_at, Pid=8) | LENT, DIRECT, "", sandbox)


def test_a_container_without_a_network_of_its_own_is_where_its_sandbox_is() -> None:
    for started_at in ("2026-01-01T10:00:00.51Z", "2026-01-01T10:00:01Z"):
        observed = lent(started_at)
        assert (observed.running, observed.address) == (True, Address("172.17.0.9", 8080))
        assert (observed.pid, observed.sandbox, observed.sandbox_pid) == (8, "5a", 7)


def test_one_whose_sandbox_has_ended_runs_for_nobody() -> None:
    after = "2026-01-01T10:00:02Z"
    gone = observe(inspected(StartedAt=after) | LENT, DIRECT, "", None)
    for observed in (gone, lent(after, Running=False), lent("2026-01-01T10:00:00.49Z"), lent("2026-01-01T10:00:00Z")):
        assert (observed.running, observed.address, observed.exit_code) == (False, None, None)
        assert observed.error == CUT_OFF


def test_one_that_has_ended_says_so_whatever_became_of_its_sandbox() -> None:
    ended = observe(inspected(Running=False, ExitCode=3) | LENT, DIRECT, "", None)
    assert (ended.running, ended.exit_code, ended.error) == (False, 3, "")
