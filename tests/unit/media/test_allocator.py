"""The allocator: examples from its text, then properties over many seeded demands."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from media.allocator import PAUSE_SHARE, UP_MARGIN, Allocation, Demand, Option, allocate
from media.seam import SlotSize

LOW, MIDDLE, HIGH = Option(0, None, 150_000), Option(1, None, 500_000), Option(2, None, 1_700_000)
LAYERS = (LOW, MIDDLE, HIGH)
VOICE = Demand(mid="a", kind="audio", size="big", options=(Option(0, None, 50_000),))


def picture(
    mid: str = "v",
    size: SlotSize = "big",
    options: tuple[Option, ...] = LAYERS,
    current: Option | None = None,
    *,
    may_rise: bool = True,
    may_pause: bool = False,
) -> Demand:
    return Demand(
        mid=mid, kind="video", size=size, options=options, current=current,
        may_rise=may_rise, may_pause=may_pause,
    )  # fmt: skip


def chosen(allocation: Allocation) -> dict[str, Option | None]:
    return {choice.mid: choice.option for choice in allocation.choices}


def test_without_a_limit_everybody_gets_everything_he_may() -> None:
    allocation = allocate(None, [VOICE, picture(), picture("w", "small", (LOW, MIDDLE))])
    assert chosen(allocation) == {"a": VOICE.options[0], "v": HIGH, "w": MIDDLE}
    assert (allocation.next_bps, allocation.top_bps) == (None, None)


def test_audio_is_served_before_any_picture() -> None:
    voices = [
        Demand(mid=str(number), kind="audio", size="big", options=VOICE.options)
        for number in range(3)
    ]
    allocation = allocate(160_000, [picture(may_pause=True), *voices])
    assert chosen(allocation) == {"v": None, "0": VOICE.options[0], "1": VOICE.options[0],
                                  "2": VOICE.options[0]}  # fmt: skip


def test_the_big_slot_rises_before_small_ones_once_all_have_a_picture() -> None:
    demands = [picture("s", "small", (LOW, MIDDLE)), picture("b")]
    assert chosen(allocate(310_000, demands)) == {"s": LOW, "b": LOW}
    assert chosen(allocate(720_000, demands)) == {"s": LOW, "b": MIDDLE}
    assert chosen(allocate(1_100_000, demands)) == {"s": MIDDLE, "b": MIDDLE}
    # Then its next layer takes what the small one had.
    assert chosen(allocate(2_050_000, demands)) == {"s": LOW, "b": HIGH}


def test_frames_are_given_up_before_resolution() -> None:
    options = (Option(0, None, 150_000), Option(1, 0, 250_000), Option(1, 1, 350_000), MIDDLE)
    demand = picture(options=options, current=MIDDLE)
    rates = (560_000, 499_000, 349_000, 249_000)
    gotten = [chosen(allocate(rate, [demand]))["v"] for rate in rates]
    assert gotten == [MIDDLE, options[2], options[1], LOW]


def test_up_only_with_a_margin_and_when_it_may_down_at_once() -> None:
    exact = MIDDLE.bitrate_bps
    assert chosen(allocate(exact, [picture(current=MIDDLE)]))["v"] == MIDDLE
    assert chosen(allocate(exact - 1, [picture(current=MIDDLE)]))["v"] == LOW
    assert chosen(allocate(exact, [picture(current=LOW)]))["v"] == LOW
    wide = round(exact * UP_MARGIN) + 1
    assert chosen(allocate(wide, [picture(current=LOW)]))["v"] == MIDDLE
    assert chosen(allocate(wide, [picture(current=LOW, may_rise=False)]))["v"] == LOW


def test_a_picture_is_given_up_only_far_below_its_need_and_after_a_while() -> None:
    single = Option(0, None, 1_200_000)
    narrow = round(single.bitrate_bps * PAUSE_SHARE) - 1
    waiting = allocate(narrow, [picture(options=(single,), current=single)])
    assert waiting.choices[0].option == single
    assert waiting.choices[0].is_starved
    given_up = picture(options=(single,), current=single, may_pause=True)
    assert allocate(narrow, [given_up]).choices[0].option is None
    # Somewhat narrow is no reason at all.
    assert allocate(narrow + 1, [given_up]).choices[0].option == single


def test_a_picture_given_up_comes_back_only_when_it_fits_with_a_margin() -> None:
    single = Option(0, None, 1_200_000)
    paused = picture(options=(single,), may_pause=True)
    assert allocate(1_250_000, [paused]).choices[0].option is None
    allocation = allocate(100_000, [paused])
    assert allocation.next_bps == 1_320_000
    assert allocate(allocation.next_bps, [paused]).choices[0].option == single


def test_a_second_picture_must_fit_or_go() -> None:
    demands = [picture(current=LOW), picture("w", "small", (LOW,), LOW, may_pause=True)]
    assert chosen(allocate(250_000, demands)) == {"v": LOW, "w": None}


def test_the_next_better_budget_is_just_enough() -> None:
    demands = [VOICE, picture(current=LOW)]
    allocation = allocate(300_000, demands)
    assert allocation.next_bps == 600_000
    assert allocation.top_bps == 1_920_000
    assert chosen(allocate(allocation.next_bps, demands))["v"] == MIDDLE
    assert chosen(allocate(allocation.next_bps - 1, demands))["v"] == LOW
    assert chosen(allocate(allocation.top_bps, demands))["v"] == HIGH


def test_the_next_better_of_a_slot_that_gives_up_frames_is_all_its_frames() -> None:
    half = Option(1, 0, 300_000)
    allocation = allocate(340_000, [picture(options=(LOW, half, MIDDLE, HIGH), current=half)])
    assert chosen(allocation)["v"] == half
    assert allocation.next_bps == 550_000


# --- properties -------------------------------------------------------------------------------


def random_demands(chance: random.Random) -> list[Demand]:
    demands = []
    for number in range(chance.randint(0, 3)):
        rate = chance.randint(10_000, 130_000)
        demands.append(
            Demand(mid=f"a{number}", kind="audio", size="big", options=(Option(0, None, rate),))
        )
    for number in range(chance.randint(0, 4)):
        options = []
        rate = 0
        for layer in range(chance.randint(1, 3)):
            for temporal in chance.choice(((None,), (0, None), (0, 1, None))):
                rate += chance.randint(20_000, 700_000)
                options.append(Option(layer, temporal, rate))
        demands.append(
            picture(
                f"v{number}",
                chance.choice(("big", "small")),
                tuple(options),
                chance.choice((None, *options)),
                may_rise=chance.random() < 0.7,
                may_pause=chance.random() < 0.5,
            )
        )
    chance.shuffle(demands)
    return demands


@pytest.mark.parametrize("seed", range(60))
def test_never_over_the_budget_except_for_audio_and_least_pictures(seed: int) -> None:
    chance = random.Random(seed)
    demands = random_demands(chance)
    budget = chance.randint(0, 4_000_000)
    allocation = allocate(budget, demands)
    by_mid = {demand.mid: demand for demand in demands}
    assert [choice.mid for choice in allocation.choices] == [demand.mid for demand in demands]
    used = sum(choice.option.bitrate_bps for choice in allocation.choices if choice.option)
    assert used == allocation.used_bps
    for choice in allocation.choices:
        if by_mid[choice.mid].kind == "audio":
            assert choice.option == by_mid[choice.mid].options[-1]
        elif used > budget:
            assert choice.option in (None, by_mid[choice.mid].options[0])


@pytest.mark.parametrize("seed", range(60))
def test_more_budget_never_serves_the_first_slots_worse(seed: int) -> None:
    """In the order of service: a later slot may lose to an earlier one, never without that."""
    chance = random.Random(1_000 + seed)
    demands = random_demands(chance)
    videos = sorted(
        (demand for demand in demands if demand.kind == "video"),
        key=lambda each: each.size != "big",
    )

    def ranks(budget: int) -> tuple[tuple[bool, ...], list[int]]:
        got = chosen(allocate(budget, demands))
        ranks = [
            -1 if got[each.mid] is None else each.options.index(got[each.mid]) for each in videos
        ]
        return tuple(rank >= 0 for rank in ranks), ranks

    budgets = sorted(chance.randint(0, 4_000_000) for _ in range(12))
    for less, more in pairwise(budgets):
        shown_less, ranks_less = ranks(less)
        shown_more, ranks_more = ranks(more)
        if shown_less == shown_more:
            assert ranks_more >= ranks_less
        else:
            assert shown_more > shown_less


@pytest.mark.parametrize("seed", range(60))
def test_the_budget_for_everything_gives_everything(seed: int) -> None:
    chance = random.Random(2_000 + seed)
    demands = [demand for demand in random_demands(chance) if demand.may_rise]
    allocation = allocate(chance.randint(0, 2_000_000), demands)
    if allocation.top_bps is None:
        assert all(choice.option is not None for choice in allocation.choices)
    else:
        full = allocate(allocation.top_bps, demands)
        assert all(
            choice.option == demand.options[-1]
            for choice, demand in zip(full.choices, demands, strict=True)
        )


@pytest.mark.parametrize("seed", range(60))
def test_what_was_chosen_is_chosen_again(seed: int) -> None:
    """With the same budget nothing moves: no slot flaps by the allocator's own doing."""
    chance = random.Random(3_000 + seed)
    demands = [
        picture(each.mid, each.size, each.options, each.current) if each.kind == "video" else each
        for each in random_demands(chance)
    ]
    budget = chance.randint(0, 4_000_000)
    first = chosen(allocate(budget, demands))
    for _ in range(4):
        demands = [
            picture(each.mid, each.size, each.options, first[each.mid])
            if each.kind == "video"
            else each
            for each in demands
        ]
        again = chosen(allocate(budget, demands))
        first, before = again, first
    assert first == before
