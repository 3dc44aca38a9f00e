"""What a component's answer means for a task."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom.activation.work import WorkAnswer
from maelstrom.sources.outcome import INVALID_OUTPUT, TaskSuccess, header_text, verdict
from maelstrom.sources.ports import TaskFailure
from tests.fakes.sources import answer


def failed(result: TaskSuccess | TaskFailure) -> TaskFailure:
    assert isinstance(result, TaskFailure)
    return result


@pytest.mark.parametrize(
    "body",
    [b"{}", b"null", b"0", b'"x"', b" [1, 2]\n", '{"größe": "😀"}'.encode(), b'{"a":1,"a":2}', b'"\\ud800"', b"1e999"],
)
def test_200_with_json_is_a_success_and_the_body_goes_on_unchanged(body: bytes) -> None:
    assert verdict(answer(body)) == TaskSuccess(body.decode())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty body"),
        (b"   ", "not JSON"),
        (b"hello", "not JSON"),
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"NaN", "NaN is not JSON"),
        (b'{"a": [-Infinity]}', "-Infinity is not JSON"),
        (b'"\xff"', "not UTF-8: byte 1"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"{} {}", "not JSON"),
    ],
)
def test_200_without_json_is_a_failure_that_says_why(body: bytes, why: str) -> None:
    result = failed(verdict(answer(body)))
    assert result.error == INVALID_OUTPUT
    assert why in result.cause


def test_a_number_of_any_length_is_json() -> None:
    body = b"9" * 200_000
    assert verdict(answer(body)) == TaskSuccess(body.decode())


def test_the_limit_of_an_output_is_262144_bytes_exactly() -> None:
    fits = b'"' + b"x" * 262_142 + b'"'
    assert isinstance(verdict(answer(fits)), TaskSuccess)
    two_bytes_each = '"' + "é" * 131_071 + '"'
    assert isinstance(verdict(answer(two_bytes_each.encode())), TaskSuccess)
    result = failed(verdict(answer(fits + b" ")))
    assert result.error == INVALID_OUTPUT
    assert "262145 bytes" in result.cause
    cut_by_the_transport = WorkAnswer(200, {}, b'"' + b"x" * 1_048_575, truncated=True)
    assert "over 1048576 bytes" in failed(verdict(cut_by_the_transport)).cause


@pytest.mark.parametrize("status", [201, 202, 204, 301, 400, 404, 500, 502, 504])
def test_only_200_is_a_success(status: int) -> None:
    result = failed(verdict(answer(b"{}", status)))
    assert result.error == f"maelstrom_{status}"
    assert str(status) in result.cause
    assert "{}" in result.cause


def test_the_components_own_error_and_cause_are_used() -> None:
    told = answer(b"ignored", 422, step_func_error="Shop.SoldOut", step_func_cause="none left: größe 42")
    assert verdict(told) == TaskFailure("Shop.SoldOut", "none left: größe 42")


def test_each_of_both_has_a_default_of_its_own() -> None:
    assert verdict(answer(b"why", 500, step_func_error="Mine")) == TaskFailure(
        "Mine", "the component answered 500: why"
    )
    assert verdict(answer(b"why", 500, step_func_cause="because")) == TaskFailure("maelstrom_500", "because")
    assert failed(verdict(answer(b"why", 500, step_func_error="  "))).error == "maelstrom_500"


def test_a_200_is_no_failure_whatever_its_headers_say() -> None:
    assert verdict(answer(b"1", step_func_error="Mine")) == TaskSuccess("1")


def test_the_gateways_own_answers_say_what_happened() -> None:
    timed_out = WorkAnswer(504, {}, b"", code="deadline", message="shop_web did not answer within 3 s")
    assert verdict(timed_out) == TaskFailure("maelstrom_504", "504 deadline: shop_web did not answer within 3 s")


def test_cuts_count_characters_and_never_split_one() -> None:
    result = failed(verdict(answer(b"", 500, step_func_error="😀" * 300, step_func_cause="x" + "😀" * 40_000)))
    assert result.error == "😀" * 256
    assert result.cause == "x" + "😀" * 32_767


def test_raw_utf8_in_headers_is_cut_as_characters_too() -> None:
    raw = ("é" * 300).encode().decode("latin-1")  # as a strictly Latin-1 transport hands it on
    assert failed(verdict(answer(b"", 500, step_func_error=raw))).error == "é" * 256


def test_a_cause_made_of_a_body_begins_with_it_and_ends_with_a_whole_character() -> None:
    body = "😀".encode() * 100_000
    cause = failed(verdict(answer(body, 500))).cause
    assert cause.startswith("the component answered 500: 😀😀")
    assert "\ufffd" not in cause
    assert len(cause) < 5_000


def test_a_body_that_is_no_text_is_shown_as_far_as_it_goes() -> None:
    assert failed(verdict(answer(b"\x00\xff\xfe", 500))).cause.startswith("the component answered 500")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        ("größe 😀".encode(), "größe 😀"),
        ("größe".encode("latin-1"), "größe"),
        (b"a\xff\xe9", "aÿé"),
        (b"100%25 done", "100%25 done"),  # no encoding is undone that nobody asked for
    ],
)
def test_header_values_come_out_the_same_whatever_decoded_them(raw: bytes | str, text: str) -> None:
    value = raw.encode() if isinstance(raw, str) else raw
    assert header_text(value.decode("latin-1")) == text
    assert header_text(value.decode(errors="surrogateescape")) == text


@given(st.integers(100, 599), st.binary(max_size=200), st.text(max_size=50), st.text(max_size=50))
def test_every_answer_has_a_verdict_that_can_be_sent(status: int, body: bytes, error: str, cause: str) -> None:
    result = verdict(answer(body, status, step_func_error=error, step_func_cause=cause))
    if isinstance(result, TaskFailure):
        assert 1 <= len(result.error) <= 256
        assert 1 <= len(result.cause) <= 32_768
        result.error.encode()
        result.cause.encode()
