"""What a viewer's slots would take: the layers being sent that size and viewer allow.

Temporal layers are measured on the last packets of a layer, and only for VP8, whose descriptor
tells them (RFC 7741 §4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from media.allocator import Option
from media.layer import Layer, highest_of
from media.ring import RetransmissionRing
from media.slot_shares import Want
from media.viewer import ViewerSlot

MEASURED_PACKETS: Final = 100
"""About a second of a middle layer, some pictures of a large one."""
LEAST_GAIN: Final = 0.1
"""Leaving out temporal layers that are a smaller share than this is not worth fewer frames."""
UNMEASURED_VOICE_BPS: Final = 64_000

MAX_STEPS: Final = 1
"""Each temporal layer left out halves the frames: at 7 a second a sharp picture is no better than a
smooth one of half the size."""

Thinnings = tuple[tuple[int | None, int], ...]
"""The ways to send a layer, with fewer frames first: `(max_temporal, bitrate)`."""
OptionsOf = Callable[[Layer], Thinnings]


def wants_of(slots: Iterable[ViewerSlot], options_of: OptionsOf) -> list[Want]:
    """One `Want` for each slot that shows something whose bitrate is known."""
    wants = [_want(slot, options_of) for slot in slots]
    return [want for want in wants if want is not None]


def _want(slot: ViewerSlot, options_of: OptionsOf) -> Want | None:
    track = slot.track
    if track is None or track.is_muted or slot.is_paused or slot.size == "hidden":
        return None
    if slot.kind == "audio":
        rate_bps = track.layers[0].rate.bps or UNMEASURED_VOICE_BPS
        return Want(slot.mid, "audio", slot.size, (Option(0, None, rate_bps),))
    allowed = _allowed_layers(slot)
    options = tuple(
        Option(index, temporal, rate_bps)
        for index in allowed
        for temporal, rate_bps in _smooth(options_of(track.layers[index]), index == allowed[0])
    )
    return Want(slot.mid, "video", slot.size, options) if options else None


def _smooth(thinned: Thinnings, is_lowest: bool) -> Thinnings:
    """Half the frames at least, while there is a lower layer that gives more of them."""
    return thinned if is_lowest else thinned[-MAX_STEPS - 1 :]


def _allowed_layers(slot: ViewerSlot) -> list[int]:
    """Layers being sent that size and viewer allow; without one the least that is sent."""
    assert slot.track is not None, "an empty slot wants nothing"
    layers = slot.track.layers
    count = len(layers)
    by_size = highest_of("medium" if slot.size == "small" else None, count)
    highest = min(by_size, highest_of(slot.max_layer, count))
    sent = [index for index, layer in enumerate(layers) if layer.is_active and layer.rate.bps]
    return [index for index in sent if index <= highest] or sent[:1]


def thinnings(layer: Layer) -> Thinnings:
    """Of one layer, as its last packets were."""
    rate_bps = layer.rate.bps
    shares = temporal_shares(layer.source.ring)
    return (
        *(
            (temporal, round(rate_bps * share))
            for temporal, share in enumerate(shares)
            if share <= 1 - LEAST_GAIN
        ),
        (None, rate_bps),
    )


def temporal_shares(ring: RetransmissionRing) -> list[float]:
    """What share of the bits the temporal layers up to 0, 1... take; [1.0] without any."""
    sizes: dict[int, int] = {}
    for packet in ring.newest(MEASURED_PACKETS):
        temporal = max(0, packet.vp8.tid) if packet.vp8 is not None else 0
        sizes[temporal] = sizes.get(temporal, 0) + len(packet.payload)
    total, upto = sum(sizes.values()), 0
    shares = []
    for temporal in range(max(sizes, default=0) + 1):
        upto += sizes.get(temporal, 0)
        shares.append(upto / total if total else 1.0)
    return shares
