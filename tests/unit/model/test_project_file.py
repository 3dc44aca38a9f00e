"""What a valid project file becomes."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.manifest import check_project
from maelstrom.model.mount import Mount
from maelstrom.model.project import ProjectDefinition
from maelstrom.model.project_answers import ErrorPage, ResponseHeader
from maelstrom.model.source import CronRequest, CronSource, Header, HttpSource, SqsSource, StepFunctionsSource
from tests.support.project_file import component, read, web

SHOP = """
    name: shop
    environment: ["LOG_LEVEL=${LOG_LEVEL:-info}"]
    components:
      web:
        image: registry.example:5000/shop/web:${TAG}
        httpport: 8080
        httphealthcheckpath: /ready
        reservememory: 256
        maxconcurrency: 20
        mininstances: 1
        restartorder: startstop
        eventsources:
          site: {http: {hostname: shop.example, pathprefix: /}}
          orders: {sqs: {queuename: orders, path: /jobs/order, maxconcurrency: 4}}
          split: {awsstepfunc: {activityname: split, path: /step/split}}
        crontab: |
          15 3 * * *  /jobs/cleanup
"""

EVERYTHING = """
    name: all
    responseheaders:
    - {name: X-Frame-Options, value: DENY}
    - {name: Server}
    - {name: cache-control, value: "no-cache, private", ifmissing: yes}
    errorpages:
      "503": {body: "<h1>Busy</h1>"}
      "504": {body: slow, contenttype: text/html}
    components:
      web:
        image: app@sha256:0123456789012345678901234567890123456789012345678901234567890123
        command: [serve, "80"]
        entrypoint: [/entry]
        environment: [B=2, A=1=1]
        user: "1000:1000"
        hostname: web
        domainname: example
        containerinit: yes
        capadd: [NET_ADMIN]
        capdrop: [ALL]
        ulimits: [nofile=1024:4096, memlock=-1, core=0:-1]
        volumes:
          - {source: /data, target: /data, readonly: true}
          - {type: volume, source: cache, target: /cache}
          - {type: tmpfs, target: /tmp}
        ports: [6001, 2222:22, 127.0.0.1::53/udp, "[::1]:80:80", 9000-9002:8000-8002]
        networkname: back
        dns: [10.0.0.2]
        dnsoptions: [ndots:2]
        dnssearch: [example]
        reservememory: 64
        limitmemory: 0x80
        cpushares: 512
        mininstances: 1
        maxinstances: 4
        maxinstancespernode: 2
        maxconcurrency: 1_000
        softconcurrencylimit: on
        scaleupconcurrencypct: 1
        scaledownconcurrencypct: .5
        maxdurationseconds: 10:00
        idletimeoutseconds: 30
        idlebehavior: pause
        stopafterseconds: 1:00
        maxqueue: 5
        fairness: header:X-Tenant
        firstbyteseconds: 6
        idlebytesseconds: 7
        allow: [Bank, bank_desk, Bank/bank_vault, "*", bank]
        httpport: 80
        httpversion: 2
        httphealthcheckpath: /ok?deep=1
        httpstarthealthcheckseconds: -1
        httphealthcheckseconds: 5
        httphealthcheckmaxfailures: 2
        healthcheckfailedcommand: [dump]
        restartorder: stopstart
        startparallelism: seriesfirst
        stopgraceseconds: 0
        logdriver: json-file
        logdriveroptions: {max-size: 10m, max-file: "3"}
        pullimageonstart: true
        pullimageonput: true
        pullusername: me
        pullpassword: secret
        pullcommand: [get, <image>]
        eventsources:
          h: {http: {hostname: WWW.Shop.Example, pathprefix: /a, stripprefix: true}}
          c:
            cron:
              schedule: "*/5 * * * MON-FRI"
              timezone: Europe/Berlin
              overlap: forbid
              catchup: all
              catchupseconds: 60
              maxdurationseconds: 90
              retries: 2
              http: {method: post, path: '/job?x=%20', data: text, headers: [{name: X-A, value: b}]}
          q:
            sqs: {queuename: q.fifo, path: /q, nameasprefix: true, maxconcurrency: 3, messagesperpoll: 10,
                  concurrencyperpoller: 2, visibilitytimeout: 60, tasktoken: /t, region: eu-west-1,
                  endpoint: 'https://sqs.example:4566/', rolearn: 'arn:aws:iam::123456789012:role/q'}
          s: {awsstepfunc: {activityname: s, path: /s, maxconcurrency: 5, concurrencyperpoller: 2, heartbeatseconds: 9,
                            async: on, answerseconds: 100}}
"""


def test_the_annotated_example_becomes_a_definition_with_all_defaults_filled_in() -> None:
    project = read(SHOP, environ={"TAG": "1.2"})

    assert project.name == "shop"
    assert list(project.components) == ["web"]
    definition = project.components["web"].component
    assert definition.image == "registry.example:5000/shop/web:1.2"
    assert definition.environment == ("LOG_LEVEL=info",)
    assert (definition.reservememory, definition.limitmemory) == (256, None)
    assert (definition.maxdurationseconds, definition.idletimeoutseconds, definition.maxqueue) == (300, 300, 1000)
    assert (definition.httpstarthealthcheckseconds, definition.httphealthcheckmaxfailures) == (60, 3)
    sources = project.components["web"].eventsources
    cron = next(name for name in sources if name.startswith("web-cron-"))
    assert sorted(sources) == sorted(["orders", "site", "split", cron])
    assert sources["site"].definition == HttpSource(hostname="shop.example", pathprefix="/")
    assert sources["orders"].definition == SqsSource(queuename="orders", path="/jobs/order", maxconcurrency=4)
    assert sources["split"].definition == StepFunctionsSource(activityname="split", path="/step/split")
    assert sources[cron].definition == CronSource(
        schedule="15 3 * * *", http=CronRequest(method="GET", path="/jobs/cleanup")
    )


def test_every_field_is_accepted_and_kept() -> None:
    entry = read(EVERYTHING).components["web"]

    assert entry.component == ComponentDefinition(
        image="app@sha256:0123456789012345678901234567890123456789012345678901234567890123",
        command=("serve", "80"),
        entrypoint=("/entry",),
        environment=("A=1=1", "B=2"),
        user="1000:1000",
        hostname="web",
        domainname="example",
        containerinit=True,
        capadd=("NET_ADMIN",),
        capdrop=("ALL",),
        ulimits=("nofile=1024:4096", "memlock=-1", "core=0:-1"),
        volumes=(
            Mount(source="/data", target="/data", readonly=True),
            Mount(type="volume", source="cache", target="/cache"),
            Mount(type="tmpfs", target="/tmp"),
        ),
        ports=("6001", "2222:22", "127.0.0.1::53/udp", "[::1]:80:80", "9000-9002:8000-8002"),
        networkname="back",
        dns=("10.0.0.2",),
        dnsoptions=("ndots:2",),
        dnssearch=("example",),
        reservememory=64,
        limitmemory=128,
        cpushares=512,
        mininstances=1,
        maxinstances=4,
        maxinstancespernode=2,
        maxconcurrency=1000,
        softconcurrencylimit=True,
        scaleupconcurrencypct=1.0,
        scaledownconcurrencypct=0.5,
        maxdurationseconds=600,
        idletimeoutseconds=30,
        maxqueue=5,
        idlebehavior="pause",
        stopafterseconds=60,
        allow=("bank", "bank_desk", "bank/vault", "*"),
        fairness="header:X-Tenant",
        firstbyteseconds=6,
        idlebytesseconds=7,
        httpport=80,
        httpversion=2,
        httphealthcheckpath="/ok?deep=1",
        httpstarthealthcheckseconds=-1,
        httphealthcheckseconds=5,
        httphealthcheckmaxfailures=2,
        healthcheckfailedcommand=("dump",),
        restartorder="stopstart",
        startparallelism="seriesfirst",
        stopgraceseconds=0,
        logdriver="json-file",
        logdriveroptions={"max-size": "10m", "max-file": "3"},
        pullimageonstart=True,
        pullimageonput=True,
        pullusername="me",
        pullpassword="secret",
        pullcommand=("get", "<image>"),
    )
    assert {name: source.definition for name, source in entry.eventsources.items()} == {
        "h": HttpSource(hostname="www.shop.example", pathprefix="/a", stripprefix=True),
        "c": CronSource(
            schedule="*/5 * * * MON-FRI",
            timezone="Europe/Berlin",
            overlap="forbid",
            catchup="all",
            catchupseconds=60,
            maxdurationseconds=90,
            retries=2,
            http=CronRequest(
                method="POST", path="/job?x=%20", data="text", headers=(Header(name="X-A", value="b"),)
            ),
        ),
        "q": SqsSource(
            queuename="q.fifo",
            path="/q",
            nameasprefix=True,
            maxconcurrency=3,
            messagesperpoll=10,
            concurrencyperpoller=2,
            visibilitytimeout=60,
            tasktoken="/t",
            region="eu-west-1",
            endpoint="https://sqs.example:4566",
            rolearn="arn:aws:iam::123456789012:role/q",
        ),
        "s": StepFunctionsSource(
            activityname="s",
            path="/s",
            maxconcurrency=5,
            concurrencyperpoller=2,
            heartbeatseconds=9,
            answerseconds=100,
            **{"async": True},
        ),
    }  # fmt: skip


def test_pages_are_what_their_names_or_contents_say() -> None:
    files = {
        "a.html": b"\xef\xbb\xbfHello ${NAME}",
        "b.JSON": b'{"busy": true}',
        "c.txt": b"<p>",
        "pages/d": b"\n <!doctype html>",
        "e.php": b'["x"]',
        "f": "später".encode(),
    }
    statuses = ("400", "408", "413", "502", "503", "504")
    pages = "".join(f"  {status}: {{file: {name}}}\n" for status, name in zip(statuses, files, strict=True))
    found = read("name: a\nerrorpages:\n" + pages + "components: {c: {image: a}}\n", files=files).errorpages
    assert [page.contenttype for page in found.values()] == [
        *("text/html", "application/json", "text/plain", "text/html", "application/json", "text/plain"),
    ]
    assert found["400"].body == "Hello ${NAME}", "a file is taken as it is"
    assert list(found) == sorted(found)


def test_headers_and_pages_are_kept() -> None:
    project = read(EVERYTHING)
    assert project.responseheaders == (
        ResponseHeader(name="X-Frame-Options", value="DENY"),
        ResponseHeader(name="Server"),
        ResponseHeader(name="cache-control", value="no-cache, private", ifmissing=True),
    )
    assert project.errorpages == {
        "503": ErrorPage(body="<h1>Busy</h1>", contenttype="text/html"),
        "504": ErrorPage(body="slow", contenttype="text/html"),
    }


def test_every_field_of_the_models_is_in_the_file_above() -> None:
    """So that a new field is added to it, too."""
    for model in (
        ComponentDefinition,
        Mount,
        HttpSource,
        CronSource,
        CronRequest,
        Header,
        SqsSource,
        StepFunctionsSource,
        ResponseHeader,
        ErrorPage,
    ):
        for name, field in model.model_fields.items():
            name = field.alias or name
            assert f"{name}:" in EVERYTHING, f"{model.__name__}.{name}"


@pytest.mark.parametrize("text", [SHOP, EVERYTHING, web("environment: ['A=€ 日本 🎉 –']")])
def test_a_definition_survives_json_in_both_directions(text: str) -> None:
    project = read(text, environ={"TAG": "1"})

    assert check_project(json.loads(json.dumps(project.model_dump(mode="json")))) == project
    assert ProjectDefinition.model_validate_json(project.model_dump_json()) == project


def test_stored_json_of_an_older_version_gets_the_defaults_of_what_it_lacks() -> None:
    assert ComponentDefinition.model_validate_json('{"image": "app", "ports": ["80:80"]}') == ComponentDefinition(
        image="app", ports=("80:80",), restartorder="stopstart"
    )
    assert (
        SqsSource.model_validate_json('{"queuename": "q", "path": "/", "messagesperpoll": 5}').concurrencyperpoller == 5
    )


@pytest.mark.parametrize(
    ("fields", "order"),
    [
        ("", "startstop"),
        ("ports: [6001]", "startstop"),
        ("ports: [127.0.0.1::80]", "startstop"),
        ("ports: [8000-8010:80]", "startstop"),
        ("ports: [0:80]", "startstop"),
        ("ports: [80:80]", "stopstart"),
        ("ports: [9000-9001:80-81]", "stopstart"),
        ("{ports: [80:80], restartorder: startstop}", "startstop"),
    ],
)
def test_without_a_restart_order_the_new_instance_starts_first_where_ports_allow_it(fields: str, order: str) -> None:
    lines = fields.strip("{}").replace("], ", "]\n")
    assert component(lines).restartorder == order


@pytest.mark.parametrize(
    ("lines", "reserved"), [("", 128), ("limitmemory: 64", 64), ("limitmemory: 500", 128), ("reservememory: 9", 9)]
)
def test_without_a_reservation_it_is_the_default_or_a_lower_limit(lines: str, reserved: int) -> None:
    assert component(lines).reservememory == reserved


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("maxinstances", None),
        ("maxinstancespernode", None),
        ("maxconcurrency", 1),
        ("scaleupconcurrencypct", 0.75),
        ("scaledownconcurrencypct", 0.25),
        ("maxdurationseconds", 300),
        ("idletimeoutseconds", 300),
        ("httpstarthealthcheckseconds", 60),
        ("httphealthcheckseconds", 10),
        ("httphealthcheckmaxfailures", 3),
    ],
)
def test_zero_is_unset_where_the_page_says_so(field: str, default: float | None) -> None:
    assert getattr(component(f"{field}: 0"), field) == default


def test_zero_is_unset_in_sources_too() -> None:
    project = read(
        web("""
        eventsources:
          q: {sqs: {queuename: q, path: /, maxconcurrency: 0, messagesperpoll: 7, concurrencyperpoller: 0,
                    visibilitytimeout: 0}}
          p: {sqs: {queuename: q, path: /, messagesperpoll: 0}}
          s: {awsstepfunc: {activityname: s, path: /, maxconcurrency: 0, concurrencyperpoller: 0}}
        """)
    )
    sources = project.components["web"].eventsources
    assert sources["q"].definition == SqsSource(
        queuename="q", path="/", maxconcurrency=10, messagesperpoll=7, concurrencyperpoller=7, visibilitytimeout=300
    )
    assert sources["p"].definition == SqsSource(queuename="q", path="/")
    assert sources["s"].definition == StepFunctionsSource(activityname="s", path="/")


def test_a_key_without_a_value_is_as_good_as_none() -> None:
    """Such as `httpport: ${PORT}` where PORT is unset."""
    assert component("httpport: ${PORT}\nports:\nlogdriveroptions: ~\ncommand: []") == ComponentDefinition(image="app")


@pytest.mark.parametrize(
    ("written", "ports"),
    [
        ("[2222:22]", ("2222:22",)),
        ("['2222:22', \"6001\", 6002]", ("2222:22", "6001", "6002")),
        ("[53:53/udp, 53:53/tcp]", ("53:53/udp", "53:53/tcp")),
    ],
)
def test_ports_are_read_as_they_are_written(written: str, ports: tuple[str, ...]) -> None:
    assert component(f"ports: {written}").ports == ports


@pytest.mark.parametrize("written", ["2024-01-01", "1:30", "app", "'5'", '"5"', "=", "<<", "1.2.3", "!!str 5"])
def test_text_stays_text(written: str) -> None:
    assert component(f"user: {written}").user == written.removeprefix("!!str ").strip("'\"")


@pytest.mark.parametrize("written", ["true", "yes", "On", "y"])
def test_booleans_have_all_forms_of_yaml(written: str) -> None:
    assert component(f"containerinit: {written}").containerinit is True


@pytest.mark.parametrize(
    ("written", "value"),
    [("80", 80), ("0x50", 80), ("0b101", 5), ("010", 8), ("8_080", 8080), ("1:20", 80), ("+5", 5), ("!!int '5'", 5)],
)
def test_whole_numbers_have_all_forms_of_yaml(written: str, value: int) -> None:
    assert component(f"httpport: {written}").httpport == value


def test_anchors_aliases_and_merges_work() -> None:
    project = read("""
        name: a
        components:
          one: &base
            image: app
            environment: &env [A=1]
            maxconcurrency: 5
          two: {<<: *base, maxconcurrency: 6}
          three:
            <<: [{httpport: 1}, *base, {httpport: 2}]
            environment: *env
    """)
    assert [project.components[name].component.maxconcurrency for name in ("one", "two", "three")] == [5, 6, 5]
    assert project.components["three"].component.httpport == 1
    assert project.components["two"].component.environment == ("A=1",)


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    text = "\ufeff" + dedent(SHOP).lstrip().replace("\n", "\r\n")

    project = read(text.encode(), environ={"TAG": "1"})

    assert project.components["web"].eventsources.keys() > {"site", "orders", "split"}
    assert all("\r" not in name for name in project.components["web"].eventsources)
