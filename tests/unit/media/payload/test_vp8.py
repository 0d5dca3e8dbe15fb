"""VP8 descriptors (RFC 7741 §4.2): each combination of fields, cut at each length, renumbered."""

from __future__ import annotations

from itertools import product

import pytest

from media.errors import RemoteProtocolError
from media.payload.vp8 import parse_descriptor_untrusted, renumber
from tests.support.rtp_kit import vp8_payload


@pytest.mark.parametrize(
    ("picture_id", "long_id", "tl0picidx", "tid", "keyidx"),
    list(product([None, 5], [True, False], [None, 9], [None, 2], [None, 31])),
)
def test_every_combination_of_fields(
    picture_id: int | None,
    long_id: bool,
    tl0picidx: int | None,
    tid: int | None,
    keyidx: int | None,
) -> None:
    payload = vp8_payload(
        picture_id=picture_id, long_id=long_id, tl0picidx=tl0picidx, tid=tid, keyidx=keyidx
    )
    descriptor = parse_descriptor_untrusted(payload)
    assert payload[descriptor.size_bytes :] == b"\x01frame"
    assert descriptor.picture_id == (-1 if picture_id is None else picture_id)
    assert descriptor.tl0picidx == (-1 if tl0picidx is None else tl0picidx)
    assert descriptor.tid == (-1 if tid is None else tid)
    assert descriptor.keyidx == (-1 if keyidx is None else keyidx)
    moved = renumber(payload, descriptor, 3, 4, 5)
    after = parse_descriptor_untrusted(moved)
    assert moved[after.size_bytes :] == b"\x01frame"
    assert after.picture_id == (-1 if picture_id is None else 8)
    assert after.tl0picidx == (-1 if tl0picidx is None else 13)
    assert after.tid == descriptor.tid
    assert after.keyidx == (-1 if keyidx is None else 4)
    for cut in range(descriptor.size_bytes):
        with pytest.raises(RemoteProtocolError):
            parse_descriptor_untrusted(payload[:cut])


@pytest.mark.parametrize(
    ("first", "frame", "is_start"),
    [
        (0x10, 0x00, True),
        (0x10, 0x01, False),  # P bit: an inter frame
        (0x00, 0x00, False),  # not the start of a partition
        (0x11, 0x00, False),  # partition 1
        (0x30, 0x00, True),  # a non-reference key frame is one all the same
    ],
)
def test_key_frame_start(first: int, frame: int, is_start: bool) -> None:
    assert parse_descriptor_untrusted(bytes((first, frame))).is_keyframe_start is is_start


def test_a_descriptor_without_a_payload_starts_nothing() -> None:
    assert not parse_descriptor_untrusted(b"\x10").is_keyframe_start


def test_nothing_to_change_is_the_same_object() -> None:
    payload = vp8_payload(picture_id=300)
    assert renumber(payload, parse_descriptor_untrusted(payload), 0, 0, 0) is payload
    plain = vp8_payload()
    assert renumber(plain, parse_descriptor_untrusted(plain), 1, 1, 1) is plain


@pytest.mark.parametrize("number", [0, 1, 126, 127])
def test_short_picture_ids_grow_to_long_ones(number: int) -> None:
    payload = vp8_payload(picture_id=number, long_id=False)
    descriptor = parse_descriptor_untrusted(payload)
    descriptor.ext_picture_id = 128 + number  # what the source's track makes of it
    grown = renumber(payload, descriptor, 0, 0, 0)
    after = parse_descriptor_untrusted(grown)
    assert (after.picture_id, after.picture_id_bits) == (128 + number, 15)
    assert len(grown) == len(payload) + 1


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("start", [False, True])
def test_the_sync_bit_and_the_first_packet_of_a_picture_are_read(sync: bool, start: bool) -> None:
    descriptor = parse_descriptor_untrusted(vp8_payload(tid=2, sync=sync, start=start))
    assert descriptor.is_layer_sync is sync
    assert descriptor.starts_picture is start


def test_the_sync_bit_survives_another_numbering() -> None:
    payload = vp8_payload(picture_id=5, tl0picidx=6, tid=1, sync=True)
    again = parse_descriptor_untrusted(
        renumber(payload, parse_descriptor_untrusted(payload), 9, 1, 0)
    )
    assert (again.picture_id, again.tl0picidx, again.tid, again.is_layer_sync) == (14, 7, 1, True)
