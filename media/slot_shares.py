"""What each slot of a viewer was given last and since when: the memory of the allocator.

Down at once, up only some time after the last drop; a picture is given up only after it was
starved for a while. So a budget that wanders moves no slot up and down in turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from media.allocator import Allocation, Choice, Demand, Option, allocate
from media.seam import Kind, SlotSize

RISE_AFTER_S: Final = 3.0
"""From a drop until more is given again, were there bandwidth: two drops in a row are one."""
PAUSE_AFTER_S: Final = 5.0
"""How long a picture that does not fit is sent all the same. A first estimate may be wrong, and a
short crowd on the link is over by then."""


@dataclass(frozen=True, slots=True)
class Want:
    """A slot that shows something: `options` as in `media.allocator.Demand`."""

    mid: str
    kind: Kind
    size: SlotSize
    options: tuple[Option, ...]


class _Share:
    __slots__ = ("dropped_at", "is_given_up", "option", "starved_since")

    def __init__(self) -> None:
        self.option: Option | None = None
        self.dropped_at: float | None = None
        self.starved_since: float | None = None
        self.is_given_up = False

    def demand(self, want: Want, now: float) -> Demand:
        starved_s = 0.0 if self.starved_since is None else now - self.starved_since
        return Demand(
            mid=want.mid,
            kind=want.kind,
            size=want.size,
            options=want.options,
            current=self.option,
            may_rise=self.dropped_at is None or now - self.dropped_at >= RISE_AFTER_S,
            may_pause=self.is_given_up or starved_s >= PAUSE_AFTER_S,
        )

    def take(self, choice: Choice, now: float) -> None:
        before, option = self.option, choice.option
        if before is not None and (option is None or _rank(option) < _rank(before)):
            self.dropped_at = now
        self.option = option
        self.is_given_up = option is None
        if not choice.is_starved:
            self.starved_since = None
        elif self.starved_since is None:
            self.starved_since = now


def _rank(option: Option) -> tuple[int, float]:
    return option.layer, float("inf") if option.temporal is None else option.temporal


class SlotShares:
    """`share` whenever the budget, the slots or the bitrates of their layers changed."""

    __slots__ = ("_shares",)

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}

    def share(self, budget_bps: int | None, wants: Sequence[Want], now: float) -> Allocation:
        """Share out the budget (None: no limit); slots that want nothing are forgotten."""
        self._shares = {want.mid: self._shares.get(want.mid) or _Share() for want in wants}
        demands = [self._shares[want.mid].demand(want, now) for want in wants]
        allocation = allocate(budget_bps, demands)
        for choice in allocation.choices:
            self._shares[choice.mid].take(choice, now)
        return allocation
