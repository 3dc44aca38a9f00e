"""Every command against a real server: its JSON by the interface, its words for people."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import maelstrom
from maelstrom.api.ports import LeaseStatus, NodeStatus, SourceAudit, SourceStatus
from maelstrom.model.certificate import CertificateStatus
from maelstrom.model.component import ComponentKey
from maelstrom.model.instance import BlackBox, InstanceStatus
from maelstrom.model.source import SourceKey
from tests.fakes.api import line
from tests.integration.cli.conftest import Ctl, Done
from tests.support.admin import AdminThread

DOCS = Path(maelstrom.__file__).parents[1] / "docs"
PROJECT = """
name: shop
components:
  web:
    image: ${IMAGE:-app:1}
    pullpassword: hunter2
    environment: ["MODE=${MODE:-plain}"]
    eventsources:
      site: {http: {hostname: shop.example}}
      split: {awsstepfunc: {activityname: split, path: /split, maxconcurrency: 3}}
  jobs:
    image: jobs:1
"""


@pytest.fixture
def shop(ctl: Ctl) -> Ctl:
    Path("project.yml").write_text(PROJECT)
    assert ctl("put").code == 0
    return ctl


def blog(ctl: Ctl) -> None:
    text = "name: blog\ncomponents: {web: {image: b:1, eventsources: {site: {http: {hostname: b.example}}}}}\n"
    assert ctl("put", "-", input=text).code == 0


def instance(state: str, version: int = 1, box: BlackBox | None = None) -> InstanceStatus:
    key = ComponentKey("shop", "web")
    return InstanceStatus(key, version, state, "n1", "c" * 64, 1, 1.0, None, {}, box)  # type: ignore[arg-type]


# put


def test_put_prints_what_changed(ctl: Ctl) -> None:
    Path("project.yml").write_text(PROJECT)
    assert ctl("put", "--json").json() == {
        "project": "shop",
        "revision": 1,
        "components": {"added": ["jobs", "web"], "updated": [], "removed": []},
        "eventsources": {"added": ["site", "split"], "updated": [], "removed": []},
    }
    text = ctl("put", "project.yml").out
    assert "nothing changes, it stays at revision 1" in text
    Path("project.yml").write_text(PROJECT.replace("jobs", "work"))
    lines = ctl("put").out.splitlines()
    assert lines[0] == "shop: stored as revision 2"
    assert [part.split() for part in lines[2:]] == [["Component", "work", "Added"], ["Component", "jobs", "Removed"]]


def test_pages_are_read_here_and_what_is_shown_can_be_put_again(ctl: Ctl) -> None:
    Path("busy.html").write_text("<h1>Später ${NOT_READ}</h1>")
    Path("project.yml").write_text(PROJECT + "errorpages: {503: {file: busy.html}}\n")
    assert [line.split() for line in ctl("put").out.splitlines()[-1:]] == [["Project", "errorpages", "Added"]]
    Path("busy.html").write_text("<h1>Jetzt</h1>")
    assert ctl("put", "--json").json()["projectfields"] == {"added": [], "updated": ["errorpages"], "removed": []}
    shown = ctl("project", "get", "shop").out
    assert "<h1>Jetzt</h1>" in shown
    assert "nothing changes" in ctl("put", "-", input=shown).out


def test_put_warns_of_what_gets_nothing(shop: Ctl) -> None:
    text = "name: blog\ncomponents: {web: {image: b:1, eventsources: {own: {http: {hostname: shop.example}}}}}\n"
    warning = "http source blog_own gets no requests: shop_site has the same host and path"
    done = shop("put", "-", input=text)
    assert done.code == 0
    assert done.err == f"maelctl: warning: {warning}\n"
    assert shop("put", "-", "--json", input=text).json()["warnings"] == [warning]
    assert shop("project", "rollback", "shop", "1", "--json", "--diff-only").json()["warnings"] == [warning]
    shop("es", "disable", "own")
    assert warning in shop("es", "enable", "own").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("put", "f.yml"),
        ("put", "--file", "f.yml"),
        ("put", "--file=f.yml"),
        ("project", "put", "--file", "f.yml"),
        ("project", "put", "f.yml"),
    ],
)
def test_put_is_found_under_all_its_names(ctl: Ctl, arguments: tuple[str, ...]) -> None:
    Path("f.yml").write_text(PROJECT)
    assert ctl(*arguments, "-o", "json").json()["revision"] == 1


def test_put_takes_project_yml_before_maelstrom_yml_and_nothing_else(ctl: Ctl) -> None:
    done = ctl("put")
    assert (done.code, done.out) == (3, "")
    assert "no project.yml or maelstrom.yml here" in done.err
    Path("maelstrom.yml").write_text(PROJECT.replace("shop", "second"))
    assert ctl("put", "--diff-only", "--json").json()["project"] == "second"
    Path("project.yml").write_text(PROJECT)
    assert ctl("put", "--diff-only", "--json").json()["project"] == "shop"
    assert ctl("put", "--file", "project.yml", "maelstrom.yml").code == 2


@pytest.mark.parametrize("flag", ["--diff-only", "--diffonly"])
def test_diff_only_says_what_would_be_and_stores_nothing(ctl: Ctl, flag: str) -> None:
    Path("project.yml").write_text(PROJECT)
    done = ctl("put", flag)
    assert (done.code, done.out.splitlines()[0]) == (0, "shop: would change so")
    assert ctl("project", "ls", "--json").json() == []


def test_variables_come_from_the_environment_and_from_env_files(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("project.yml").write_text(PROJECT)
    Path("one.env").write_text("# comment\nIMAGE = file:1\nMODE=one\n")
    Path("two.env").write_text("MODE=two\n")
    monkeypatch.setenv("IMAGE", "shell:1")
    assert ctl("put").code == 0
    assert ctl("project", "get", "shop", "--json").json()["components"]["web"]["image"] == "shell:1"
    assert ctl("put", "--env", "one.env", "--env", "two.env").code == 0
    web = ctl("project", "get", "shop", "--json").json()["components"]["web"]
    assert (web["image"], web["environment"]) == ("file:1", ["MODE=two"])


def test_put_of_a_wrong_file_says_everything_and_sends_nothing(ctl: Ctl, threaded: AdminThread) -> None:
    Path("project.yml").write_text("name: shop\ncomponents:\n  web:\n    imag: app\n    httpport: 0x\n")
    done = ctl("put", "--json")
    assert (done.code, done.out) == (3, "")
    assert "project.yml:4: components.web.imag" in done.err
    assert threaded.node.refreshed == 0


# put --wait


def test_wait_ends_when_what_must_run_does(ctl: Ctl, threaded: AdminThread) -> None:
    Path("project.yml").write_text("name: shop\ncomponents: {web: {image: a:1, mininstances: 1}, lazy: {image: a:1}}\n")
    threading.Timer(0.3, lambda: threaded.node.instance_rows.append(instance("ready"))).start()
    done = ctl("put", "--wait", "--timeout", "20", "--json")
    assert (done.json()["revision"], done.err.splitlines()) == (
        1,
        ["shop: web 0 of 1 ready", "shop: web 1 of 1 ready"],
    )


def test_wait_has_nothing_to_wait_for_where_nothing_must_run(ctl: Ctl) -> None:
    Path("project.yml").write_text(PROJECT)
    done = ctl("put", "--wait")
    assert (done.code, done.err) == (0, "")


def test_wait_prints_the_black_box_of_a_start_that_failed(ctl: Ctl, threaded: AdminThread) -> None:
    Path("project.yml").write_text("name: shop\ncomponents: {web: {image: a:1, mininstances: 1}}\n")
    box = BlackBox("it exited", exit_code=3, log_tail=("boom: no such table",), last_probe="connection refused")
    threaded.node.instance_rows = [instance("failed", 1, box)]
    done = ctl("put", "--wait", "--json")
    assert (done.code, json.loads(done.out)["revision"]) == (1, 1)
    for part in ("it exited", "exit code 3", "boom: no such table", "connection refused"):
        assert part in done.err


def test_wait_does_not_mind_what_failed_before_the_put(ctl: Ctl, threaded: AdminThread) -> None:
    Path("project.yml").write_text("name: shop\ncomponents: {web: {image: a:1, mininstances: 1}}\n")
    ctl("put")
    threaded.node.instance_rows = [instance("failed", 1, BlackBox("old")), instance("ready", 2)]
    Path("project.yml").write_text("name: shop\ncomponents: {web: {image: a:2, mininstances: 1}}\n")
    assert ctl("put", "--wait").code == 0


def test_wait_ends_with_a_conflict_when_it_was_put_again(ctl: Ctl, threaded: AdminThread) -> None:
    Path("project.yml").write_text("name: shop\ncomponents: {web: {image: a:1, mininstances: 1}}\n")
    entry = {"component": {"image": "other:1", "mininstances": 1}}

    def again() -> None:
        threaded.client().put_project({"name": "shop", "components": {"web": entry}})

    threading.Timer(0.3, again).start()
    assert ctl("put", "--wait", "--timeout", "20").code == 5


# validate


def test_validate_needs_no_server(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAELSTROM_URL", "http://127.0.0.1:1")
    Path("project.yml").write_text(PROJECT)
    assert ctl("validate", "-o", "json").json() == {"ok": True}
    assert ctl("validate", "project.yml").out == "shop: ok, 2 component(s)\n"


def test_validate_lists_every_error_with_its_place(ctl: Ctl) -> None:
    Path("p.yml").write_text(
        "name: shop\ncomponents:\n  web:\n    image: a:1\n    maxconcurency: 3\n    httpport: 99999\n"
    )
    done = ctl("validate", "p.yml", "--json")
    assert (done.code, done.err) == (3, "")
    answer = json.loads(done.out)
    assert answer["ok"] is False
    assert [set(error) for error in answer["errors"]] == [{"file", "line", "path", "message", "hint"}] * 2
    assert [(error["file"], error["line"], error["path"]) for error in answer["errors"]] == [
        ("p.yml", 5, "components.web.maxconcurency"),
        ("p.yml", 6, "components.web.httpport"),
    ]
    assert "maxconcurrency" in answer["errors"][0]["hint"]
    assert ctl("validate", "p.yml").out == ""


def test_validate_of_a_file_that_cannot_be_read_is_an_error_of_it(ctl: Ctl) -> None:
    for arguments in (("missing.yml",), (), ("--env", "missing.env", "-")):
        done = ctl("validate", *arguments, "--json")
        assert (done.code, json.loads(done.out)["errors"][0]["line"]) == (3, 0)


# projects, components


def test_project_commands(shop: Ctl) -> None:
    rows = shop("project", "ls", "--json").json()
    assert [(row["project"], row["revision"], row["components"], row["eventsources"]) for row in rows] == [
        ("shop", 1, 2, 2)
    ]
    assert "shop" in shop("project", "ls").out
    definition = shop("project", "get", "shop", "--json").json()
    assert (definition["name"], sorted(definition["components"])) == ("shop", ["jobs", "web"])
    assert definition["components"]["web"]["pullpassword"] == "********"
    assert definition["components"]["web"]["eventsources"]["split"]["awsstepfunc"]["maxconcurrency"] == 3
    assert shop("put", "-", "--json", input=shop("project", "get", "shop").out).json()["revision"] == 1
    assert shop("put", "-", "--json", input=shop("project", "get", "shop", "--json").out).json()["revision"] == 1
    assert shop("project", "rm", "shop", "--json").json()["project"] == "shop"
    assert shop("project", "rm", "shop", "--json").code == 4
    assert shop("project", "get", "shop", "--json").code == 4
    assert shop("project", "ls", "--json").json() == []


def test_history_and_rollback(shop: Ctl) -> None:
    shop("put", "-", input=PROJECT.replace("jobs:1", "jobs:2"))
    rows = shop("project", "history", "shop", "--json").json()
    assert [row["revision"] for row in rows] == [2, 1]
    assert "@" in rows[0]["author"]
    old = shop("project", "get", "shop", "--revision", "1", "--json").json()
    assert old["components"]["jobs"]["image"] == "jobs:1"
    assert shop("project", "rollback", "shop", "1", "--diff-only", "--json").json()["components"]["updated"] == ["jobs"]
    assert shop("project", "rollback", "shop", "1", "--json").json()["revision"] == 3
    assert shop("project", "rollback", "shop", "99").code == 4


def test_component_commands(shop: Ctl) -> None:
    rows = shop("comp", "ls", "--json").json()
    assert [(row["project"], row["component"], row["version"], row["image"]) for row in rows] == [
        ("shop", "jobs", 1, "jobs:1"),
        ("shop", "web", 1, "app:1"),
    ]
    assert shop("comp", "restart", "shop_web", "--json").json()["generation"] == 1
    assert shop("comp", "restart", "web").out == "shop: web restarts\n"
    blog(shop)
    assert shop("comp", "restart", "web").code == 2
    assert shop("comp", "restart", "web", "--project", "blog").code == 0


def container(id: str, state: str, box: BlackBox | None = None) -> InstanceStatus:
    return replace(instance(state, 1, box), container=id)


def test_restart_waits_until_everything_is_replaced(shop: Ctl, threaded: AdminThread) -> None:
    old, new = container("old", "ready"), container("new", "starting")
    gone = container("gone", "failed", BlackBox("of another day"))
    steps = [[old, new, gone], [replace(old, state="draining"), replace(new, state="ready")]]
    steps.append([replace(new, state="ready"), gone])

    def on() -> None:
        threaded.node.instance_rows = steps.pop(0)
        if steps:
            threading.Timer(0.6, on).start()

    threaded.node.instance_rows = [old, gone]
    threading.Timer(0.3, on).start()
    done = shop("comp", "restart", "web", "--wait", "--timeout", "20")
    assert (done.code, steps) == (0, [])
    assert done.err.splitlines()[-1] == "shop: web: 1 of 1 to be replaced, 0 starting"


def test_restart_that_fails_shows_the_black_box_and_one_that_lasts_ends_with_7(
    shop: Ctl, threaded: AdminThread
) -> None:
    threaded.node.instance_rows = [container("old", "ready")]
    assert shop("comp", "restart", "web", "--wait", "--timeout", "0.2").code == 7
    failed = container("new", "failed", BlackBox("it exited", exit_code=3))
    threading.Timer(0.3, lambda: threaded.node.instance_rows.append(failed)).start()
    done = shop("comp", "restart", "web", "--wait", "--timeout", "20")
    assert done.code == 1
    assert "exit code 3" in done.err


def test_restart_of_what_does_not_run_has_nothing_to_wait_for(shop: Ctl) -> None:
    assert shop("comp", "restart", "web", "--wait").code == 0


# event sources


def test_source_list_and_filters(shop: Ctl) -> None:
    rows = shop("es", "ls", "--json").json()
    assert [(row["name"], row["type"], row["maxconcurrency"], row["state"], row["inflight"]) for row in rows] == [
        ("site", "http", None, "ok", 0),
        ("split", "awsstepfunc", 3, "ok", 0),
    ]
    assert [row["name"] for row in shop("es", "ls", "--type", "http", "--json").json()] == ["site"]
    assert shop("es", "ls", "--component", "jobs", "--json").json() == []


def test_toggles_print_the_names_that_changed(shop: Ctl) -> None:
    assert shop("es", "disable", "--project", "shop", "--type", "http", "--json").json() == ["site"]
    assert shop("es", "disable", "--prefix", "s", "--json").json() == ["split"]
    assert shop("es", "disable", "--yes", "--json").json() == []
    assert shop("es", "enable", "--component", "web", "--json").json() == ["site", "split"]
    assert shop("es", "disable", "split", "--json").json() == ["split"]
    assert "Enabled" in shop("es", "enable", "-y").out
    assert shop("es", "disable", "nothing").code == 4


def test_toggle_of_everything_without_a_terminal_needs_yes(shop: Ctl) -> None:
    for verb in ("enable", "disable"):
        done = shop("es", verb, "--json")
        assert (done.code, done.out) == (2, "")
        assert shop("es", verb, "--project", "", "--json").code == 2
        assert shop("es", verb, "--yes", "--json").code == 0


def test_disable_waits_until_everything_is_at_rest(shop: Ctl, threaded: AdminThread) -> None:
    key = SourceKey("shop", "split")
    threaded.node.sources[key] = SourceStatus("disabled", "", 1, 1)
    threading.Timer(0.3, lambda: threaded.node.sources.pop(key)).start()
    done = shop("es", "disable", "--type", "awsstepfunc", "--wait", "--json")
    assert (done.json(), done.err) == (["split"], "waiting for split (1 in flight, 1 polls)\n")
    threaded.node.sources[key] = SourceStatus("disabled", "", 0, 1)
    done = shop("es", "disable", "split", "--wait", "--timeout", "0.1", "--json")
    assert (done.code, json.loads(done.out)) == (7, [])


def test_audit(shop: Ctl, threaded: AdminThread) -> None:
    leases = (LeaseStatus("n1", 2, 1, 5, 7.5),)
    threaded.node.audits[SourceKey("shop", "split")] = SourceAudit(3, 1, 3, leases)
    answer = shop("es", "audit", "split", "--json").json()
    assert (answer["limit"], answer["max_inflight"], answer["leases"][0]["epoch"]) == (3, 3, 5)
    text = shop("es", "audit", "shop_split").out
    assert "3 at most ever" in text
    assert text.splitlines()[-1].split() == ["n1", "2", "1", "5", "7s"]
    blog(shop)
    assert shop("es", "audit", "site").code == 2
    assert shop("es", "audit", "site", "--project", "blog", "--json").json()["leases"] == []


# what runs


def test_ps_and_nodes(shop: Ctl, threaded: AdminThread) -> None:
    assert shop("ps", "--json").json() == []
    assert shop("ps") == Done(0, "", "No containers.\n")
    threaded.node.instance_rows = [instance("ready"), instance("failed", 2, BlackBox("it\nexited"))]
    row = shop("ps", "--json").json()[0]
    assert {
        "project",
        "component",
        "version",
        "state",
        "node",
        "container",
        "inflight",
        "started_at",
        "last_request_at",
    } <= set(row)
    assert "it exited" in shop("ps").out
    assert shop("ps", "--component", "jobs", "--json").json() == []
    threaded.node.others = [NodeStatus("n2", "starting", "0.2.0", reason="no engine")]
    rows = shop("nodes", "--json").json()
    assert [(row["name"], row["state"], row["version"]) for row in rows] == [
        ("n1", "ready", "0.1.0"),
        ("n2", "starting", "0.2.0"),
    ]
    assert "no engine" in shop("nodes").out


def test_certificates_are_listed_with_what_is_wrong(shop: Ctl, threaded: AdminThread) -> None:
    assert shop("certs", "ls", "--json").json() == []
    assert shop("certs", "ls") == Done(0, "", "No certificates.\n")
    threaded.node.certificate_rows = [
        CertificateStatus("a.test", ("a.test", "b.test", "c.test", "d.test"), "/etc/tls/a.crt", 1.0, None, ""),
        CertificateStatus("shop.test", ("shop.test",), "acme", None, time.time() + 3650, "no answer at port 80"),
    ]
    rows = shop("certs", "ls", "--json").json()
    assert [(row["host"], row["source"], row["error"]) for row in rows] == [
        ("a.test", "/etc/tls/a.crt", ""),
        ("shop.test", "acme", "no answer at port 80"),
    ]
    out = shop("certs", "ls").out
    assert "a.test b.test c.test and 1 more" in out
    assert "no answer at port 80" in out
    assert "in 60m" in out


def test_what_is_known_of_a_container_that_failed_stands_below_the_table_and_for_its_log(
    shop: Ctl, threaded: AdminThread
) -> None:
    box = BlackBox("exited with code 3", exit_code=3, log_tail=("boom",), last_probe="Connection refused")
    threaded.node.instance_rows = [instance("failed", 2, box)]
    known = ["  exit code 3", "  last probe: Connection refused", "  | boom"]
    assert shop("ps").out.splitlines()[-3:] == known
    assert len(shop("ps", "--json").json()) == 1
    for name in ("web", "shop_web", "w*"):
        done = shop("logs", name)
        assert (done.code, done.out, done.err.splitlines()[-3:]) == (0, "", known)


def test_logs_say_why_there_are_none(shop: Ctl, threaded: AdminThread) -> None:
    assert shop("logs", "web") == Done(0, "", "No lines: no container runs.\n")
    threaded.node.instance_rows = [instance("ready")]
    assert shop("logs", "web", "--json") == Done(0, "", "No lines: nothing was written yet.\n")
    assert shop("logs", "jobs", "--since", "1h") == Done(0, "", "")


def test_logs_for_people_and_for_programs(shop: Ctl, threaded: AdminThread) -> None:
    threaded.node.lines = [line("héllo"), line("oops", stream="stderr")]
    assert shop("logs", "web").out == "[web]\théllo\n[web]\toops\n"
    rows: list[dict[str, Any]] = [json.loads(text) for text in shop("logs", "web", "--json").out.splitlines()]
    assert [(row["component"], row["stream"], row["text"]) for row in rows] == [
        ("web", "stdout", "héllo"),
        ("web", "stderr", "oops"),
    ]
    assert shop("logs", "nothing").code == 4
    assert shop("logs", "web", "--since", "soon").code == 2
    assert shop("logs", "-f", "--json").code == 2


def test_version_of_client_and_server(ctl: Ctl) -> None:
    assert ctl("version", "--json").json() == {
        "client": maelstrom.__version__,
        "server": maelstrom.__version__,
        "node": "n1",
    }
    assert ctl("--version").out == maelstrom.__version__ + "\n"


def test_version_without_a_server_fails_only_where_one_was_named(
    ctl: Ctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAEL_STATE_DIR", str(tmp_path))
    done = ctl("version", "--json")
    assert (done.code, json.loads(done.out)["server"]) == (0, None)
    done = ctl("version", "--json", "--url", "http://127.0.0.1:1")
    assert (done.code, json.loads(done.out)["server"]) == (6, None)


# options


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "json", "project", "ls"),
        ("--json", "project", "ls"),
        ("project", "-o", "json", "ls"),
        ("project", "--json", "ls"),
        ("project", "ls", "-o", "json"),
        ("project", "ls", "-ojson"),
        ("project", "ls", "--output=json"),
        ("-o", "table", "project", "ls", "--json"),
    ],
)
def test_common_options_stand_anywhere(ctl: Ctl, arguments: tuple[str, ...]) -> None:
    assert ctl(*arguments).out == "[]\n"


def test_last_target_wins(ctl: Ctl, threaded: AdminThread) -> None:
    assert ctl("--url", "http://127.0.0.1:1", "ps", "--url", threaded.url, "--token", "wrong").code == 6
    assert ctl("--token", "wrong", "ps", "--token", threaded.token, "--json").json() == []


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://", "http://h:x", "http://127.0.0.1:99999999"])
def test_impossible_url_is_wrong_usage(ctl: Ctl, url: str) -> None:
    assert ctl("ps", "--url", url).code == 2


def test_unreadable_token_never_shows(ctl: Ctl) -> None:
    done = ctl("ps", "--token", "s3cret\nline")
    assert (done.code, "s3cret" in done.err) == (2, False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(ctl: Ctl, shell: str) -> None:
    assert "_MAELCTL_COMPLETE" in ctl("completion", shell).out


def test_completion_knows_commands_and_options(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_MAELCTL_COMPLETE", "bash_complete")
    for words, position, expected in (
        ("maelctl pro", "1", "project"),
        ("maelctl es dis", "2", "disable"),
        ("maelctl es ls --ty", "3", "--type"),
    ):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", position)
        assert expected in ctl().out


def test_help_is_there_for_every_command(ctl: Ctl) -> None:
    commands = (
        "",
        "put",
        "validate",
        "project get",
        "comp restart",
        "es disable",
        "ps",
        "nodes",
        "logs",
        "version",
        "completion",
    )
    for command in commands:
        done = ctl(*command.split(), "--help")
        assert (done.code, done.out.startswith("Usage: maelctl")) == (0, True)


@pytest.mark.parametrize(("written", "meant"), [(["putt"], "put"), (["lgos", "web"], "logs"), (["es", "list"], "ls")])
def test_a_misspelt_command_is_told_what_may_be_meant(ctl: Ctl, written: list[str], meant: str) -> None:
    done = ctl(*written)
    assert done.code == 2
    assert f"No such command '{written[-1] if meant == 'ls' else written[0]}'. Did you mean '{meant}'?" in done.err


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (["put"], "Put"),
        (["put", "--diff-only"], "Put"),
        (["project", "rollback", "shop", "1"], "Put"),
        (["project", "ls"], "Project"),
        (["project", "history", "shop"], "Revision"),
        (["comp", "ls"], "Component"),
        (["comp", "restart", "web"], "Restarted"),
        (["es", "ls"], "EventSource"),
        (["es", "audit", "split"], "Audit"),
        (["ps"], "Instance"),
        (["nodes"], "Node"),
        (["project", "rm", "shop"], "Removed"),
    ],
)
def test_json_has_the_fields_that_the_page_says(
    shop: Ctl, threaded: AdminThread, arguments: list[str], schema: str
) -> None:
    threaded.node.instance_rows = [instance("ready")]
    described = json.loads((DOCS / "openapi.json").read_text())["components"]["schemas"][schema]
    page = (DOCS / "maelctl.md").read_text()
    commands = [" ".join(arguments[:1]), " ".join(arguments[:2])]
    assert any(f"`{command}`" in line and f"`{schema}`" in line for line in page.splitlines() for command in commands)
    found = shop(*arguments, "--json").json()
    rows = found if isinstance(found, list) else [found]
    assert rows
    for row in rows:
        assert set(described["required"]) - {"projectfields", "warnings"} <= set(row) <= set(described["properties"])
