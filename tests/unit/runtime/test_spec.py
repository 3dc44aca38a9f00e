"""What the engine is asked to make, field by field of the project file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.mount import Mount
from maelstrom.runtime.spec import (
    NETWORK_FIELDS,
    Identity,
    Publication,
    container_labels,
    create_body,
    fingerprint,
    labelled_component,
    lender,
    may_join,
    sandbox_body,
)

HERE = Identity("prod", "node1")


def component(**definition: Any) -> Component:
    return Component(ComponentKey("shop", "web"), 3, 2, ComponentDefinition(image="app:1", **definition))


def body(publication: Publication | None = None, **definition: Any) -> dict[str, Any]:
    return create_body(component(**definition), "i1", HERE, private_url="http://gw:1", publication=publication)


def host(**definition: Any) -> dict[str, Any]:
    config: dict[str, Any] = body(**definition)["HostConfig"]
    return config


def test_a_definition_of_nothing_but_an_image_asks_for_nothing_else() -> None:
    made = body()
    assert made["HostConfig"] == {"MemoryReservation": 128 << 20}
    assert set(made) == {"Image", "Env", "Labels", "ExposedPorts", "HostConfig"}
    assert made["ExposedPorts"] == {"8080/tcp": {}}


def test_image_and_process() -> None:
    made = body(
        command=("serve", "--fast"),
        entrypoint=("/init",),
        user="app:staff",
        hostname="web",
        domainname="example",
        httpport=9000,
    )
    assert made["Image"] == "app:1"
    assert (made["Cmd"], made["Entrypoint"]) == (["serve", "--fast"], ["/init"])
    assert (made["User"], made["Hostname"], made["Domainname"]) == ("app:staff", "web", "example")
    assert made["ExposedPorts"] == {"9000/tcp": {}}


def test_resources_are_in_bytes() -> None:
    assert host(reservememory=64, limitmemory=256, cpushares=512) == {
        "MemoryReservation": 64 << 20,
        "Memory": 256 << 20,
        "CpuShares": 512,
    }


def test_init_capabilities_and_limits() -> None:
    made = host(containerinit=True, capadd=("NET_ADMIN",), capdrop=("ALL",), ulimits=("nofile=10:20", "core=-1"))
    assert made["Init"] is True
    assert (made["CapAdd"], made["CapDrop"]) == (["NET_ADMIN"], ["ALL"])
    assert made["Ulimits"] == [
        {"Name": "nofile", "Soft": 10, "Hard": 20},
        {"Name": "core", "Soft": -1, "Hard": -1},
    ]


def test_mounts_of_all_kinds() -> None:
    volumes = (
        Mount(source="/data", target="/d", readonly=True),
        Mount(type="volume", source="shared", target="/s"),
        Mount(type="volume", target="/anonymous"),
        Mount(type="tmpfs", target="/t"),
    )
    assert host(volumes=volumes)["Mounts"] == [
        {"Type": "bind", "Source": "/data", "Target": "/d", "ReadOnly": True},
        {"Type": "volume", "Source": "shared", "Target": "/s", "ReadOnly": False},
        {"Type": "volume", "Target": "/anonymous", "ReadOnly": False},
        {"Type": "tmpfs", "Target": "/t", "ReadOnly": False},
    ]


def test_ports_are_published_and_exposed() -> None:
    made = body(ports=("80", "127.0.0.1:2222:22", "9000-9001:8000-8001/udp"))
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": ""}],
        "22/tcp": [{"HostIp": "127.0.0.1", "HostPort": "2222"}],
        "8000/udp": [{"HostIp": "", "HostPort": "9000"}],
        "8001/udp": [{"HostIp": "", "HostPort": "9001"}],
    }
    assert set(made["ExposedPorts"]) == {"80/tcp", "22/tcp", "8000/udp", "8001/udp", "8080/tcp"}


def test_network_and_names() -> None:
    made = host(networkname="back", dns=("192.0.2.1",), dnsoptions=("ndots:1",), dnssearch=("example",))
    assert made["NetworkMode"] == "back"
    assert (made["Dns"], made["DnsOptions"], made["DnsSearch"]) == (["192.0.2.1"], ["ndots:1"], ["example"])


def test_log_drivers() -> None:
    made = host(logdriver="syslog", logdriveroptions={"tag": "x"})
    assert made["LogConfig"] == {"Type": "syslog", "Config": {"tag": "x"}}
    assert "LogConfig" not in host(logdriveroptions={"tag": "x"})
    assert "LogConfig" not in host(logdriver="maelstrom")


def test_variables_of_the_product_come_last_and_only_from_the_product() -> None:
    assert body(environment=("A=1", "MAELSTROM_A=2", "MAELSTROMX=3"))["Env"] == [
        "A=1",
        "MAELSTROMX=3",
        "MAELSTROM_PRIVATE_URL=http://gw:1",
        "MAELSTROM_COMPONENT_NAME=shop_web",
        "MAELSTROM_COMPONENT_VERSION=3",
        "MAELSTROM_PROJECT_NAME=shop",
        "MAELSTROM_INSTANCE_ID=i1",
    ]


def test_labels_say_whose_it_is_and_what_it_was_made_from() -> None:
    labels = body()["Labels"]
    assert labels == {
        "maelstrom": "true",
        "maelstrom_cluster": "prod",
        "maelstrom_node": "node1",
        "maelstrom_project": "shop",
        "maelstrom_component": "shop_web",
        "maelstrom_version": "3",
        "maelstrom_generation": "2",
        "maelstrom_fingerprint": fingerprint(component()),
        "maelstrom_instance": "i1",
        "maelstrom_httpport": "8080",
    }
    assert labelled_component(labels) == ComponentKey("shop", "web")
    assert labelled_component(HERE.labels) is None


def test_names_with_underlines_come_back_as_they_were() -> None:
    key = ComponentKey("a_b", "c_d")
    made = replace(component(), key=key)
    assert labelled_component(container_labels(HERE, made, "i")) == key


def test_only_containers_of_this_cluster_and_node_are_ours() -> None:
    assert HERE.owns(body()["Labels"])
    assert not Identity("prod", "node2").owns(body()["Labels"])
    assert not Identity("test", "node1").owns(body()["Labels"])
    assert not HERE.owns({})


def test_where_addresses_are_not_reached_the_http_port_is_published_besides_the_component_s_own() -> None:
    published = body(Publication(publish=True, bind="127.0.0.1"), ports=("80:8080",))
    assert published["HostConfig"]["PortBindings"] == {
        "8080/tcp": [{"HostIp": "", "HostPort": "80"}, {"HostIp": "127.0.0.1", "HostPort": ""}]
    }


def test_a_node_in_a_container_puts_components_on_its_own_network_unless_they_name_one() -> None:
    assert body(Publication(network="nodes"))["HostConfig"]["NetworkMode"] == "nodes"
    assert body(Publication(network="nodes"), networkname="own")["HostConfig"]["NetworkMode"] == "own"


def test_the_fingerprint_changes_with_all_that_makes_a_container_and_nothing_else() -> None:
    base = component()
    same = component(pullusername="u", pullpassword="secret", maxconcurrency=9, allow=("billing",), reservememory=128)
    assert fingerprint(base) == fingerprint(same) == fingerprint(replace(base, modified_at=5.0, version=4))
    others = [
        component(command=("x",)),
        component(environment=("A=1",)),
        replace(base, generation=3),
        replace(base, key=ComponentKey("shop", "api")),
    ]
    assert len({fingerprint(c) for c in [base, *others]}) == len(others) + 1


# All that a container of a component is made from, and is the same in whatever network it is.
WITHOUT_NETWORK = {
    "image", "command", "entrypoint", "environment", "user", "containerinit", "capadd", "capdrop", "ulimits", "volumes",
    "limitmemory", "reservememory", "cpushares", "httpport", "logdriver", "logdriveroptions",
}  # fmt: skip


def test_every_field_that_a_lent_network_would_change_or_lose_takes_the_plain_way() -> None:
    values: dict[str, Any] = {
        "hostname": "web",
        "domainname": "example.test",
        "ports": ("8443:443",),
        "networkname": "backend",
        "dns": ("192.0.2.53",),
        "dnsoptions": ("ndots:3",),
        "dnssearch": ("example.test",),
    }
    assert not any(may_join(component(**{name: value}).definition) for name, value in values.items())
    assert set(values) == set(NETWORK_FIELDS)
    assert may_join(component().definition)


def test_a_new_field_of_the_engine_is_looked_at_before_it_meets_a_lent_network() -> None:
    """One that reaches the engine belongs into NETWORK_FIELDS or into the list above."""
    never_reaches_it = {
        name
        for name in ComponentDefinition.model_fields
        if name.startswith(("http", "health", "pull", "max", "min", "scale", "idle", "soft"))
        or name in ("fairness", "firstbyteseconds", "restartorder", "startparallelism", "stopgraceseconds")
        or name in ("allow", "stopafterseconds")
    } - {"httpport"}
    assert set(ComponentDefinition.model_fields) - never_reaches_it == WITHOUT_NETWORK | set(NETWORK_FIELDS)


@pytest.mark.parametrize("target", ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf/"])
def test_a_mount_over_a_file_of_the_network_takes_the_plain_way(target: str) -> None:
    assert not may_join(component(volumes=(Mount(source="/x", target=target),)).definition)
    assert may_join(component(volumes=(Mount(source="/x", target="/etc/hosts.d"),)).definition)


def test_in_a_sandbox_s_network_only_the_network_is_another() -> None:
    arguments = (component(volumes=(Mount(type="volume", target="/v"),)), "i1", HERE)
    plain, joined = create_body(*arguments), create_body(*arguments, sandbox="5a")
    assert joined["HostConfig"].pop("NetworkMode") == "container:5a"
    assert plain.pop("ExposedPorts") == {"8080/tcp": {}}
    assert joined == plain


def test_who_lends_a_network_is_read_from_either_form_of_the_engine_s_words() -> None:
    assert lender({"HostConfig": {"NetworkMode": "container:5a"}}) == "5a"
    assert [lender({}), lender({"HostConfig": {"NetworkMode": "bridge"}}), lender({"HostConfig": None})] == ["", "", ""]


def test_a_sandbox_may_do_nothing_and_is_known_by_what_it_was_made_as() -> None:
    made = sandbox_body(HERE, "sandbox:1", "", "s1")
    assert made["HostConfig"]["CapDrop"] == ["ALL"]
    assert made["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    assert made["HostConfig"]["ReadonlyRootfs"]
    assert made["User"] == "65534:65534"
    assert HERE.owns(made["Labels"])
    assert labelled_component(made["Labels"]) is None
    same, other = sandbox_body(HERE, "sandbox:1", "", "s2"), sandbox_body(HERE, "sandbox:1", "net", "s1")
    assert made["Labels"]["maelstrom_sandbox"] == same["Labels"]["maelstrom_sandbox"]
    assert made["Labels"]["maelstrom_sandbox"] != other["Labels"]["maelstrom_sandbox"]
