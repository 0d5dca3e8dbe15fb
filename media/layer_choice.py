"""Which layer a slot shall get: the highest that everything allows.

    what is being sent     `Layer.is_active`
    how it is shown        a small slot gets no more than the middle layer
    the viewer's choice    `ViewerSlot.max_layer`
    his bandwidth          `ViewerSlot.budget`, set through `Switchboard.choose` by whoever shares
                           an estimate among his slots; without limit until then

This is the one place where these meet. It is asked again whenever one of them changes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from media.layer import Layer, highest_of
from media.publisher import PublishedTrack
from media.viewer import ViewerSlot

LimitedBy = Literal["nothing", "bandwidth", "size", "choice"]


class LayerChoice(NamedTuple):
    """`layer` None: nothing is to be sent. `max_temporal` None lets all temporal layers through.
    `limited_by` says why it is not more than that."""

    layer: Layer | None
    max_temporal: int | None
    limited_by: LimitedBy


def wanted_layers(slot: ViewerSlot) -> LayerChoice:
    """The choice for a slot as things are. Changes nothing."""
    track = slot.track
    if track is None:
        return LayerChoice(None, None, "nothing")
    if slot.is_paused or slot.size == "hidden":
        return LayerChoice(None, None, "choice" if slot.is_paused else "size")
    budget = slot.budget
    if budget.layer is None:
        return LayerChoice(None, None, "bandwidth")
    count = len(track.layers)
    by_choice = highest_of(slot.max_layer, count)
    by_size = highest_of("medium" if slot.size == "small" else None, count)
    index = _best_sent(track, min(by_choice, by_size, budget.layer))
    limited_by: LimitedBy = "nothing"
    if index < _best_sent(track, count - 1) or budget.max_temporal is not None:
        if budget.layer < min(by_choice, by_size) or budget.max_temporal is not None:
            limited_by = "bandwidth"
        else:
            limited_by = "size" if by_size < by_choice else "choice"
    return LayerChoice(track.layers[index], budget.max_temporal, limited_by)


def _best_sent(track: PublishedTrack, highest: int) -> int:
    """The best layer up to `highest` that is being sent; else the next above, for too much of a
    picture is better than none; without any, the one that will come first."""
    layers = track.layers
    sent = [index for index, layer in enumerate(layers) if layer.is_active]
    below = [index for index in sent if index <= highest]
    if below:
        return below[-1]
    return sent[0] if sent else 0
