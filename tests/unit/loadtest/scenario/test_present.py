from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtest.scenario.present import Present


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
def test_it_holds_what_a_set_would(steps: list[tuple[bool, int]]) -> None:
    present, expected = Present(), set[int]()
    for is_added, number in steps:
        if is_added:
            present.add(number)
            expected.add(number)
        else:
            present.discard(number)
            expected.discard(number)
        places = [present[place] for place in range(len(present))]
        assert sorted(places) == sorted(expected)
        assert (number in present) is (number in expected)
