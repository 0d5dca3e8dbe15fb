"""A viewer's NACK: answered by RTX, or bit-identical without it, never beyond the budget."""

from __future__ import annotations

import pytest

from media.downlink import RESEND_BURST
from media.fanout import FanOutCounters, fan_out
from media.forwarder import Feed
from media.resend import answer_nack, is_past_mending
from media.ring import RetransmissionRing
from media.rtp import (
    ABS_SEND_TIME_URI,
    MID_URI,
    SourcePacket,
    parse_rtp_untrusted,
    read_extensions_untrusted,
)
from media.srtp import OutBuffer
from tests.support.rtp_kit import KeepingSender, Viewer, feed, source_packet, vp8_payload

IDS = {MID_URI: 1, ABS_SEND_TIME_URI: 2}


class Scene:
    """One viewer of source 1 (or more), and everything it was sent."""

    def __init__(self, **viewer: object) -> None:
        self.viewer = Viewer(extension_ids=IDS, **viewer)  # type: ignore[arg-type]  # passed on
        self.rings = {1: RetransmissionRing(), 2: RetransmissionRing()}
        self.sender = KeepingSender()
        self.viewer.stream.point(feed(1))

    def send(self, packets: list[SourcePacket], stamp: int = 1) -> None:
        for packet in packets:
            self.rings[packet.source_id].put(packet)
        fan_out(
            packets,
            [self.viewer.stream],
            sender=self.sender,
            buffer=OutBuffer(),
            stamp=stamp,
            counters=FanOutCounters(),
        )

    def nack(
        self, *seqs: int, stamp: int = 2, now: float = 0.0, only_source: int | None = None
    ) -> list[bytes]:
        sender = KeepingSender()
        answer_nack(
            self.viewer.stream, seqs, ring_of=self.rings.get, sender=sender, stamp=stamp, now=now,
            only_source=only_source,
        )  # fmt: skip
        return [data for _, data in sender.datagrams]

    def open(self, data: bytes) -> bytes:
        opened = self.viewer.receiver.unprotect_rtp(data)
        assert opened is not None
        return opened


def test_rtx_carries_the_original_number_and_a_fresh_stamp() -> None:
    scene = Scene()
    payloads = [vp8_payload(keyframe=n == 0, picture_id=n, long_id=False) for n in range(3)]
    scene.send(
        [
            source_packet(50 + n, payload=payloads[n], codec="vp8", keyframe=n == 0, marker=n == 1)
            for n in range(3)
        ]
    )
    (data,) = scene.nack(1001)
    opened = scene.open(data)
    header = parse_rtp_untrusted(opened)
    assert header.ssrc == scene.viewer.stream.rtx_ssrc
    assert (header.payload_type, header.seq, header.marker) == (103, 7, True)
    assert header.rtp_timestamp == 500_000 + 3000
    assert read_extensions_untrusted(opened, header) == {1: b"0", 2: b"\0\0\2"}
    sent = scene.open(scene.sender.datagrams[1][1])
    sent_header = parse_rtp_untrusted(sent)
    body = opened[header.payload_start :]
    assert int.from_bytes(body[:2], "big") == sent_header.seq == 1001
    assert body[2:] == sent[sent_header.payload_start :]
    (again,) = scene.nack(1001)
    assert parse_rtp_untrusted(scene.open(again)).seq == 8


def test_packets_of_a_layer_that_is_left_are_not_sent_again() -> None:
    scene = Scene()
    scene.send([source_packet(50, keyframe=True), source_packet(51)])
    scene.viewer.stream.point(feed(2))
    scene.send([source_packet(9, source_id=2, keyframe=True)])
    assert len(scene.nack(1000, 1001, 1002)) == 3
    assert len(scene.nack(1000, 1001, 1002, only_source=2)) == 1
    assert scene.viewer.stream.resend_refused == 2


def test_without_rtx_a_resend_is_bit_identical() -> None:
    """Under AES-GCM anything else would protect two plaintexts with one nonce (DESIGN 3.7)."""
    scene = Scene(rtx=False)
    scene.send([source_packet(50, keyframe=True), source_packet(51)], stamp=111)
    first = [data for _, data in scene.sender.datagrams]
    assert scene.nack(1001, 1000, stamp=999) == [first[1], first[0]]


def test_sound_comes_again_as_it_was() -> None:
    scene = Scene(rtx=False, kind="audio")
    scene.send([source_packet(50), source_packet(51)], stamp=111)
    first = [data for _, data in scene.sender.datagrams]
    assert scene.nack(1001, stamp=999) == [first[1]]


def test_stamped_streams_without_rtx_are_not_resent() -> None:
    scene = Scene()
    scene.viewer.stream.point(Feed(1, 102, None, 90_000, "seat-0"))
    scene.send([source_packet(50, keyframe=True), source_packet(51)])
    assert scene.nack(1001) == []


def test_numbers_from_before_a_switch_are_answered_from_the_old_source() -> None:
    scene = Scene()
    scene.send([source_packet(50, keyframe=True), source_packet(51, payload=b"old")])
    scene.viewer.stream.point(feed(2))
    scene.send([source_packet(900, source_id=2, keyframe=True)])
    (data,) = scene.nack(1001)
    assert scene.open(data).endswith(b"old")


def test_a_packet_that_came_after_the_switch_is_sent_when_asked_for() -> None:
    scene = Scene()
    scene.send([source_packet(50, keyframe=True), source_packet(52)])
    scene.viewer.stream.point(feed(2))
    scene.send([source_packet(900, source_id=2, keyframe=True)])
    scene.send([source_packet(51, payload=b"late")])
    assert len(scene.sender.datagrams) == 3
    (data,) = scene.nack(1001)
    assert scene.open(data).endswith(b"late")


@pytest.mark.parametrize("seq", [999, 1003, 5, 40_000])
def test_numbers_that_stand_for_nothing(seq: int) -> None:
    scene = Scene()
    scene.send([source_packet(50, keyframe=True), source_packet(51), source_packet(52)])
    assert scene.nack(seq) == []
    assert scene.viewer.stream.stats().resend_missing == 1


def test_a_source_that_is_gone() -> None:
    scene = Scene()
    scene.send([source_packet(50, keyframe=True)])
    scene.rings.clear()
    assert scene.nack(1000) == []


def test_a_nack_storm_ends_at_the_budget() -> None:
    scene = Scene()
    scene.send([source_packet(50, keyframe=True)])
    storm = [1000] * 10_000
    assert len(scene.nack(*storm, now=1.0)) == int(RESEND_BURST)
    stats = scene.viewer.stream.stats()
    assert stats.resend_refused == 10_000 - int(RESEND_BURST)
    assert stats.retransmitted == int(RESEND_BURST)
    assert stats.nacked == 10_000
    assert len(scene.nack(1000, now=2.0)) == 1


def test_without_keys_nothing_is_sent() -> None:
    scene = Scene()
    scene.send([source_packet(50, keyframe=True)])
    scene.viewer.downlink.protector = None
    assert scene.nack(1000) == []


def test_what_the_ring_forgot_is_past_mending_while_it_is_shown() -> None:
    scene = Scene()
    scene.send([source_packet(50, keyframe=True, arrival=0.0), source_packet(51, arrival=0.1)])
    assert not is_past_mending(scene.viewer.stream, [1001], scene.rings.get)
    scene.send([source_packet(52, arrival=10.0)])
    assert is_past_mending(scene.viewer.stream, [1001, 1002], scene.rings.get)
    assert not is_past_mending(scene.viewer.stream, [1002], scene.rings.get)
    assert not is_past_mending(scene.viewer.stream, [9000], scene.rings.get), "never sent"
    scene.viewer.stream.point(feed(2))
    scene.send([source_packet(900, source_id=2, keyframe=True)])
    assert not is_past_mending(scene.viewer.stream, [1001], scene.rings.get), "another is shown"
