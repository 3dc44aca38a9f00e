"""What is wrong with a project file: all of it at once, each at its line, with what to do."""

from __future__ import annotations

from textwrap import dedent

import pytest

from maelstrom.model.errors import InvalidInput, Problem
from tests.support.project_file import FILE, problems, read, web

LONG = "x" * 5000


def one(text: str) -> Problem:
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


# Lines of component `web` → path below it, words of the message, line (the component's first own line is 5).
COMPONENT_RULES = [
    ("imag: x", "imag", "no known key", 5),
    ("max_concurrency: 5", "max_concurrency", "no known key", 5),
    ("command: sh -c", "command", "must be a list, not text", 5),
    ("command: [sleep, 10]", "command.1", "must be text, not a number", 5),
    ("command:\n- sleep\n- 10", "command.1", "must be text", 7),
    ("command: [a, ~]", "command.1", "is empty", 5),
    ("user: 1000", "user", "must be text, not a number", 5),
    ("user: yes", "user", "must be text", 5),
    ("user: [a]", "user", "must be text, not a list", 5),
    ("hostname: 1.5", "hostname", "must be text", 5),
    ('user: "a\\0b"', "user", "a character that no text may have", 5),
    ("containerinit: 1", "containerinit", "must be true or false", 5),
    ("containerinit: 'yes'", "containerinit", "must be true or false", 5),
    ("httpport: '80'", "httpport", "must be a whole number, not text", 5),
    ("httpport: 80.0", "httpport", "must be a whole number", 5),
    ("httpport: true", "httpport", "must be a whole number", 5),
    ("httpport: {}", "httpport", "must be a whole number, not a map", 5),
    ("httpport: 0", "httpport", "must be at least 1", 5),
    ("httpport: 65536", "httpport", "must be at most 65535", 5),
    ("httpport: " + "9" * 99, "httpport", "must be at most 65535", 5),
    ("httpport: 99999999999999999999", "httpport", "must be at most 65535", 5),
    ("environment: {A: b}", "environment", "must be a list, not a map", 5),
    ("environment: [A]", "environment.0", "no `=`", 5),
    ("environment:\n- A=1\n- 1A=x", "environment.1", "no valid name", 7),
    ("environment: [=x]", "environment.0", "no valid name", 5),
    ("environment: ['A-B=x']", "environment.0", "no valid name", 5),
    ("capadd: ['']", "capadd.0", "is empty", 5),
    ("fairness: tenant", "fairness", "says not by what to be fair", 5),
    ("fairness: header", "fairness", "says not by what to be fair", 5),
    ("fairness: 'header:'", "fairness", "no name that HTTP allows", 5),
    ("fairness: 'header:X Tenant'", "fairness", "no name that HTTP allows", 5),
    ("fairness: header:Content-Length", "fairness", "belongs to a connection", 5),
    ("fairness: header:Transfer_Encoding", "fairness", "belongs to a connection", 5),
    ("fairness: header:maelstrom_component", "fairness", "Maelstrom's own", 5),
    ("fairness: header:X-Forwarded-For", "fairness", "is the gateway's", 5),
    ("fairness: header:" + "x" * 200, "fairness", "100 are allowed", 5),
    ("ulimits: [nofile]", "ulimits.0", "no limit", 5),
    ("ulimits: [files=1]", "ulimits.0", "no limit", 5),
    ("ulimits: [nofile=2:1]", "ulimits.0", "over the hard limit", 5),
    ("ulimits: [nofile=-1:1]", "ulimits.0", "over the hard limit", 5),
    ("ulimits: [nofile=-2]", "ulimits.0", "no limit", 5),
    ("ulimits: [nofile=1, nofile=2]", "ulimits.1", "given twice", 5),
    ("volumes: [/a:/b]", "volumes.0", "must be a map", 5),
    ("volumes:\n- {target: /x}", "volumes.0.source", "is required for a bind mount", 6),
    ("volumes:\n- source: /x\n  type: bind", "volumes.0.target", "is required", 6),
    ("volumes:\n- source: ./x\n  target: /y", "volumes.0.source", "no absolute path", 6),
    ("volumes:\n- source: /x\n  target: y", "volumes.0.target", "no absolute path", 7),
    ("volumes: [{source: /x, target: /}]", "volumes.0.target", "root", 5),
    ("volumes: [{type: tmpfs, source: /x, target: /y}]", "volumes.0.source", "no source", 5),
    ("volumes: [{type: volume, source: /x, target: /y}]", "volumes.0.source", "no name of a volume", 5),
    ("volumes: [{type: nfs, source: /x, target: /y}]", "volumes.0.type", "must be one of `bind`", 5),
    ("volumes: [{source: /x, target: /y}, {source: /z, target: /y/}]", "volumes.1", "mounted twice", 5),
    ("volumes: [{source: /x, target: /y, read_only: true}]", "volumes.0.read_only", "no known key", 5),
    ("ports: [0]", "ports.0", "no port", 5),
    ("ports: [65536]", "ports.0", "no port", 5),
    ("ports: ['a:80']", "ports.0", "no port", 5),
    ("ports: ['localhost:80:80']", "ports.0", "no IP address", 5),
    ("ports: ['::1:80:80']", "ports.0", "no port", 5),
    ("ports: [80/icmp]", "ports.0", "no protocol", 5),
    ("ports: ['80-82:90-91']", "ports.0", "not of the same length", 5),
    ("ports: ['90-80']", "ports.0", "no port", 5),
    ("ports:\n- 80:80\n- 81:80", "ports.1", "container port 80/tcp", 7),
    ("ports:\n- 80:80\n- 80:81", "ports.1", "host port :80/tcp", 7),
    ("ports: [8000-8010, 8005]", "ports.1", "container port 8005/tcp", 5),
    ("networkname: host", "networkname", "no address of its own", 5),
    ("networkname: none", "networkname", "no address of its own", 5),
    ("networkname: container:x", "networkname", "no address of its own", 5),
    ("reservememory: 0", "reservememory", "must be at least 1", 5),
    ("reservememory: -5", "reservememory", "must be at least 1", 5),
    ("reservememory: 300\nlimitmemory: 200", "limitmemory", "under the reservation of 300", 6),
    ("cpushares: 0", "cpushares", "must be at least 1", 5),
    ("mininstances: -1", "mininstances", "must be at least 0", 5),
    ("maxinstances: -1", "maxinstances", "must be at least 1", 5),
    ("maxinstances: 2\nmininstances: 3", "mininstances", "over maxinstances, 2", 6),
    ("maxconcurrency: -1", "maxconcurrency", "must be at least 1", 5),
    ("scaleupconcurrencypct: 1.5", "scaleupconcurrencypct", "must be at most 1", 5),
    ("scaleupconcurrencypct: -0.5", "scaleupconcurrencypct", "must be over 0", 5),
    ("scaleupconcurrencypct: .nan", "scaleupconcurrencypct", "must be a finite number", 5),
    ("scaleupconcurrencypct: .inf", "scaleupconcurrencypct", "must be", 5),
    ("scaleupconcurrencypct: '0.5'", "scaleupconcurrencypct", "must be a number, not text", 5),
    ("scaleupconcurrencypct: 0.2", "scaleupconcurrencypct", "must be over scaledownconcurrencypct, 0.25", 5),
    ("scaledownconcurrencypct: 0.8", "scaledownconcurrencypct", "must be over", 5),
    ("scaledownconcurrencypct: 0.5\nscaleupconcurrencypct: 0.5", "scaleupconcurrencypct", "must be over", 6),
    ("maxdurationseconds: -1", "maxdurationseconds", "must be at least 1", 5),
    ("idletimeoutseconds: -1", "idletimeoutseconds", "must be at least 1", 5),
    ("maxqueue: 0", "maxqueue", "must be at least 1", 5),
    ("firstbyteseconds: 0", "firstbyteseconds", "must be at least 1", 5),
    ("idlebytesseconds: 0", "idlebytesseconds", "must be at least 1", 5),
    ("stopgraceseconds: -1", "stopgraceseconds", "must be at least 0", 5),
    ("httphealthcheckpath: health", "httphealthcheckpath", "does not begin with `/`", 5),
    ("httphealthcheckpath: ''", "httphealthcheckpath", "does not begin with `/`", 5),
    ('httphealthcheckpath: "/a\\r\\nb"', "httphealthcheckpath", "characters that cannot stand", 5),
    ("httphealthcheckpath: /é", "httphealthcheckpath", "characters that cannot stand", 5),
    ("httphealthcheckseconds: -1", "httphealthcheckseconds", "must be at least 1", 5),
    ("httphealthcheckmaxfailures: -1", "httphealthcheckmaxfailures", "must be at least 1", 5),
    ("restartorder: stop", "restartorder", "must be one of `startstop` or `stopstart`", 5),
    ("startparallelism: 2", "startparallelism", "must be text, not a number", 5),
    ("logdriveroptions: {max-file: 3}", "logdriveroptions.max-file", "must be text, not a number", 5),
    ("logdriveroptions: [a]", "logdriveroptions", "must be a map, not a list", 5),
    ("httpversion: '2'", "httpversion", "must be a number", 5),
    ("idlebehavior: freeze", "idlebehavior", "must be one of `stop` or `pause`", 5),
    ("stopafterseconds: -1", "stopafterseconds", "must be at least 1", 5),
    ("allow: bank", "allow", "must be a list", 5),
    ("allow: [bank, 'a b']", "allow.1", "characters that a name cannot have", 5),
    ("allow: [bank/]", "allow.0", "has nothing after", 5),
    ("allow: [bank/desk/left]", "allow.0", "characters that a name cannot have", 5),
    ("eventsources: [a]", "eventsources", "must be a map, not a list", 5),
    ("crontab: [a]", "crontab", "must be text, not a list", 5),
    ("user: !secret x", "user", "the tag `!secret` is not known", 5),
    ("user: !!binary eA==", "user", "the tag", 5),
    ("user: a\nuser: b", "user", "given twice; first in line 5", 6),
    ("<<: 5", "<<", "merges what is no map", 5),
]

# One event source `src`: its kinds → path below the source, words of the message. Each stands in line 6.
SOURCE_RULES = [
    ("{}", "", "has no kind; exactly one of http, cron, sqs, awsstepfunc is required"),
    ("~", "", "has no kind"),
    ("5", "", "must be a map"),
    ("{http: {pathprefix: /}, sqs: {queuename: q, path: /}}", "", "has http and sqs; exactly one of"),
    ("{htp: {}, http: {pathprefix: /}}", "htp", "no known key"),
    ("{version: 3, http: {pathprefix: /}}", "version", "no known key"),
    ("{http: {}}", "http", "needs a hostname or a pathprefix"),
    ("{http: }", "http", "needs a hostname or a pathprefix"),
    ("{http: {stripprefix: true}}", "http", "needs a hostname or a pathprefix"),
    ("{http: {pathprefix: foo}}", "http.pathprefix", "does not begin with `/`"),
    ("{http: {pathprefix: '/a b'}}", "http.pathprefix", "characters that cannot stand"),
    ("{http: {pathprefix: '/a?b'}}", "http.pathprefix", "has a `?`"),
    ("{http: {hostname: 'a.example:80'}}", "http.hostname", "no host name"),
    ("{http: {hostname: '*.example'}}", "http.hostname", "no host name"),
    ("{http: {hostname: 'http://a'}}", "http.hostname", "no host name"),
    ("{http: {hostname: bücher.example}}", "http.hostname", "no host name"),
    ("{cron: {http: {method: GET, path: /}}}", "cron.schedule", "is required"),
    ("{cron: {schedule: '@daily'}}", "cron.http", "is required"),
    ("{cron: {schedule: '@daily', http: {path: /}}}", "cron.http.method", "is required"),
    ("{cron: {schedule: '@daily', http: {method: GET}}}", "cron.http.path", "is required"),
    ("{cron: {schedule: '@daily', http: {method: G T, path: /}}}", "cron.http.method", "no name that HTTP allows"),
    ("{cron: {schedule: '* * * * * *', http: {method: GET, path: /}}}", "cron.schedule", "has 6 fields, not five"),
    ("{cron: {schedule: TZ=Moon/Sea @daily, http: {method: GET, path: /}}}", "cron.schedule", "no time zone"),
    (
        "{cron: {schedule: '@daily', http: {method: GET, path: /, headers: [{name: 'a b', value: c}]}}}",
        "cron.http.headers.0.name",
        "no name that HTTP allows",
    ),
    (
        "{cron: {schedule: '@daily', http: {method: GET, path: /, headers: [{name: a, value: \"b\\nc\"}]}}}",
        "cron.http.headers.0.value",
        "one line without control characters",
    ),
    (
        "{cron: {schedule: '@daily', http: {method: GET, path: /, headers: [{name: Content-Length, value: '5'}]}}}",
        "cron.http.headers.0.name",
        "set by what sends the request",
    ),
    ("{sqs: {path: /}}", "sqs.queuename", "is required"),
    ("{sqs: {queuename: '', path: /}}", "sqs.queuename", "is empty"),
    ("{sqs: {queuename: 'https://sqs/q', path: /}}", "sqs.queuename", "no name of a queue"),
    ("{sqs: {queuename: q}}", "sqs.path", "is required"),
    ("{sqs: {queuename: q, path: x}}", "sqs.path", "does not begin with `/`"),
    ("{sqs: {queuename: q, path: /, maxconcurrency: -1}}", "sqs.maxconcurrency", "must be at least 1"),
    ("{sqs: {queuename: q, path: /, messagesperpoll: 11}}", "sqs.messagesperpoll", "must be at most 10"),
    ("{sqs: {queuename: q, path: /, messagesperpoll: -1}}", "sqs.messagesperpoll", "must be at least 1"),
    ("{sqs: {queuename: q, path: /, concurrencyperpoller: -1}}", "sqs.concurrencyperpoller", "must be at least 1"),
    ("{sqs: {queuename: q, path: /, visibilitytimeout: 43201}}", "sqs.visibilitytimeout", "must be at most 43200"),
    ("{sqs: {queuename: q, path: /, region: x}}", "sqs.region", "no AWS region"),
    ("{sqs: {queuename: q, path: /, endpoint: 'sqs:80'}}", "sqs.endpoint", "no address of a service"),
    ("{sqs: {queuename: q, path: /, rolearn: me}}", "sqs.rolearn", "no ARN of a role"),
    ("{sqs: {queuename: q, path: /, tasktoken: TaskToken}}", "sqs.tasktoken", "no JSON pointer"),
    ("{sqs: {queuename: q, path: /, fifo: true}}", "sqs.fifo", "no known key"),
    ("{cron: {schedule: '@daily', http: {method: GET, path: /}, timezone: Mars}}", "cron.timezone", "no time zone"),
    (
        "{cron: {schedule: TZ=UTC @daily, http: {method: GET, path: /}, timezone: UTC}}",
        "cron",
        "has a zone here and in the schedule",
    ),
    ("{cron: {schedule: '@daily', http: {method: GET, path: /}, overlap: no}}", "cron.overlap", "must be"),
    ("{cron: {schedule: '@daily', http: {method: GET, path: /}, retries: -1}}", "cron.retries", "at least 0"),
    ("{awsstepfunc: {path: /}}", "awsstepfunc.activityname", "is required"),
    ("{awsstepfunc: {activityname: '', path: /}}", "awsstepfunc.activityname", "is empty"),
    ("{awsstepfunc: {activityname: 'arn:aws:x', path: /}}", "awsstepfunc.activityname", "no name of an activity"),
    ("{awsstepfunc: {activityname: a}}", "awsstepfunc.path", "is required"),
    ("{awsstepfunc: {activityname: a, path: /, heartbeatseconds: 0}}", "awsstepfunc.heartbeatseconds", "at least 1"),
    ("{awsstepfunc: {activityname: a, path: /, maxconcurrency: -1}}", "awsstepfunc.maxconcurrency", "at least 1"),
    ("{awsstepfunc: {activityname: a, path: /, async: 2}}", "awsstepfunc.async", "must be"),
    ("{awsstepfunc: {activityname: a, path: /, answers_later: true}}", "awsstepfunc.answers_later", "no known key"),
]

# Whole files → path, words of the message, line.
FILE_RULES = [
    ("", "name", "is required", 1),
    ("# nothing\n", "name", "is required", 1),
    ("[]", "", "must be a map, not a list", 1),
    ("name: a\n---\nname: b\n", "", "a second document", 2),
    ("name: [\n\n", "", "the YAML is not valid", 1),
    ("name: a\ncomponents:\n  web\n    image: x\n", "", "the YAML is not valid", 4),
    ("name: a\n\tcomponents: b\n", "", "the YAML is not valid", 2),
    ("name: 'a\nb: c\n", "", "the YAML is not valid", 1),
    ("name: a\nx: *y\n", "", "the alias `*y` has no anchor", 2),
    ("name: a\nx: &y [*y]\n", "", "inside the value that it refers to", 2),
    ("name: a\n[a]: b\n", "", "a key must be text", 2),
    ("name: a\n{a: b}: c\n", "", "a key must be text", 2),
]


@pytest.mark.parametrize(("lines", "path", "words", "line"), COMPONENT_RULES)
def test_rules_of_components(lines: str, path: str, words: str, line: int) -> None:
    problem = one(web(lines))

    assert problem.path == f"components.web.{path}"
    assert words in problem.message
    assert (problem.file, problem.line) == (FILE, line)


@pytest.mark.parametrize(("kinds", "path", "words"), SOURCE_RULES)
def test_rules_of_event_sources(kinds: str, path: str, words: str) -> None:
    problem = one(web(f"eventsources:\n  src: {kinds}"))

    assert problem.path == f"components.web.eventsources.src.{path}".rstrip(".")
    assert words in problem.message
    assert problem.line == 6


@pytest.mark.parametrize(("text", "path", "words", "line"), FILE_RULES)
def test_rules_of_the_file(text: str, path: str, words: str, line: int) -> None:
    first = problems(text)[0]
    found = next((each for each in problems(text) if each.path == path), first)

    assert words in found.message
    assert (found.path, found.line) == (path, line)


@pytest.mark.parametrize(
    "image",
    ["''", "UPPER", "a b", "a:b:c", "a@sha256:12", "/a", "a/", "http://a/b", "a:", "-a", "reg.example:x/a", LONG],
)
def test_an_image_must_be_a_reference(image: str) -> None:
    problem = one(web("", image=f"image: {image}" if image != "a:" else "image: 'a:'"))

    assert problem.path == "components.web.image"
    assert "no image reference" in problem.message
    assert problem.line == 4


@pytest.mark.parametrize(
    "image",
    ["a", "a/b", "reg.example/a", "reg.example:5000/a/b:1.2-x_y", "localhost/a", "a:latest", "[::1]:5000/a"]
    + [f"{name}@sha256:{'0f' * 32}" for name in ("a", "a:1", "reg:5000/a/b:1")],
)
def test_image_references_of_all_forms_are_accepted(image: str) -> None:
    assert problems(web("", image=f'image: "{image}"')) == []


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("imagee", "did you mean `image`?"),
        ("maxconcurency", "did you mean `maxconcurrency`?"),
        ("max_concurrency", "did you mean `maxconcurrency`?"),
        ("HttpPort", "did you mean `httpport`?"),
        ("enviroment", "did you mean `environment`?"),
        ("pathprefix", "`pathprefix` belongs below `components.<name>.eventsources.<name>.http`"),
        ("components", "`components` belongs at the top of the file"),
    ],
)
def test_an_unknown_key_is_told_what_it_may_have_meant(key: str, hint: str) -> None:
    assert one(web(f"{key}: ~")).hint == hint


def test_an_unknown_key_at_the_top_and_in_a_source_is_told_too() -> None:
    found = problems("""
        name: shop
        component: {}
        components:
          web: {image: a, eventsources: {s: {stepfunc: {}, http: {pathprefx: /}}}}
    """)
    hints = {problem.path: problem.hint for problem in found}
    assert hints["component"] == "did you mean `components`?"
    assert hints["components.web.eventsources.s.stepfunc"] == "did you mean `awsstepfunc`?"
    assert hints["components.web.eventsources.s.http.pathprefx"] == "did you mean `pathprefix`?"


def test_a_number_where_text_is_wanted_comes_with_the_hint_to_quote_it() -> None:
    assert one(web("user: 1000")).hint == "put it in quotes"
    assert one(web("httpport: '80'")).hint == "without quotes"


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    found = problems("""\
        name: Shop!
        envfile: missing.env
        environment: [X]
        componnents: {}
        components:
          web:
            httpport: "8080"
            user: 1000
            ports: [99999]
            eventsources:
              a: {http: {}}
              b: {cron: {schedule: x, http: {method: GET}}}
            crontab: |
              # comment

              bad line
              * * * * * *  /x
          WEB:
            image: app
            eventsources:
              b: {http: {pathprefix: /}}
              c: {http: {pathprefix: x}, sqs: {queuename: q, path: /}}
    """)
    assert [(problem.line, problem.path) for problem in found] == [
        (1, "name"),
        (2, "envfile"),
        (3, "environment.0"),
        (4, "componnents"),
        (6, "components.web.image"),
        (7, "components.web.httpport"),
        (8, "components.web.user"),
        (9, "components.web.ports.0"),
        (11, "components.web.eventsources.a.http"),
        (12, "components.web.eventsources.b.cron.schedule"),
        (12, "components.web.eventsources.b.cron.http.path"),
        (16, "components.web.crontab"),
        (17, "components.web.crontab"),
        (18, "components.WEB"),
        (21, "components.WEB.eventsources.b"),
        (22, "components.WEB.eventsources.c.http.pathprefix"),
        (22, "components.WEB.eventsources.c"),
    ]
    assert all(problem.file == FILE for problem in found)


def test_what_is_missing_is_told_at_the_key_whose_map_lacks_it() -> None:
    found = problems("""\
        # a comment

        environment: []
        components:
          web:
            command: [a]
            volumes:
              -
                readonly: true
            eventsources:
              src:
                sqs:

                  queuename: q
    """)
    assert {problem.path: problem.line for problem in found} == {
        "name": 1,
        "components.web.image": 5,
        "components.web.volumes.0.source": 9,
        "components.web.volumes.0.target": 9,
        "components.web.eventsources.src.sqs.path": 12,
    }


def test_a_project_without_components_is_refused_at_the_key() -> None:
    assert (one("name: a").path, one("name: a").line) == ("components", 1)
    assert one("name: a\ncomponents: {}").line == 2
    assert one("name: a\ncomponents:").message == "needs at least one entry"
    assert one("name: a\ncomponents: [web]").message == "must be a map, not a list"


def test_at_most_a_hundred_problems_are_told_and_the_number_of_all() -> None:
    text = "name: a\ncomponents:\n" + "".join(f"  c{number}: {{image: a, user: 1}}\n" for number in range(300))
    with pytest.raises(InvalidInput, match="300 problems") as caught:
        read(text)
    assert len(caught.value.problems) == 100
    assert [problem.line for problem in caught.value.problems] == list(range(3, 103))


def test_long_values_are_cut() -> None:
    for text in (
        web("", image=f"image: {LONG}"),
        web(f"? {LONG}\n: 5"),
        web(f"eventsources: {{? {LONG} : {{http: {{pathprefix: /}}}}}}"),
        web(f"ulimits: [nofile={LONG}]"),
        f"name: {LONG}\ncomponents: {{web: {{image: a}}}}",
    ):
        for problem in problems(text):
            assert len(problem.path) < 250
            assert len(problem.message) <= 300
            assert "\n" not in problem.message


def test_no_message_shows_a_variable_or_a_password() -> None:
    secret = "s3cr3t-v4lu3"
    found = problems(
        f"""\
        name: a
        environment: [{secret}, "1A={secret}", 5]
        envfile: some.env
        components:
          web:
            image: app
            pullpassword: [{secret}]
            environment: ["{secret}", "A-B={secret}"]
          two:
            image: app
            pullpassword: "{secret}\\0"
        """,
        files={"some.env": f"{secret}\n2={secret}\n".encode()},
    )
    assert len(found) >= 8
    assert secret not in str(found)


@pytest.mark.parametrize(
    ("raw", "words", "line"),
    [
        (b"name: a\n\xff\xfe", "the byte 0xFF is not UTF-8", 2),
        (b"name: a\r\nb: \xc3(\r\n", "is not UTF-8", 2),
        (b"\xff\xfen\x00a\x00", "is not UTF-8", 1),
        (b"name: a\nb: \x00\n", "has the character U+0000", 2),
        (b"name: a\n\nb: \x1b\n", "has the character U+001B", 3),
        ("name: a\nb: \ufeffc\n".encode(), "has the character U+FEFF", 2),
        (b"#" * ((1 << 20) + 1), "over 1048576 bytes", 1),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(raw: bytes, words: str, line: int) -> None:
    (problem,) = problems(raw)
    assert words in problem.message
    assert problem.line == line


def test_an_unset_variable_that_leaves_a_colon_at_the_end_is_explained() -> None:
    (problem,) = problems(web("", image="image: registry.example/web:${TAG}"))
    assert problem.line == 4
    assert "variable is unset" in problem.hint


def test_several_files_make_their_own_problems() -> None:
    found = problems(dedent("name: a\nenvfile: x.env\n"), files={"x.env": b"A=1\n\n# c\nBAD\n1=2\n"})
    assert [(problem.file, problem.line) for problem in found] == [(FILE, 1), ("x.env", 4), ("x.env", 5)]


@pytest.mark.parametrize("text", ["name: a\n\tcomponents: b\n", "name: a\ncomponents:\n\tweb: {image: b}\n"])
def test_tabs_are_told_by_their_name(text: str) -> None:
    (problem,) = problems(text)
    assert problem.hint == "indent with spaces, not tabs"
