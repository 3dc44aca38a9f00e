"""The crontab shorthand: names that stay with their lines, errors that name theirs."""

from __future__ import annotations

from textwrap import indent

import pytest

from maelstrom.model.source import CronRequest, CronSource
from tests.support.project_file import problems, read, web

LINES = """\
# every night
15 3 * * *  /jobs/cleanup

@every 1h30m /jobs/sync?full=1
  CRON_TZ=Europe/Berlin  0 9 * * MON-FRI\t/jobs/report
15 3 * * *  /jobs/cleanup
"""


def sources(crontab: str, more: str = "") -> dict[str, CronSource]:
    project = read(web("crontab: |\n" + indent(crontab, "  ") + more))
    return {name: entry.cron for name, entry in project.components["web"].eventsources.items() if entry.cron}


def test_each_line_is_a_cron_source_that_gets_its_path() -> None:
    found = sources(LINES)

    def get(schedule: str, path: str) -> CronSource:
        return CronSource(schedule=schedule, http=CronRequest(method="GET", path=path))

    assert sorted(found.values(), key=str) == sorted(
        [
            get("15 3 * * *", "/jobs/cleanup"),
            get("15 3 * * *", "/jobs/cleanup"),
            get("@every 1h30m", "/jobs/sync?full=1"),
            get("CRON_TZ=Europe/Berlin 0 9 * * MON-FRI", "/jobs/report"),
        ],
        key=str,
    )
    assert all(name.startswith("web-cron-") for name in found)


def test_a_name_stays_with_its_line_when_others_come_and_go() -> None:
    one = sources("15 3 * * * /a\n0 4 * * * /b\n")
    other = sources("@daily /new\n# gone: 15 3 * * * /a\n0  4 * * *   /b\n@hourly /new\n")
    same = {name for name in one if one[name].http.path == "/b"}
    assert len(same) == 1
    assert same < other.keys()


def test_equal_lines_are_numbered() -> None:
    names = sorted(sources("@daily /a\n@daily /a\n@daily /a\n@daily /b\n"))
    first = min((name for name in names if name.endswith("-2")), default="").removesuffix("-2")
    assert {first, f"{first}-2", f"{first}-3"} < set(names)
    assert len(names) == 4


def test_names_are_those_of_the_component_whatever_prefix_it_is_written_with() -> None:
    plain = read("name: shop\ncomponents: {web: {image: a, crontab: '@daily /a'}}")
    prefixed = read("name: shop\ncomponents: {Shop_WEB: {image: a, crontab: '@daily /a'}}")
    assert plain == prefixed


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("/only-a-path", "a schedule and a path"),
        ("15 3 * * * jobs", "a schedule and a path"),
        ("word", "a schedule and a path"),
        ("15 3 * * * * /six", "has 6 fields, not five"),
        ("15 3 * * /four", "has 4 fields, not five"),
        ("TZ=Nowhere @daily /x", "no time zone"),
        ("@daily /é", "characters that cannot stand"),
        ("60 * * * * /x", "`60` is no minute"),
    ],
)
def test_a_bad_line_is_an_error_at_its_line(bad: str, words: str) -> None:
    (problem,) = problems(web(f"crontab: |  # comment\n  @daily /a\n\n  # c\n  {bad}\n  @hourly /b"))
    assert (problem.path, problem.line) == ("components.web.crontab", 9)
    assert words in problem.message


def test_pasted_lines_are_told_at_their_variable() -> None:
    found = problems(
        web("crontab: |\n  ${JOBS}\n  bad\nuser: 5"), environ={"JOBS": "@daily /a\n      wrong\n      @daily /b"}
    )
    assert [problem.line for problem in found] == [6, 7, 8]


def test_a_source_that_has_the_name_of_a_line_is_refused() -> None:
    (name,) = sources("@daily /a\n")
    (problem,) = problems(web(f"crontab: |\n  @daily /a\neventsources: {{{name}: {{http: {{pathprefix: /}}}}}}"))
    assert problem.line == 6
    assert "same event source" in problem.message


def test_a_component_whose_name_leaves_no_room_is_told_so() -> None:
    (problem,) = problems("name: shop\ncomponents: {? " + "x" * 50 + " : {image: a, crontab: '@daily /a'}}")
    assert "too long" in problem.message


def test_an_empty_crontab_is_none() -> None:
    assert not problems(web("crontab: |\n  # nothing\n"))
    assert not problems(web("crontab: ''"))
