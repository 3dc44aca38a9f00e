"""Names: one normal form, limits with the prefix, no two that are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.model.component import ComponentKey
from maelstrom.model.names import name_fault, normal_name, normal_project, project_fault
from tests.support.project_file import problems, read


def test_capital_letters_and_the_prefix_make_no_difference() -> None:
    project = read("""
        name: " Shop "
        components:
          SHOP_Web: {image: a, eventsources: {shop_Site: {http: {pathprefix: /}}}}
          api: {image: a, eventsources: {Jobs: {http: {pathprefix: /}}}}
    """)
    assert project.name == "shop"
    assert list(project.components) == ["api", "web"]
    assert list(project.components["web"].eventsources) == ["site"]
    assert list(project.components["api"].eventsources) == ["jobs"]


def test_the_prefix_is_taken_off_once() -> None:
    project = read("name: shop\ncomponents: {shop_shop_web: {image: a}, shopping: {image: b}}")
    assert list(project.components) == ["shop_web", "shopping"]
    assert ComponentKey("shop", "shop_web").full_name == "shop_shop_web"


@pytest.mark.parametrize("name", ["''", "'  '", "a b", "a.b", "ä", "a/b", "x" * 21, "${UNSET}", '"a\\nb"'])
def test_names_that_a_project_cannot_have(name: str) -> None:
    found = problems(f"components: {{web: {{image: a}}}}\nname: {name}")
    assert [problem.path for problem in found] == ["name"]
    assert found[0].line == 2


@pytest.mark.parametrize("name", ["'a b'", "a.b", "ä", "a/b", "''", "shop_", "x" * 56, "K\u212a"])
def test_names_that_a_component_or_source_cannot_have(name: str) -> None:
    (problem,) = problems(f"name: shop\ncomponents:\n  ? {name}\n  : {{image: a}}")
    assert (problem.line, problem.path.split(".", 1)[0]) == (3, "components")
    (problem,) = problems(
        f"name: shop\ncomponents:\n  web:\n    image: a\n    eventsources: {{? {name} : {{http: {{pathprefix: /}}}}}}"
    )
    assert problem.line == 5


@pytest.mark.parametrize("name", ["a", "A-1_b", "20-characters-long-x", "web", "0", "_"])
def test_names_that_a_project_can_have(name: str) -> None:
    assert read(f"name: '{name}'\ncomponents: {{web: {{image: a}}}}").name == name.lower()


def test_sixty_bytes_are_allowed_with_the_prefix() -> None:
    assert read("name: shop\ncomponents: {? " + "x" * 55 + " : {image: a}}")
    assert read("name: shop\ncomponents: {? shop_" + "x" * 55 + " : {image: a}}")
    (problem,) = problems("name: shop\ncomponents: {? " + "x" * 56 + " : {image: a}}")
    assert "so 55 remain" in problem.message


def test_components_that_are_the_same_are_told_with_both_lines() -> None:
    found = problems("name: shop\ncomponents:\n  web: {image: a}\n  shop_web: {image: a}\n  WEB: {image: a}\n")
    assert [(problem.line, problem.path) for problem in found] == [(4, "components.shop_web"), (5, "components.WEB")]
    assert "`web` in line 3" in found[0].message


def test_sources_that_are_the_same_are_told_even_between_components() -> None:
    found = problems("""\
        name: shop
        components:
          web:
            image: a
            eventsources:
              in: {http: {pathprefix: /}}
              shop_in: {http: {pathprefix: /}}
          api:
            image: a
            eventsources:
              IN: {http: {pathprefix: /}}
    """)
    assert [problem.line for problem in found] == [7, 11]
    assert "of component `web` in line 6" in found[1].message


def test_a_component_and_a_source_may_have_one_name() -> None:
    assert not problems("name: a\ncomponents: {web: {image: a, eventsources: {web: {http: {pathprefix: /}}}}}")


NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,30}", fullmatch=True)
PROJECTS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


@given(PROJECTS, NAMES)
def test_a_name_is_the_same_with_its_prefix_and_in_any_case(project: str, name: str) -> None:
    normal = normal_project(project)
    assert project_fault(normal) == ""
    full = f"{normal}_{name.lower()}"
    assert normal_name(full, normal) == name.lower()
    assert normal_name(full.upper(), normal) == name.lower()
    assert name_fault(name.lower(), normal) == ""


@given(st.text(max_size=70), PROJECTS.map(str.lower))
def test_what_passes_as_a_name_is_small_ascii_and_short(text: str, project: str) -> None:
    name = normal_name(text, project)
    if not name_fault(name, project):
        assert name.isascii()
        assert name == name.lower()
        assert 0 < len(f"{project}_{name}".encode()) <= 60
