"""What a clip is to be: codec, size, rate, length."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from loadtest.media_source import PictureSize
from loadtest.publisher import parse_size

Codec = Literal["VP8", "H264"]

LOWEST_BPS: Final = 20_000
HIGHEST_BPS: Final = 50_000_000
LONGEST_S: Final = 60.0
"""The clip is held in memory, and it is encoded while people wait to join."""


class Resolution(NamedTuple):
    """A picture size and the bitrate it gets when none is asked for."""

    size: PictureSize
    bitrate_bps: int


SIZES: Final = {
    "high": Resolution(PictureSize(1280, 720, 30), 1_200_000),
    "medium": Resolution(PictureSize(640, 360, 30), 600_000),
    "low": Resolution(PictureSize(320, 180, 15), 150_000),
}
"""The names of `lk load-test --video-resolution`."""


@dataclass(frozen=True)
class ClipSpec:
    """Raises `ValueError` (one line) for what no encoder takes. Equal specs are one clip."""

    codec: Codec
    width: int
    """Pixels; even, as 4:2:0 needs it. A limit for pictures of a file, which keep their shape."""
    height: int
    fps: int
    bitrate_bps: int
    """Of the video, payload only."""
    seconds: float = 4.0
    """Rounded up to whole groups of pictures, so that the loop never cuts one short."""
    gop_s: float = 2.0
    """From key frame to key frame. Sooner when a receiver asks for one."""
    file: Path | None = None
    """A file of the user's; None: the moving test picture."""

    def __post_init__(self) -> None:
        if not (16 <= self.width <= 3840 and 16 <= self.height <= 2160 and 1 <= self.fps <= 60):
            raise ValueError(f"{self.size_text}: 16x16 to 3840x2160 at 1 to 60 pictures/s")
        if self.width % 2 or self.height % 2:
            raise ValueError(f"{self.size_text}: width and height must be even")
        if not LOWEST_BPS <= self.bitrate_bps <= HIGHEST_BPS:
            raise ValueError(
                f"{self.bitrate_bps} bit/s: a clip has {LOWEST_BPS} to {HIGHEST_BPS} bit/s"
            )
        if not 0 < self.gop_s <= self.seconds <= LONGEST_S:
            raise ValueError(
                f"a clip of {self.seconds:g} s with a key frame every {self.gop_s:g} s: it lasts"
                f" {LONGEST_S:g} s at most, and at least one group of pictures"
            )

    @property
    def size(self) -> PictureSize:
        return PictureSize(self.width, self.height, self.fps)

    @property
    def size_text(self) -> str:
        """`1280x720@30`."""
        return f"{self.width}x{self.height}@{self.fps}"


def clip_spec(resolution: str, codec: Codec = "VP8", *, bitrate_bps: int | None = None) -> ClipSpec:
    """`resolution` is one of `SIZES` or `1280x720@30`; raises `ValueError` on anything else.

    Without `bitrate_bps` a size of one's own gets as many bits per pixel as "high" has.
    """
    known = SIZES.get(resolution)
    if known is None:
        try:
            size = parse_size(resolution)
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"{error}, or one of {', '.join(SIZES)}") from None
        known = Resolution(size, _usual_bitrate_bps(size))
    return ClipSpec(codec, *known.size, bitrate_bps=bitrate_bps or known.bitrate_bps)


def simulcast_specs(top: ClipSpec, rids: tuple[str, ...]) -> tuple[tuple[str, ClipSpec], ...]:
    """One spec per rid, from the smallest to `top`: each has half the width and height of the next
    (as browsers scale simulcast encodings) and a quarter of its bitrate, but `LOWEST_BPS`."""
    return tuple(
        (rid, _scaled(top, 2 ** (len(rids) - 1 - place))) for place, rid in enumerate(rids)
    )


def _scaled(top: ClipSpec, divisor: int) -> ClipSpec:
    return replace(
        top,
        width=max(16, top.width // divisor // 2 * 2),
        height=max(16, top.height // divisor // 2 * 2),
        bitrate_bps=max(LOWEST_BPS, top.bitrate_bps // divisor**2),
    )


def _usual_bitrate_bps(size: PictureSize) -> int:
    high = SIZES["high"]
    pixels_per_s = size.width * size.height * size.fps
    per_pixel = high.bitrate_bps / (high.size.width * high.size.height * high.size.fps)
    return min(HIGHEST_BPS, max(LOWEST_BPS, round(pixels_per_s * per_pixel)))
