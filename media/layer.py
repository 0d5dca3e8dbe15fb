"""One encoding of a published track: its own source, and whether and how fast it is being sent.

Simulcast (RFC 8853) sends a track up to three times, in different sizes; each encoding is an RTP
stream with its own SSRCs, numbers, clock and key frames, so a `SourceTrack` of its own. A track
without simulcast has one layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from media.rate_meter import RateMeter
from media.seam import LayerName
from media.source_track import SourceTrack

if TYPE_CHECKING:
    from media.publisher import PublishedTrack

TICK_S: Final = 0.25
"""How often layers are looked at; only while packets come."""
QUIET_TICKS: Final = 3
"""Looks in a row without a packet after which a layer is not being sent: 0.5 to 0.75 s of silence.
A browser that closes its upper layer does so without a word (its uplink became narrow)."""
MAX_LAYERS: Final = 3


class Layer:
    """`rid` is empty without simulcast. `is_active` while packets come: set by the switchboard with
    the first one, taken back by `tick`. `rate` measures payload."""

    __slots__ = (
        "_heard_bytes", "_quiet_ticks", "has_started", "ignores_pli", "is_active", "rate", "rid",
        "source", "source_id", "track",
    )  # fmt: skip

    track: PublishedTrack
    """Set by the track that it is a layer of."""

    def __init__(self, rid: str, source: SourceTrack) -> None:
        self.rid = rid
        self.source = source
        self.source_id = source.source_id
        self.rate = RateMeter()
        self.has_started = False
        self.is_active = False
        self.ignores_pli = source.ignores_pli
        self._heard_bytes = 0
        self._quiet_ticks = 0

    def begin(self, now: float) -> None:
        """The first packet, or the first after silence."""
        self.has_started = self.is_active = True
        self._quiet_ticks = 0
        self._heard_bytes = self.source.payload_bytes
        self.rate.sample(self._heard_bytes, now)

    def tick(self, now: float) -> bool:
        """Measure; whether it is still being sent. Padding (probes) does not count."""
        heard = self.source.payload_bytes
        self._quiet_ticks = 0 if heard != self._heard_bytes else self._quiet_ticks + 1
        self._heard_bytes = heard
        if self._quiet_ticks >= QUIET_TICKS:
            self.is_active = False
            self.rate.reset()
        else:
            self.rate.sample(heard, now)
        return self.is_active

    def take_turned_deaf(self) -> bool:
        """Whether it has begun to ignore PLIs since the last call."""
        before, self.ignores_pli = self.ignores_pli, self.source.ignores_pli
        return self.ignores_pli and not before


_NAMES: Final[dict[int, tuple[LayerName, ...]]] = {
    1: ("high",),
    2: ("low", "high"),
    3: ("low", "medium", "high"),
}
_KNOWN_ORDERS: Final = (("q", "h", "f"), ("l", "m", "h"), ("low", "medium", "high"))


def layer_name(index: int, count: int) -> LayerName:
    """What the `index`-th of `count` layers (lowest first) is called."""
    return _NAMES[count][index]


def highest_of(name: LayerName | None, count: int) -> int:
    """The index of the highest layer that `name` allows; None allows all. Of two layers the lower
    one is also the one in the middle."""
    match name:
        case "low":
            return 0
        case "medium":
            return max(0, count - 2)
        case _:
            return count - 1


def lowest_first(rids: Sequence[str]) -> tuple[str, ...]:
    """Rids by rank: by names that everybody uses, else as they were listed (browsers list the
    lowest first when asked in that order, as our SDK does)."""
    for known in _KNOWN_ORDERS:
        if set(rids) <= set(known):
            return tuple(sorted(rids, key=known.index))
    return tuple(rids)
