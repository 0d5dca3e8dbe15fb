from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.clip.payload import split


@given(st.integers(1, 5000), st.integers(2, 300), st.data())
def test_pieces_hold_the_data_within_their_limits(
    length: int, most: int, data: st.DataObject
) -> None:
    last_less = data.draw(st.integers(0, most // 2))
    frame = bytes(n % 251 for n in range(length))
    pieces = split(frame, most, last_less=last_less)
    assert b"".join(pieces) == frame
    assert all(0 < len(piece) <= most for piece in pieces)
    assert len(pieces[-1]) <= most - last_less
    fewest = -(-(length + last_less) // most)
    assert len(pieces) <= fewest + 1


@pytest.mark.parametrize(
    ("length", "last_less", "sizes"),
    [
        (0, 0, []),
        (1, 0, [1]),
        (10, 0, [10]),
        (11, 0, [6, 5]),
        (20, 0, [10, 10]),
        (7, 3, [7]),
        (8, 3, [6, 2]),
        (6, 5, [3, 3]),
    ],
)
def test_sizes(length: int, last_less: int, sizes: list[int]) -> None:
    assert [len(piece) for piece in split(bytes(length), 10, last_less=last_less)] == sizes
