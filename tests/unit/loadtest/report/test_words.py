from __future__ import annotations

import pytest

from loadtest.report.model import Ratio
from loadtest.report.words import (
    bitrate,
    count,
    duration,
    memory,
    number,
    one_line,
    percent,
    spread,
    times,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (float("nan"), "–"), (0, "0"), (1, "1"), (1.5, "1.5"), (12.34, "12.3"),
        (99.96, "100"), (128.4, "128"), (1234.5, "1,234"), (1e7, "10,000,000"), (0.5, "0.5"),
        (0.0123456, "0.0123"), (1e-9, "0"), (-2.345, "-2.35"), (200.0, "200"), (10.0, "10"),
    ],
)  # fmt: skip
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_more_digits_where_a_limit_decides() -> None:
    assert number(99.9964, 6) == "99.9964"
    assert number(1234.567, 6) == "1234.57"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0.0, "0 %"), (0.0019, "0.0019 %"), (5.0, "5 %"), (99.0, "99 %"),
        (99.5, "99.5 %"), (99.96, "99.96 %"), (99.996, "99.996 %"), (99.99999999, "99.999999 %"),
        (100.0, "100 %"), (120.0, "120 %"),
    ],
)  # fmt: skip
def test_nearly_all_is_not_all(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_sizes() -> None:
    assert [bitrate(bits) for bits in (None, 0, 999, 1_200_000, 2.3e9)] == [
        "–", "0 bit/s", "999 bit/s", "1.2 Mbit/s", "2.3 Gbit/s",
    ]  # fmt: skip
    assert [memory(size) for size in (None, 0, 2048, -3 * 2**20, 2**30)] == [
        "–", "0 B", "2 KiB", "-3 MiB", "1 GiB",
    ]  # fmt: skip
    assert [count(many) for many in (None, 0, 1_920_000)] == ["–", "0", "1,920,000"]


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 4.25, 59, 60, 125, 3600, 14_400)] == [
        "0 s", "4.25 s", "59 s", "1:00", "2:05", "1:00:00", "4:00:00",
    ]  # fmt: skip


def test_ratios_with_their_spread() -> None:
    assert [times(ratio) for ratio in (0.5, 1, 2.345, 14.26, 230.4)] == [
        "0.50x", "1.00x", "2.35x", "14.3x", "230x",
    ]  # fmt: skip
    ratio = Ratio(
        figure="f", other="janus", pairs=(2.1, 2.3, 2.62), median=2.3, lowest=2.1, highest=2.62
    )
    assert spread(ratio) == "2.30x (2.10-2.62, 3 pairs)"


def test_text_of_others_cannot_move_the_cursor() -> None:
    assert one_line("a\n\tb\x1b[2Jc\r弹幕 ") == "a b [2Jc 弹幕"
