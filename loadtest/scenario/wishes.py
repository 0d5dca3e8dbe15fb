"""What a command line asks of a scenario, parsed; None means: not asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from loadtest.scenario.model import Limit
from loadtest.scenario.slo_names import SloName

LAYOUTS: Final = {"speaker": 1, "3x3": 9, "4x4": 16, "5x5": 25}
"""Video slots of each viewer, by the name of the layout."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """Rates are a second and of a whole group; 0 turns that kind of message off."""

    room: str | None = None
    duration_s: float | None = None
    seed: int | None = None
    lines: Path | None = None
    video_publishers: int | None = None
    audio_publishers: int | None = None
    subscribers: int | None = None
    sockets: int | None = None
    joins_per_s: float | None = None
    resolution: str | None = None
    codec: Literal["VP8", "H264"] | None = None
    simulcast: bool | None = None
    layout: str | None = None
    """A key of `LAYOUTS`."""
    chat_per_s: float | None = None
    ask_per_s: float | None = None
    like_per_s: float | None = None
    network: dict[str, float] | None = None
    """Fields of an `Impairment`."""
    slo: dict[SloName, Limit] | None = None

    @property
    def talks(self) -> bool:
        """Somebody needs a room socket."""
        asked = (self.sockets, self.chat_per_s, self.ask_per_s, self.like_per_s)
        return any(amount for amount in asked)

    @property
    def builds(self) -> bool:
        """Says enough to make a scenario of its own."""
        people = (self.video_publishers, self.audio_publishers, self.subscribers)
        return self.talks or any(count is not None for count in people)
