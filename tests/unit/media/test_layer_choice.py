"""The highest layer that everything allows, and what kept it from being higher."""

from __future__ import annotations

import random
from typing import Final

import pytest

from media.assembly import Assembler, PlaneOptions
from media.layer_choice import LayerChoice, wanted_layers
from media.sdp import parse_offer_untrusted
from media.seam import LayerName, PeerId, PlayOffer, PublishOffer, RequestId, SlotSize
from media.viewer import ViewerSlot
from tests.support.plane_client import SOURCES
from tests.support.plane_offer import OfferText
from tests.support.plane_world import SERVER_CERTIFICATE

OPTIONS: Final = PlaneOptions(
    addresses=(("198.51.100.1", 7882),),
    certificate=SERVER_CERTIFICATE,
    wall_offset_s=0.0,
    randbits=random.Random(1).getrandbits,
)


def slot_on(rids: tuple[str, ...], sent: str) -> ViewerSlot:
    """A slot pointed at a track of which the layers `sent` come."""
    assembler = Assembler(OPTIONS)
    publishing = str(OfferText(direction="sendonly", rids=rids, announces=False))
    watching = str(OfferText(direction="recvonly"))
    ask = RequestId("1")
    publish = PublishOffer(ask, PeerId("host"), publishing, "host/s1", SOURCES)
    publisher, _ = assembler.publisher(publish, parse_offer_untrusted(publishing), 0.0)
    play = PlayOffer(ask, PeerId("ann"), watching)
    viewer, _ = assembler.viewer(play, parse_offer_untrusted(watching), 0.0)
    track, slot = publisher.tracks[1], viewer.slots["1"]
    for layer in track.layers:
        layer.is_active = layer.rid in sent
    slot.point(track, slot.codecs[0], 1)
    return slot


def chosen(choice: LayerChoice) -> tuple[str | None, str]:
    return (None if choice.layer is None else choice.layer.rid, choice.limited_by)


@pytest.mark.parametrize(
    ("sent", "size", "most", "expected"),
    [
        ("qhf", "big", None, ("f", "nothing")),
        ("qhf", "small", None, ("h", "size")),
        ("qhf", "big", "medium", ("h", "choice")),
        ("qhf", "small", "low", ("q", "choice")),
        ("qhf", "small", "high", ("h", "size")),
        ("qhf", "hidden", None, (None, "size")),
        ("qh", "big", None, ("h", "nothing")),
        ("qh", "small", None, ("h", "nothing")),
        ("qf", "small", None, ("q", "size")),
        ("hf", "big", "low", ("h", "choice")),
        ("f", "small", "low", ("f", "nothing")),
        ("", "big", None, ("q", "nothing")),
    ],
)
def test_size_and_choice(
    sent: str, size: SlotSize, most: LayerName | None, expected: tuple[str | None, str]
) -> None:
    slot = slot_on(("q", "h", "f"), sent)
    slot.size, slot.max_layer = size, most
    assert chosen(wanted_layers(slot)) == expected


@pytest.mark.parametrize(
    ("layer", "max_temporal", "size", "expected"),
    [
        (2, None, "big", ("f", "nothing")),
        (1, None, "big", ("h", "bandwidth")),
        (1, None, "small", ("h", "size")),
        (0, None, "small", ("q", "bandwidth")),
        (2, 1, "big", ("f", "bandwidth")),
        (None, None, "big", (None, "bandwidth")),
    ],
)
def test_bandwidth(
    layer: int | None, max_temporal: int | None, size: SlotSize, expected: tuple[str | None, str]
) -> None:
    slot = slot_on(("q", "h", "f"), "qhf")
    slot.size = size
    slot.choose(layer, max_temporal)
    choice = wanted_layers(slot)
    assert chosen(choice) == expected
    assert choice.max_temporal == max_temporal


def test_of_two_layers_a_small_slot_gets_the_lower() -> None:
    slot = slot_on(("low", "high"), "low high")
    slot.size = "small"
    assert chosen(wanted_layers(slot)) == ("low", "size")


def test_without_simulcast_there_is_one_layer_whatever_is_asked() -> None:
    slot = slot_on((), "")
    slot.size, slot.max_layer = "small", "low"
    assert chosen(wanted_layers(slot)) == ("", "nothing")


def test_paused_and_empty_slots_want_nothing() -> None:
    slot = slot_on(("q", "h", "f"), "qhf")
    slot.is_paused = True
    assert chosen(wanted_layers(slot)) == (None, "choice")
    slot.point(None, None, 2)
    assert chosen(wanted_layers(slot)) == (None, "nothing")
