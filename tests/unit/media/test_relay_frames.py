"""Frames between workers: whole, cut anywhere, hostile; packets come out as they went in."""

from __future__ import annotations

import contextlib
import random

import pytest

from media.errors import RemoteProtocolError
from media.media_clock import PublisherClock
from media.relay_frames import (
    RELAYED_IDS,
    FrameReader,
    Kind,
    frame,
    packet_frames,
    read_report_untrusted,
    report_body,
)
from media.rtp import AUDIO_LEVEL_URI, SourcePacket
from media.source_track import SourceOptions, SourceTrack
from tests.support.rtp_kit import SEQUENCE_STARTS, rtp_bytes

NTP = 0x1234567890ABCDEF


def source(**changes: object) -> SourceTrack:
    fields: dict[str, object] = {
        "source_id": 1, "kind": "video", "codec": "h264", "clock_rate": 90_000,
        "payload_type": 96, "local_ssrc": 1, "cname": "c", "wall_offset_s": 0.0,
        "extension_ids": RELAYED_IDS,
    }  # fmt: skip
    return SourceTrack(SourceOptions(**(fields | changes)), PublisherClock())  # type: ignore[arg-type]  # test values


def test_frames_cut_anywhere_are_the_same() -> None:
    wire = (
        frame(Kind.HELLO, 7)
        + frame(Kind.REPORT, 2**32 - 1, 2, report_body(NTP, 2**32 + 5))
        + frame(Kind.KEYFRAME, 0, 255)
        + frame(Kind.PACKET, 9, 1, bytes(1200))
    )
    whole = FrameReader().read_untrusted(wire)
    assert [(each.kind, each.channel, each.layer, len(each.body)) for each in whole] == [
        (Kind.HELLO, 7, 0, 0),
        (Kind.REPORT, 2**32 - 1, 2, 12),
        (Kind.KEYFRAME, 0, 255, 0),
        (Kind.PACKET, 9, 1, 1200),
    ]
    assert read_report_untrusted(whole[1].body) == (NTP, 5)
    reader = FrameReader()
    bytewise = [each for byte in wire for each in reader.read_untrusted(bytes((byte,)))]
    assert bytewise == whole
    for cut in range(len(wire)):
        reader = FrameReader()
        assert reader.read_untrusted(wire[:cut]) + reader.read_untrusted(wire[cut:]) == whole


@pytest.mark.parametrize("length", range(6))
def test_a_frame_too_short_for_its_head_ends_the_link(length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        FrameReader().read_untrusted(length.to_bytes(2, "big") + bytes(6))


@pytest.mark.parametrize("size", [0, 11, 13])
def test_a_report_of_a_wrong_length(size: int) -> None:
    with pytest.raises(RemoteProtocolError):
        read_report_untrusted(bytes(size))


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_are_frames_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    reader = FrameReader()
    data = rng.randbytes(4000)
    taken = 0
    with contextlib.suppress(RemoteProtocolError):
        for start in range(0, len(data), 100):
            frames = reader.read_untrusted(data[start : start + 100])
            taken += sum(8 + len(each.body) for each in frames)
    assert taken <= len(data)


@pytest.mark.parametrize("first_seq", SEQUENCE_STARTS)
def test_packets_come_out_as_they_went_in(first_seq: int) -> None:
    here, there = source(), source()
    sent: list[SourcePacket] = []
    for number in range(4):
        seq, timestamp = (first_seq + number) & 0xFFFF, (2**32 - 3000 + 3000 * number) & 0xFFFFFFFF
        plain = rtp_bytes(seq, timestamp, payload=b"\x65" + bytes(20), marker=number == 3)
        packet = here.receive(plain, 1.0)
        assert packet is not None
        sent.append(packet)
    got = [
        there.receive(each.body, 1.0)
        for each in FrameReader().read_untrusted(packet_frames(3, 0, sent, None))
    ]
    for was, came in zip(sent, got, strict=True):
        assert came is not None
        for name in (
            "ssrc", "ext_seq", "payload", "payload_type", "marker", "is_keyframe_start",
            "audio_level", "video_orientation",
        ):  # fmt: skip
            assert getattr(came, name) == getattr(was, name), name
        assert (came.ext_timestamp - was.ext_timestamp) % 2**32 == 0


def test_extensions_that_viewers_may_get_cross_under_ids_of_our_own() -> None:
    ids = {uri: number + 8 for uri, number in RELAYED_IDS.items()}
    here = source(kind="audio", codec="opus", clock_rate=48_000, extension_ids=ids)
    there = source(kind="audio", codec="opus", clock_rate=48_000)
    level = ids[AUDIO_LEVEL_URI]
    packet = here.receive(rtp_bytes(1, 960, payload=b"opus", extensions={level: b"\x85"}), 1.0)
    assert packet is not None
    assert packet.audio_level == 0x85
    [crossed] = FrameReader().read_untrusted(packet_frames(3, 0, [packet], None))
    came = there.receive(crossed.body, 1.0)
    assert came is not None
    assert (came.audio_level, came.payload) == (0x85, b"opus")
