from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.durations import format_duration, parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("15s", 15),
        ("10m", 600),
        ("1m30s", 90),
        ("6h", 21600),
        ("30d", 2_592_000),
        ("1.5h", 5400),
        (" 10 M ", 600),
        ("90", 90),
        (90, 90),
        (0.25, 0.25),
    ],
)
def test_reads_what_people_write(text: object, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "10 apples", "m10", "10m-5s", "1,5s", None, True, []])
def test_says_how_to_write_it(text: object) -> None:
    with pytest.raises(ValueError, match='write it like "500ms"'):
        parse_duration_s(text)


@given(st.integers(min_value=0, max_value=10**10))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    text = format_duration(milliseconds / 1000)
    assert round(parse_duration_s(text) * 1000) == milliseconds


def test_takes_the_largest_whole_unit() -> None:
    assert [format_duration(s) for s in (0, 0.5, 90, 120, 86400)] == [
        "0s",
        "500ms",
        "90s",
        "2m",
        "1d",
    ]
