"""Sharing one viewer's bandwidth among his slots: audio first, then the big slot, then small ones.

Pure: the same budget and demands give the same choices. Every video slot first gets its least
option, in order; what is left raises the first slot as far as it goes, then the next one. Options
are ranked by layer, within a layer by temporal layers, so that frames a second are given up before
resolution. See docs/bandwidth.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from media.seam import Kind, SlotSize

UP_MARGIN: Final = 1.1
"""A better option must fit with a tenth to spare, so that a layer whose bitrate wanders about the
budget is not taken and dropped in turns."""
PAUSE_SHARE: Final = 0.5
"""The first picture is given up only below half of what its least option needs: a viewer rather
sees a bad picture than none. Pictures after the first must fit, or else they spoil the first."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to serve a slot: a layer (0 is the lowest) with the temporal layers up to `temporal`
    (None: all), and what that takes."""

    layer: int
    temporal: int | None
    bitrate_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A slot that shows something; hidden, paused and empty ones make no demand.

    `options` are what its size and its viewer allow, worst first, at least one. `current` is what
    it was given last, None for nothing. `may_rise`: it was long enough as it is. `may_pause`: it
    was starved long enough, or is paused for it.
    """

    mid: str
    kind: Kind
    size: SlotSize
    options: tuple[Option, ...]
    current: Option | None = None
    may_rise: bool = True
    may_pause: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a slot gets; `option` None: paused for want of bandwidth. `is_starved`: not even the
    least option fits, it is sent in spite of that or was paused."""

    mid: str
    option: Option | None
    is_starved: bool = False


@dataclass(frozen=True, slots=True)
class Allocation:
    """The choices, in the order of the demands.

    `used_bps` is what they take. `next_bps` is the budget for the next better layer of the first
    slot that gets less than it may have, `top_bps` that for everything; None: nobody is kept low.
    """

    choices: tuple[Choice, ...]
    used_bps: int
    next_bps: int | None
    top_bps: int | None


def allocate(budget_bps: int | None, demands: Sequence[Demand]) -> Allocation:
    """Share `budget_bps` (None: without limit). Never more than the budget, except for audio and
    for least options (see `PAUSE_SHARE`)."""
    if budget_bps is None:
        return _everything(demands)
    chosen: dict[str, Option | None] = {}
    starved: set[str] = set()
    left = budget_bps
    for demand in demands:
        if demand.kind == "audio":
            chosen[demand.mid] = demand.options[-1]
            left -= demand.options[-1].bitrate_bps
    videos = sorted(
        (demand for demand in demands if demand.kind == "video"),
        key=lambda demand: demand.size != "big",
    )
    for order, demand in enumerate(videos):
        option, is_starved = _least(demand, left, is_first=order == 0)
        chosen[demand.mid] = option
        if is_starved:
            starved.add(demand.mid)
        left -= option.bitrate_bps if option is not None else 0
    for demand in videos:
        least = chosen[demand.mid]
        if least is not None and demand.mid not in starved:
            best = _best(demand, left + least.bitrate_bps, least)
            chosen[demand.mid] = best
            left -= best.bitrate_bps - least.bitrate_bps
    used_bps = budget_bps - left
    return Allocation(
        tuple(Choice(each.mid, chosen[each.mid], each.mid in starved) for each in demands),
        used_bps,
        _next_bps(videos, chosen, used_bps),
        _top_bps(demands) if _is_anyone_low(videos, chosen) else None,
    )


def _everything(demands: Sequence[Demand]) -> Allocation:
    choices = tuple(Choice(demand.mid, demand.options[-1]) for demand in demands)
    return Allocation(choices, sum(each.options[-1].bitrate_bps for each in demands), None, None)


def _least(demand: Demand, left_bps: int, *, is_first: bool) -> tuple[Option | None, bool]:
    least = demand.options[0]
    if demand.current is None and demand.may_pause:
        fits = demand.may_rise and _with_margin(least) <= left_bps
        return (least, False) if fits else (None, True)
    if least.bitrate_bps <= left_bps:
        return least, False
    is_hopeless = left_bps < least.bitrate_bps * (PAUSE_SHARE if is_first else 1.0)
    return (None if is_hopeless and demand.may_pause else least), is_hopeless


def _best(demand: Demand, left_bps: int, least: Option) -> Option:
    held = _position(demand)
    best = least
    for position, option in enumerate(demand.options):
        if position <= held:
            fits = option.bitrate_bps <= left_bps
        else:
            fits = (demand.may_rise or held < 0) and _with_margin(option) <= left_bps
        if fits:
            best = option
    return best


def _position(demand: Demand) -> int:
    """Which option is being sent; -1 for nothing, or for a layer that is gone."""
    current = demand.current
    if current is not None:
        for position, option in enumerate(demand.options):
            if option.layer == current.layer and option.temporal == current.temporal:
                return position
    return -1


def _with_margin(option: Option) -> int:
    return ceil(option.bitrate_bps * UP_MARGIN - 1e-6)  # 1.1 is not exact


def _is_anyone_low(videos: Sequence[Demand], chosen: dict[str, Option | None]) -> bool:
    return any(chosen[demand.mid] is not demand.options[-1] for demand in videos)


def _top_bps(demands: Sequence[Demand]) -> int:
    return sum(
        _with_margin(each.options[-1]) if each.kind == "video" else each.options[-1].bitrate_bps
        for each in demands
    )


def _next_bps(
    videos: Sequence[Demand], chosen: dict[str, Option | None], used_bps: int
) -> int | None:
    for demand in videos:
        option = chosen[demand.mid]
        if option is not demand.options[-1]:
            taken = option.bitrate_bps if option is not None else 0
            return used_bps - taken + _with_margin(_next_better(demand.options, option))
    return None


def _next_better(options: tuple[Option, ...], option: Option | None) -> Option:
    """All frames of the same layer if some are given up now, else all frames of the next one: the
    single steps of the temporal layers are too small to be worth a probe each."""
    if option is None:
        return options[0]
    better = options[options.index(option) + 1 :]
    return [each for each in better if each.layer == better[0].layer][-1]
