"""Layers have names and an order."""

from __future__ import annotations

import pytest

from media.layer import highest_of, layer_name, lowest_first
from media.seam import LayerName


@pytest.mark.parametrize(
    ("listed", "ranked"),
    [
        (("f", "h", "q"), ("q", "h", "f")),
        (("h", "m", "l"), ("l", "m", "h")),
        (("high", "low"), ("low", "high")),
        (("f", "q"), ("q", "f")),
        (("2", "0", "1"), ("2", "0", "1")),
        ((), ()),
    ],
)
def test_known_names_are_ranked_and_others_keep_their_order(
    listed: tuple[str, ...], ranked: tuple[str, ...]
) -> None:
    assert lowest_first(listed) == ranked


def test_a_name_allows_what_it_says() -> None:
    names: tuple[LayerName | None, ...] = ("low", "medium", "high", None)
    assert [highest_of(name, 3) for name in names] == [0, 1, 2, 2]
    assert [highest_of(name, 2) for name in names] == [0, 0, 1, 1]
    assert [highest_of(name, 1) for name in names] == [0, 0, 0, 0]


def test_the_best_of_any_number_is_high() -> None:
    for count in (1, 2, 3):
        assert layer_name(count - 1, count) == "high"
        assert highest_of(layer_name(0, count), count) == 0
