"""What goes between the processes arrives as it was sent."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from maelstrom.gateway.stats import ComponentStats, GatewayStats
from maelstrom.model.certificate import Certificate
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import MaelstromError, QueueFull, StartFailed
from maelstrom.model.settings import Listen, Settings
from maelstrom.workers import counts
from maelstrom.workers.briefing import (
    Briefing,
    Rule,
    certificates_of,
    components_of,
    rules_of,
    settings_message,
    settings_of,
)
from maelstrom.workers.messages import Decoder, encode, error_of
from maelstrom.workers.orphans import orphans

VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.text(max_size=20))
MESSAGES = st.lists(st.lists(VALUES, min_size=1, max_size=4), max_size=4)


@given(frames=st.lists(MESSAGES, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_messages_arrive_whole_however_the_bytes_are_cut(frames: list[list[list[object]]], cuts: list[int]) -> None:
    data = b"".join(encode(messages) for messages in frames)
    decoder = Decoder()
    at, received = 0, []
    for end in [*sorted(cut for cut in cuts if cut <= len(data)), len(data)]:
        received += decoder.feed(data[at:end])
        at = end
    assert received == [message for messages in frames for message in messages]


def test_an_error_keeps_its_code_its_words_and_its_fields() -> None:
    for error in (QueueFull("full", retry_after=3), StartFailed("no", hint="look", cause="oom"), MaelstromError("?")):
        again = error_of(error.code, error.message, error.hint, error.fields)
        assert type(again) is type(error)
        assert again.as_json() == error.as_json()
    assert error_of("unheard_of", "?", "", {}).message == "?"


def settings() -> Settings:
    return Settings(
        state_dir=Path("/x"),
        node_name="one",
        admin_token="secret-token",
        acme_eab_hmac_key="secret-key",
        database_url="postgresql://u:secret-password@h/d",
        public_listen=(Listen(host="::1", port=80),),
        trusted_proxies=("10.0.0.0/8",),
        access_log="0.5",
    )


def test_a_worker_has_the_settings_of_requests_and_no_secrets() -> None:
    hidden = {name: "secret" for name, field in Settings.model_fields.items() if not field.repr}
    message = settings_message(settings().model_copy(update=hidden))
    assert b"secret" not in encode([message])
    (received,) = Decoder().feed(encode([message]))
    again = settings_of(received[1])
    for field in ("node_name", "public_listen", "trusted_proxies", "access_log", "keepalive_seconds", "log_format"):
        assert getattr(again, field) == getattr(settings(), field)


def component(name: str, **fields: object) -> Component:
    definition = ComponentDefinition.model_validate({"image": "x", **fields})
    return Component(ComponentKey("shop", name), 3, 4, definition)


def test_a_component_arrives_without_its_environment() -> None:
    one = component("web", maxqueue=7, firstbyteseconds=2, environment=("TOKEN=secret",), pullpassword="secret")
    briefing = Briefing()
    messages = briefing.changes({one.key: one}, [], {})
    assert b"secret" not in encode(messages)
    (received, *_) = Decoder().feed(encode(messages))
    (again,) = components_of(received[1])
    assert (again.key, again.version, again.generation) == (one.key, 3, 4)
    assert (again.definition.maxqueue, again.definition.firstbyteseconds) == (7, 2)


def test_only_what_has_changed_is_told() -> None:
    briefing = Briefing()
    web, api = component("web"), component("api")
    rules = [Rule("shop/web/site", "a.test", "/x", True, "shop_web")]
    briefing.changes({web.key: web, api.key: api}, rules, {})
    assert briefing.changes({web.key: component("web"), api.key: api}, list(rules), {}) == []
    changed = component("web", maxqueue=9)
    (told,) = briefing.changes({web.key: changed}, rules, {})
    assert [row[1] for row in told[1]] == ["web"]
    assert told[2] == ["shop_api"]
    (told,) = briefing.changes({web.key: changed}, [], {})
    assert told[:2] == ["routes", []]
    assert [message[0] for message in briefing.all()] == ["components", "routes"]


def test_rules_and_certificates_arrive_as_they_are() -> None:
    rules = [Rule("shop/web/site", "ü.test", "/x", True, "shop_web"), Rule("b", "b.test", "", False, "shop_b", False)]
    briefing = Briefing()
    certificate = Certificate(("a.test", "*.b.test"), b"chain", b"key", 1.0, 2.0, "0a", "file")
    shown = briefing.show([certificate])
    (told,) = briefing.changes({}, rules, {})
    first, second = Decoder().feed(encode([shown, told]))
    assert certificates_of(first[1]) == [certificate]
    assert rules_of(second[1]) == rules


def counters(stats: GatewayStats | ComponentStats) -> list[str]:
    """Compiled classes have no slots that could be asked. `requests` is a sum."""
    return [n for n in dir(stats) if n[0] != "_" and n != "requests" and not callable(getattr(stats, n))]


def test_every_counter_is_told() -> None:
    total, worker = GatewayStats(), GatewayStats()
    for stats in (worker, worker.component("x")):
        for name in counters(stats):
            value = getattr(stats, name)
            if isinstance(value, int | float):
                setattr(stats, name, 7)
            elif name not in ("components", "codes"):
                value["some"] = 7
    counts.add(total, counts.take(worker), 0)
    assert {name for name in counters(total) if not getattr(total, name)} == set()
    assert {name for name in counters(total.components["x"]) if not getattr(total.components["x"], name)} == {"codes"}


def test_counters_are_added_up_and_connections_are_those_that_are_open() -> None:
    total, worker = GatewayStats(), GatewayStats()
    before = 0
    for round in (1, 2):
        worker.connections = 5 - round
        worker.connections_total += 3
        worker.tls_failed["no_name"] = worker.tls_failed.get("no_name", 0) + 1
        one = worker.component("shop_web")
        one.count(200, 0.01)
        one.count(503, 2.0)
        one.error("queue_full")
        one.bytes_out += 100
        one.waited(0.5)
        one.busy_seconds += 1.0
        (message,) = Decoder().feed(encode([["counted", counts.take(worker)]]))
        before = counts.add(total, message[1], before)
        assert (total.connections, total.connections_total, total.tls_failed) == (
            5 - round,
            3 * round,
            {"no_name": round},
        )
    sums = total.component("shop_web")
    assert sums.requests == 4
    assert (sums.codes[200].count, sums.codes[200].seconds, sum(sums.codes[503].buckets)) == (2, 0.02, 2)
    assert (sums.errors, sums.bytes_out, sums.queued, sums.busy_seconds) == ({"queue_full": 2}, 200, 2, 1.0)
    assert counts.take(worker) == {"connections": 3}


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 010011AC:9C40 020011AC:1F90 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 30 10 -1
   2: 010011AC:9C41 020011AC:1F90 05 00000000:00000000 03:00000A2B 00000000     0        0 0 3 0
   3: 010011AC:9C42 020011AC:1F90 04 00000000:00000001 01:00000014 00000000     0        0 0 3 0
   4: 010011AC:9C43 020011AC:1F90 06 00000000:00000000 03:00000A2B 00000000     0        0 0 3 0
   5: 010011AC:9C44 030011AC:1F90 05 00000000:00000000 03:00000A2B 00000000     0        0 13 3 0
"""
SIX = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 0000000000000000FFFF0000010011AC:9C40 0000000000000000FFFF0000020011AC:1F90 05 0:0 00:0 0 0 0 0 3 0
   1: B80D0120000000000000000001000000:9C40 B80D0120000000000000000002000000:1F90 05 0:0 00:0 0 0 0 0 3 0
"""


def test_connections_that_are_closed_here_only_are_found_by_their_peer() -> None:
    found = orphans([TABLE, SIX])
    assert found == {("172.17.0.2", 8080): 3, ("2001:db8::2", 8080): 1}
