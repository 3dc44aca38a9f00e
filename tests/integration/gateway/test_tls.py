"""TLS in front of the same gateway: the right certificate for each host, and refusals that say why."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network

import pytest

from maelstrom.gateway import Front, Limits, Listener, Policy, Tls
from maelstrom.gateway.policy import networks
from maelstrom.model.certificate import Certificate
from maelstrom.model.settings import Listen
from tests.integration.gateway.test_tunnels import UPGRADE, shouts
from tests.integration.gateway.world import GET, Caller, Conversation, Message, World, friendly, request, world
from tests.support.certificates import Authority
from tests.support.wait import eventually

AUTHORITY = Authority()


class Secure:
    """A gateway with a TLS listener, and clients for it."""

    def __init__(self, gate: World, listener: Listener, tls: Tls) -> None:
        self.gate = gate
        self.listener = listener
        self.tls = tls

    async def caller(self, host: str = "a.test", trust: ssl.SSLContext | None = None) -> Caller:
        where, port = self.listener.address
        trust = trust or AUTHORITY.trust("h2", "http/1.1")
        reader, writer = await asyncio.open_connection(
            where, port, limit=1 << 22, ssl=trust, server_hostname=host or None
        )
        caller = Caller(reader, writer)
        self.gate.callers.append(caller)
        return caller

    async def plain(self) -> Caller:
        return await self.gate.caller(self.listener)


@pytest.fixture
async def secure() -> AsyncIterator[Secure]:
    async with world(limits=Limits(linger_seconds=1.0)) as gate:
        tls = Tls(["http/1.1"])
        tls.set([AUTHORITY.certificate("a.test"), AUTHORITY.certificate("b.test", "*.wild.test")])
        policy = Policy(name="public", health_path=b"/_mael_health_check", show_reasons=False)
        listener = await gate.gateway.listen(Listen(host="127.0.0.1", port=0), policy, tls=tls)
        yield Secure(gate, listener, tls)


def names(caller: Caller) -> set[str]:
    """Of the certificate that it was shown."""
    shown = caller.writer.get_extra_info("peercert")
    return {name for _, name in shown["subjectAltName"]}


async def test_requests_are_answered_and_containers_hear_of_it(secure: Secure) -> None:
    await secure.gate.component(echo_head)
    caller = await secure.caller()
    for _ in range(3):
        answer = await caller.ask(GET)
        assert answer.status == 200
        assert b"X-Forwarded-Proto: https\r\n" in answer.body
        assert b"proto=https\r\n" in answer.body
    assert secure.gate.gateway.stats.connections_total == 1
    assert caller.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_each_host_gets_its_own_certificate(secure: Secure) -> None:
    assert names(await secure.caller("a.test")) == {"a.test"}
    assert names(await secure.caller("b.test")) == {"b.test", "*.wild.test"}
    assert names(await secure.caller("x.wild.test")) == {"b.test", "*.wild.test"}


@pytest.mark.parametrize("host", ["c.test", "wild.test", "x.y.wild.test"])
async def test_a_host_without_a_certificate_is_refused_with_the_alert_that_says_so(secure: Secure, host: str) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized name"):
        await secure.caller(host)
    assert secure.gate.gateway.stats.tls_failed == {"no_certificate": 1}
    await eventually(lambda: not secure.listener.connections)


async def test_who_names_no_host_gets_the_default_or_the_alert(secure: Secure) -> None:
    trust = AUTHORITY.trust()
    trust.check_hostname = False
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized name"):
        await secure.caller("", trust)
    secure.tls.set(secure.tls.certificates, default="b.test")
    assert names(await secure.caller("", trust)) == {"b.test", "*.wild.test"}
    assert names(await secure.caller("c.test", trust)) == {"b.test", "*.wild.test"}


async def test_a_new_certificate_is_for_new_connections_and_old_ones_go_on(secure: Secure) -> None:
    await secure.gate.component(echo_head)
    before = await secure.caller()
    assert (await before.ask(GET)).status == 200
    secure.tls.set([AUTHORITY.certificate("a.test", "new.test")])
    assert names(await secure.caller()) == {"a.test", "new.test"}
    assert (await before.ask(GET)).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_are_refused(secure: Secure) -> None:
    trust = AUTHORITY.trust()
    trust.minimum_version = ssl.TLSVersion.TLSv1
    trust.maximum_version = ssl.TLSVersion.TLSv1_1
    trust.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol version"):
        await secure.caller(trust=trust)
    assert secure.gate.gateway.stats.tls_failed == {"old_version": 1}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_new_versions_have_forward_secrecy(secure: Secure, version: ssl.TLSVersion) -> None:
    trust = AUTHORITY.trust()
    trust.minimum_version = trust.maximum_version = version
    caller = await secure.caller(trust=trust)
    cipher, spoken, _ = caller.writer.get_extra_info("cipher")
    assert spoken == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert cipher.startswith(("ECDHE-", "TLS_"))


async def test_ciphers_without_forward_secrecy_are_refused(secure: Secure) -> None:
    trust = AUTHORITY.trust()
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    trust.set_ciphers("AES256-GCM-SHA384")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await secure.caller(trust=trust)
    assert secure.gate.gateway.stats.tls_failed == {"tls": 1}


async def test_plain_http_is_told_what_this_address_speaks(secure: Secure) -> None:
    caller = await secure.plain()
    caller.send(GET)
    answer = await caller.answer()
    assert (answer.status, answer.code) == (400, "bad_request")
    assert b"https" in answer.body
    assert await caller.ended()
    assert secure.gate.gateway.stats.tls_failed == {"not_tls": 1}


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",  # no client hello
        b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",  # cut short within
        b"\x16\x03\x01\x00\x00",  # an empty record
        b"\x16\x03\x01\x00\x04\x01\x01\x00\x00",  # far too long
    ],
)
async def test_what_is_no_client_hello_is_refused(secure: Secure, data: bytes) -> None:
    caller = await secure.plain()
    caller.send(data)
    assert await caller.rest() == b"\x15\x03\x01\x00\x02\x02\x32"
    assert secure.gate.gateway.stats.tls_failed == {"bad_hello": 1}


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01\x00"])
async def test_a_handshake_that_stands_still_is_ended(secure: Secure, sent: bytes) -> None:
    caller = await secure.plain()
    caller.send(sent)
    await eventually(lambda: secure.listener.connections)
    secure.gate.pass_time(11.0)
    assert await caller.ended()
    assert secure.gate.gateway.stats.tls_failed == {"timeout": 1}
    await eventually(lambda: not secure.listener.connections)


async def test_a_hello_may_come_in_pieces(secure: Secure) -> None:
    await secure.gate.component(echo_head)
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = AUTHORITY.trust().wrap_bio(coming, going, server_hostname="a.test")
    caller = await secure.plain()

    async def until(step: Callable[[], object]) -> object:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                done = None
            for byte in going.read():
                caller.send(bytes((byte,)))
                await asyncio.sleep(0)
            if done is not None:
                return done
            coming.write(await caller.some())

    await until(lambda: client.do_handshake() or True)
    await until(lambda: client.write(GET))
    answer = await until(lambda: client.read(65536))
    assert isinstance(answer, bytes)
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_connections_in_their_handshake_count_towards_the_limit() -> None:
    async with world(limits=Limits(max_connections=1)) as gate:
        tls = Tls(["http/1.1"])
        tls.set([AUTHORITY.certificate("a.test")])
        listener = await gate.gateway.listen(Listen(host="127.0.0.1", port=0), Policy(name="public"), tls=tls)
        first = await gate.caller(listener)
        await eventually(lambda: listener.connections == 1)
        second = await gate.caller(listener)
        assert await second.ended()
        first.reset()
        await eventually(lambda: not listener.connections)
        assert gate.gateway.stats.refused_connections == 1
        assert names(await Secure(gate, listener, tls).caller()) == {"a.test"}


async def test_a_client_that_leaves_gives_back_what_was_claimed(secure: Secure) -> None:
    async def silent(talk: Conversation) -> None:
        await talk.message()
        await talk.gone()

    pool = await secure.gate.component(silent)
    caller = await secure.caller()
    caller.send(GET)
    await eventually(lambda: pool.in_flight == 1)
    caller.close()
    await eventually(lambda: pool.in_flight == 0)


async def test_bodies_pass_both_ways(secure: Secure) -> None:
    body = bytes(range(256)) * 4096 * 4

    async def mirror(talk: Conversation) -> None:
        message = await talk.message()
        talk.reply(message.body)

    await secure.gate.component(mirror)
    caller = await secure.caller()
    caller.send(request(f"POST / HTTP/1.1\nHost: a.test\nContent-Length: {len(body)}") + body)
    assert (await caller.answer()).body == body


async def test_an_early_answer_can_be_read_by_who_still_sends(secure: Secure) -> None:
    caller = await secure.caller()
    caller.send(request("POST /none HTTP/1.1\nHost: a.test\nContent-Length: 100000000") + b"x" * 300_000)
    answer = await caller.answer()
    assert (answer.status, answer.head["connection"]) == (404, "close")
    secure.gate.pass_time(2.0)
    secure.gate.pass_time(2.0)
    await caller.gone()
    await eventually(lambda: not secure.listener.connections)


async def test_a_tunnel_ends_with_the_client(secure: Secure) -> None:
    pool = await secure.gate.component(shouts)
    caller = await secure.caller()
    answer = await caller.ask(UPGRADE.replace(b"Host: a", b"Host: a.test"))
    assert answer.status == 101
    assert await caller.until(b"\n") == b"HI\n"
    caller.send(b"hello\n")
    assert await caller.until(b"\n") == b"HELLO\n"
    caller.close()
    await eventually(lambda: not pool.in_flight and not secure.listener.connections)


async def test_a_tunnel_ends_with_the_container_after_its_last_words(secure: Secure) -> None:
    async def leaves(talk: Conversation) -> None:
        await talk.head()
        talk.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat/2\r\n\r\nbye")

    pool = await secure.gate.component(leaves)
    caller = await secure.caller()
    assert (await caller.ask(UPGRADE)).status == 101
    assert await caller.rest() == b"bye"
    await eventually(lambda: not pool.in_flight)


async def test_a_truncated_answer_looks_truncated(secure: Secure) -> None:
    async def cut(talk: Conversation) -> None:
        await talk.message()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await talk.flush()
        talk.writer.transport.abort()

    await secure.gate.component(cut)
    caller = await secure.caller()
    caller.send(GET)
    await caller.head()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ssl.SSLError)):
        await caller.exactly(100)


async def test_a_stop_ends_idle_connections_in_order(secure: Secure) -> None:
    await secure.gate.component(echo_head)
    caller = await secure.caller()
    await caller.ask(GET)
    draining = asyncio.create_task(secure.listener.drain(5.0))
    await eventually(lambda: secure.listener.draining)
    answer = await caller.ask(GET)
    assert answer.head["connection"] == "close"
    assert await caller.rest() == b""
    assert await draining == 0


async def echo_head(talk: Conversation) -> None:
    """Answers with the head that it was sent."""
    while True:
        message = await talk.message()
        talk.reply(message.head.raw)


async def test_a_balancers_header_stands_before_the_handshake() -> None:
    here = (ip_network("127.0.0.1/32"),)
    async with world(public=Policy(name="public", balancers=here)) as gate:
        await gate.component(echo_head)
        tls = Tls(["http/1.1"])
        tls.set([AUTHORITY.certificate("a.test")])
        listener = await gate.gateway.listen(
            Listen(host="127.0.0.1", port=0), Policy(name="public", balancers=here), tls=tls
        )
        caller = await gate.caller(listener)
        caller.send(b"PROXY TCP4 192.0.2.7 198.51.100.9 5000 443\r\n")
        await caller.writer.start_tls(AUTHORITY.trust("http/1.1"), server_hostname="a.test")
        answer = await caller.ask(GET)
        assert answer.status == 200
        assert b"X-Forwarded-For: 192.0.2.7\r\n" in answer.body


class Plain:
    """A plain listener with something in front of the routes."""

    def __init__(self, gate: World, front: Front, tls: Tls, listener: Listener) -> None:
        self.gate = gate
        self.front = front
        self.tls = tls
        self.listener = listener

    async def ask(self, text: str, body: bytes = b"") -> Message:
        return await (await self.gate.caller(self.listener)).ask(request(text, body))


async def plain_world(gate: World, *, redirect_port: int = 443, trusted: str = "") -> Plain:
    tls = Tls(["http/1.1"])
    tls.set([AUTHORITY.certificate("a.test", "*.wild.test")])
    front = Front(lambda name: tls.find(name) is not None, redirect_port=redirect_port)
    policy = Policy(name="public", health_path=b"/_mael_health_check", trusted=networks((trusted,)))
    listener = await gate.gateway.listen(Listen(host="127.0.0.1", port=0), policy, front=front)
    await gate.component(friendly)
    return Plain(gate, front, tls, listener)


async def test_hosts_with_a_certificate_are_asked_again_by_tls(gate: World) -> None:
    plain = await plain_world(gate)
    answer = await plain.ask("GET /x/y?z=1%20a HTTP/1.1\nHost: A.test:8080")
    assert (answer.status, answer.head["location"]) == (308, "https://a.test/x/y?z=1%20a")
    answer = await plain.ask("POST / HTTP/1.1\nHost: x.wild.test\nContent-Length: 2", b"hi")
    assert (answer.status, answer.head["location"]) == (308, "https://x.wild.test/")
    for kept in ("GET / HTTP/1.1\nHost: b.test", "GET / HTTP/1.1\nHost: [::1]", "OPTIONS * HTTP/1.1\nHost: a.test"):
        assert (await plain.ask(kept)).status in (200, 404)
    assert (await plain.ask("GET /_mael_health_check HTTP/1.1\nHost: a.test")).status == 200
    assert gate.gateway.stats.component("").codes[308].count == 2


async def test_a_redirect_names_the_port_that_clients_use(gate: World) -> None:
    plain = await plain_world(gate, redirect_port=8443)
    answer = await plain.ask("GET / HTTP/1.1\nHost: a.test")
    assert answer.head["location"] == "https://a.test:8443/"


async def test_without_the_setting_nobody_is_sent_away(gate: World) -> None:
    plain = await plain_world(gate, redirect_port=0)
    assert (await plain.ask("GET / HTTP/1.1\nHost: a.test")).status == 200


async def test_who_came_by_tls_to_a_proxy_in_front_is_served(gate: World) -> None:
    plain = await plain_world(gate, trusted="127.0.0.1")
    assert (await plain.ask("GET / HTTP/1.1\nHost: a.test\nX-Forwarded-Proto: https")).status == 200
    assert (await plain.ask("GET / HTTP/1.1\nHost: a.test\nX-Forwarded-Proto: http")).status == 308


async def test_only_a_trusted_proxy_may_say_that_it_was_tls(gate: World) -> None:
    plain = await plain_world(gate)
    assert (await plain.ask("GET / HTTP/1.1\nHost: a.test\nX-Forwarded-Proto: https")).status == 308


async def test_challenges_are_answered_while_they_are_asked_for(gate: World) -> None:
    plain = await plain_world(gate)
    path = "/.well-known/acme-challenge/token-1"
    assert (await plain.ask(f"GET {path} HTTP/1.1\nHost: a.test")).body == b"hello"  # the component's own
    plain.front.challenges = {b"token-1": b"token-1.thumb"}
    for host in ("a.test", "other.test"):
        answer = await plain.ask(f"GET {path} HTTP/1.1\nHost: {host}")
        assert (answer.status, answer.body) == (200, b"token-1.thumb")
    assert (await plain.ask("GET /.well-known/acme-challenge/token-2 HTTP/1.1\nHost: a.test")).body == b"hello"


async def test_a_connection_notices_that_its_host_has_a_certificate_now(gate: World) -> None:
    plain = await plain_world(gate)
    ask = request("GET / HTTP/1.1\nHost: new.test")
    caller = await gate.caller(plain.listener)
    assert (await caller.ask(ask)).status == 200
    assert (await caller.ask(ask)).status == 200
    plain.tls.set([AUTHORITY.certificate("new.test")])
    gate.gateway.look_again()
    assert (await caller.ask(ask)).status == 308


async def test_certificates_of_very_many_hosts(secure: Secure) -> None:
    shared = AUTHORITY.pair("many.test")
    many = [
        Certificate((f"h{number}.test",), shared.chain, shared.key + b"\n" * number, 0.0, 0.0, "0", "test")
        for number in range(1000)
    ]
    secure.tls.set([*many, AUTHORITY.certificate("*.late.test")])
    assert secure.tls.find("h999.test") is many[999]
    trust = AUTHORITY.trust()
    trust.check_hostname = False
    for host in ("h0.test", "h999.test", "x.late.test"):
        await secure.caller(host, trust)
    assert secure.tls.contexts == 3  # the others cost nothing until they are asked for
