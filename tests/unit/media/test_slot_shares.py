"""The memory of the allocator: when a slot may rise, and when its picture may be given up."""

from __future__ import annotations

from media.allocator import Option
from media.slot_shares import PAUSE_AFTER_S, RISE_AFTER_S, SlotShares, Want

LOW, HIGH = Option(0, None, 200_000), Option(1, None, 1_000_000)
PICTURE = Want("v", "video", "big", (LOW, HIGH))
SINGLE = Want("v", "video", "big", (HIGH,))
START = 50.0


def share(shares: SlotShares, budget: int | None, want: Want, now: float) -> Option | None:
    return shares.share(budget, [want], now).choices[0].option


def test_down_at_once_up_only_some_time_after_the_drop() -> None:
    shares = SlotShares()
    assert share(shares, None, PICTURE, START) == HIGH
    assert share(shares, 400_000, PICTURE, START + 1) == LOW
    assert share(shares, 2_000_000, PICTURE, START + 1 + RISE_AFTER_S - 0.1) == LOW
    assert share(shares, 2_000_000, PICTURE, START + 1 + RISE_AFTER_S) == HIGH


def test_a_rise_needs_no_wait_after_a_rise() -> None:
    middle = Option(1, None, 500_000)
    want = Want("v", "video", "big", (LOW, middle, Option(2, None, 1_500_000)))
    shares = SlotShares()
    assert share(shares, 300_000, want, START) == LOW
    assert share(shares, 600_000, want, START + 1) == middle
    assert share(shares, 2_000_000, want, START + 1.1) == want.options[2]


def test_a_starved_picture_is_given_up_after_a_while_and_forgotten_by_a_moment_of_plenty() -> None:
    shares = SlotShares()
    assert share(shares, 400_000, SINGLE, START) == HIGH
    assert share(shares, 400_000, SINGLE, START + PAUSE_AFTER_S - 0.1) == HIGH
    assert share(shares, 1_200_000, SINGLE, START + PAUSE_AFTER_S) == HIGH
    assert share(shares, 400_000, SINGLE, START + PAUSE_AFTER_S + 0.1) == HIGH
    assert share(shares, 400_000, SINGLE, START + 2 * PAUSE_AFTER_S + 0.1) is None


def test_a_picture_given_up_stays_away_until_it_fits_for_sure() -> None:
    shares = SlotShares()
    share(shares, 400_000, SINGLE, START)
    given_up_at = START + PAUSE_AFTER_S
    assert share(shares, 400_000, SINGLE, given_up_at) is None
    assert share(shares, 1_050_000, SINGLE, given_up_at + 60) is None
    assert share(shares, 1_100_000, SINGLE, given_up_at + 61) == HIGH


def test_a_slot_that_wants_nothing_is_forgotten() -> None:
    shares = SlotShares()
    share(shares, None, PICTURE, START)
    share(shares, 400_000, PICTURE, START + 1)
    assert shares.share(2_000_000, [], START + 1.5).choices == ()
    assert share(shares, 2_000_000, PICTURE, START + 1.6) == HIGH


def test_who_leaves_the_budget_unlimited_gets_everything_at_once() -> None:
    shares = SlotShares()
    share(shares, 400_000, PICTURE, START)
    assert share(shares, None, PICTURE, START + 0.1) == HIGH
