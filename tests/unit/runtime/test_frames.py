"""Log frames become lines, however they arrive (F110: the header belongs to the frame, not to the line)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from maelstrom.runtime.frames import LINE_LIMIT, Line, LogParser

AT = "2026-01-02T03:04:05.123456789Z"


def frame(text: str | bytes, stream: int = 1, at: str = AT) -> bytes:
    data = f"{at} ".encode() + (text.encode() if isinstance(text, str) else text)
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def parse(*pieces: bytes, terminal: bool = False) -> list[Line]:
    parser = LogParser(terminal=terminal)
    return [line for piece in pieces for line in parser.feed(piece)] + list(parser.finish())


def texts(*pieces: bytes, terminal: bool = False) -> list[str]:
    return [line.text for line in parse(*pieces, terminal=terminal)]


def test_a_line_has_its_stream_and_the_engine_s_time() -> None:
    assert parse(frame("out\n"), frame("err\n", 2)) == [Line("stdout", AT, "out"), Line("stderr", AT, "err")]


def test_several_lines_of_one_frame_lose_nothing() -> None:
    assert texts(frame("first line\nsecond line\nthird line\n")) == ["first line", "second line", "third line"]


def test_parts_of_a_long_line_are_put_together_without_their_time_stamps() -> None:
    later = "2026-01-02T03:04:06.000000000Z"
    lines = parse(frame("a" * 16384), frame("b" * 16384, at=later), frame("c\n", at=later))
    assert lines == [Line("stdout", AT, "a" * 16384 + "b" * 16384 + "c")]


def test_parts_of_two_streams_do_not_mix() -> None:
    assert texts(frame("out 1 "), frame("err\n", 2), frame("out 2\n")) == ["err", "out 1 out 2"]


def test_a_line_without_end_is_told_at_the_end() -> None:
    assert texts(frame("no line feed")) == ["no line feed"]


def test_empty_lines_stay_and_carriage_returns_at_the_end_go() -> None:
    assert texts(frame("\n"), frame("dos\r\n"), frame("10%\r20%\n")) == ["", "dos", "10%\r20%"]


def test_a_line_over_the_limit_comes_in_parts_that_split_no_character() -> None:
    text = "x" + "€" * 40_000
    pieces = [frame(text.encode()[i : i + 16384]) for i in range(0, len(text.encode()), 16384)]
    parts = texts(*pieces, frame("\n"))
    assert "".join(parts) == text
    assert all(len(part.encode()) <= LINE_LIMIT for part in parts)


def test_a_line_of_just_the_limit_is_one_line() -> None:
    assert [len(text) for text in texts(frame("x" * LINE_LIMIT + "\n"), frame("y\n"))] == [LINE_LIMIT, 1]


def test_bytes_that_are_no_text_do_not_end_the_log() -> None:
    assert texts(frame(b"\xff\xfe\n"), frame("good\n")) == ["��", "good"]


def test_a_terminal_has_lines_without_frames() -> None:
    raw = f"{AT} one\r\n{AT} two\r\n{AT} thr".encode()
    assert texts(raw, b"ee", terminal=True) == ["one", "two", "three"]


def test_a_time_stamp_of_the_component_itself_stays() -> None:
    assert texts(frame(f"{AT} said by the component\n")) == [f"{AT} said by the component"]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.text().filter(lambda t: "\n" not in t))), st.data())
def test_pieces_of_any_size_give_the_same_lines(messages: list[tuple[int, str]], data: st.DataObject) -> None:
    stream = b"".join(frame(f"{text}\n", number) for number, text in messages)
    pieces = []
    while stream:
        size = data.draw(st.integers(1, max(1, len(stream))))
        pieces.append(stream[:size])
        stream = stream[size:]
    expected = [text.removesuffix("\r") for _, text in messages]
    assert texts(*pieces) == expected
