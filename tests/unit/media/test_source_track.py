"""One published track: packets in; shared packets, NACKs, PLIs and reports out."""

from __future__ import annotations

import random

import pytest

from media import rtcp
from media.errors import RemoteProtocolError
from media.media_clock import PublisherClock
from media.rtp import ABS_CAPTURE_TIME_URI, AUDIO_LEVEL_URI, VIDEO_ORIENTATION_URI, SourcePacket
from media.source_track import SourceOptions, SourceTrack
from tests.support.rtp_kit import SEQUENCE_STARTS, VIDEO_TICKS, rtp_bytes, vp8_payload

SSRC, RTX_SSRC, LOCAL = 0x1111, 0x2222, 0x9999
PT, RTX_PT = 96, 97


def video(**changes: object) -> SourceTrack:
    settings: dict[str, object] = {
        "source_id": 4,
        "kind": "video",
        "codec": "vp8",
        "clock_rate": 90_000,
        "payload_type": PT,
        "rtx_payload_type": RTX_PT,
        "ssrc": SSRC,
        "rtx_ssrc": RTX_SSRC,
        "extension_ids": {VIDEO_ORIENTATION_URI: 3, ABS_CAPTURE_TIME_URI: 5},
        "remb_bps": 3_000_000,
        "local_ssrc": LOCAL,
        "cname": "server",
        "wall_offset_s": 1_790_000_000.0,
    }
    settings.update(changes)
    return SourceTrack(SourceOptions(**settings), PublisherClock())  # type: ignore[arg-type]  # a table of settings


def packet(seq: int, *, keyframe: bool = False, timestamp: int | None = None) -> bytes:
    return rtp_bytes(
        seq,
        seq * VIDEO_TICKS if timestamp is None else timestamp,
        payload=vp8_payload(keyframe=keyframe, picture_id=seq & 0x7FFF),
    )


def rtx(seq: int, original: int, *, payload: bytes | None = None) -> bytes:
    body = original.to_bytes(2, "big") + vp8_payload(picture_id=original & 0x7FFF)
    return rtp_bytes(
        seq,
        original * VIDEO_TICKS,
        ssrc=RTX_SSRC,
        payload_type=RTX_PT,
        payload=body if payload is None else payload,
    )


def feedback(track: SourceTrack, now: float) -> list[rtcp.AnyRtcpPacket]:
    return [
        message for data in track.poll_rtcp(now) for message in rtcp.parse_compound_untrusted(data)
    ]


def received(track: SourceTrack, data: bytes, now: float = 0.0) -> SourcePacket:
    taken = track.receive(data, now)
    assert taken is not None
    return taken


def test_a_packet_becomes_a_shared_one() -> None:
    track = video()
    data = rtp_bytes(
        65_535,
        0xFFFFFFFF,
        payload=vp8_payload(keyframe=True, picture_id=7),
        marker=True,
        extensions={3: b"\x02"},
    )
    taken = received(track, data, 5.0)
    assert (taken.source_id, taken.ssrc) == (4, SSRC)
    assert (taken.seq, taken.rtp_timestamp) == (65_535, 0xFFFFFFFF)
    assert (taken.arrival, taken.marker, taken.is_keyframe_start) == (5.0, True, True)
    assert taken.video_orientation == 2
    assert taken.vp8 is not None
    after = received(track, packet(0, timestamp=VIDEO_TICKS - 1))
    assert after.ext_seq == taken.ext_seq + 1
    assert after.ext_timestamp == taken.ext_timestamp + VIDEO_TICKS
    assert track.ring.get(taken.ext_seq) is taken
    assert track.gop.packets == [taken, after]


@pytest.mark.parametrize("start", SEQUENCE_STARTS)
def test_numbers_unwrap_on_arrival(start: int) -> None:
    track = video()
    taken = [received(track, packet((start + n) & 0xFFFF, timestamp=n)) for n in range(5)]
    assert [each.ext_seq - taken[0].ext_seq for each in taken] == list(range(5))


@pytest.mark.parametrize("long_id", [True, False])
def test_picture_ids_unwrap_on_arrival(long_id: bool) -> None:
    track = video()
    top = 0x7FFF if long_id else 0x7F
    numbers = []
    for step in range(4):
        payload = vp8_payload(picture_id=(top - 1 + step) & top, long_id=long_id)
        taken = received(track, rtp_bytes(step, step * VIDEO_TICKS, payload=payload))
        assert taken.vp8 is not None
        numbers.append(taken.vp8.ext_picture_id)
    assert [number - numbers[0] for number in numbers] == [0, 1, 2, 3]


def test_duplicates_are_dropped_whether_sent_twice_or_by_rtx() -> None:
    track = video()
    received(track, packet(10))
    received(track, packet(12))
    assert track.receive(packet(10), 0.0) is None
    assert received(track, rtx(1, 11)).ext_seq == 65_536 + 11
    assert track.receive(packet(11), 0.0) is None
    assert track.receive(rtx(2, 11), 0.0) is None
    assert track.stats().dropped == {"duplicate": 3}


def test_what_is_not_ours_is_dropped_and_counted() -> None:
    track = video()
    assert track.receive(rtx(1, 5), 0.0) is None
    received(track, packet(10))
    assert track.receive(rtp_bytes(11, payload_type=13), 0.0) is None
    assert track.receive(rtp_bytes(11, ssrc=5), 0.0) is None
    assert track.receive(rtx(1, 10, payload=b""), 0.0) is None
    assert track.receive(rtx(1, 500), 0.0) is None
    assert track.receive(packet(40_000), 0.0) is None
    assert track.stats().dropped == {
        "rtx_early": 1,
        "payload_type": 1,
        "ssrc": 1,
        "padding": 1,
        "rtx_ahead": 1,
        "sequence": 1,
    }


def test_unsignalled_ssrcs_are_learned_from_the_first_packets() -> None:
    track = video(ssrc=None, rtx_ssrc=None)
    assert track.next_deadline() is None
    assert track.poll_rtcp(0.0) == []
    received(track, packet(10))
    received(track, packet(12))
    received(track, rtx(1, 11))
    assert (track.ssrc, track.rtx_ssrc) == (SSRC, RTX_SSRC)


@pytest.mark.parametrize(
    "data",
    [b"", rtp_bytes(2, payload=b"\x80"), rtx(1, 1, payload=b"x"), rtx(1, 1, payload=b"\0\1\x80")],
)
def test_malformed_packets_raise_and_change_nothing(data: bytes) -> None:
    track = video()
    received(track, packet(1))
    with pytest.raises(RemoteProtocolError):
        track.receive(data, 0.0)
    assert received(track, packet(2)).ext_seq == 65_536 + 2


def test_holes_are_nacked_and_mended_by_rtx() -> None:
    track = video()
    received(track, packet(10))
    received(track, packet(13), 0.0)
    assert feedback(track, 0.0) == []
    deadline = track.next_deadline()
    assert deadline == pytest.approx(0.010)
    (nack,) = feedback(track, 0.010)
    assert isinstance(nack, rtcp.RtcpRtpfbPacket)
    assert (nack.ssrc, nack.media_ssrc, nack.lost) == (LOCAL, SSRC, [11, 12])
    received(track, rtx(1, 11), 0.05)
    received(track, rtx(2, 12), 0.05)
    stats = track.stats()
    assert (stats.recovered, stats.lost, stats.nacks_sent) == (2, 0, 2)


def test_a_source_without_nack_is_not_asked_again() -> None:
    track = video(can_nack=False)
    received(track, packet(10))
    received(track, packet(12))
    assert feedback(track, 0.05) == []


def test_key_frame_requests_become_one_pli() -> None:
    track = video()
    received(track, packet(10))
    for _ in range(100):
        track.request_keyframe()
    (pli,) = feedback(track, 0.0)
    assert rtcp.is_pli(pli)
    assert feedback(track, 0.01) == []
    received(track, packet(11, keyframe=True), 0.02)
    assert feedback(track, 0.03) == []
    assert track.stats().plis_sent == 1
    assert track.stats().keyframes == 1


def test_audio_and_deaf_sources_get_no_pli() -> None:
    audio = video(kind="audio", codec="opus", clock_rate=48_000)
    received(audio, rtp_bytes(1))
    audio.request_keyframe()
    assert feedback(audio, 0.0) == []
    deaf = video(can_pli=False)
    received(deaf, packet(1))
    deaf.request_keyframe()
    assert feedback(deaf, 0.0) == []


def test_a_key_frame_of_several_packets_starts_once() -> None:
    track = video(codec="h264")
    starts = [
        received(track, rtp_bytes(seq, timestamp, payload=payload)).is_keyframe_start
        for seq, timestamp, payload in [
            (1, 100, b"\x67\x42"),
            (2, 100, b"\x68\xce"),
            (3, 100, b"\x65\x88"),
            (4, 200, b"\x41\x9a"),
            (5, 300, b"\x65\x88"),
        ]
    ]
    assert starts == [True, False, False, False, True]


def test_peak_timestamp_stays_above_b_frames() -> None:
    track = video(codec="h264")
    taken = [
        received(track, rtp_bytes(seq, timestamp, payload=b"\x41"))
        for seq, timestamp in [(1, 0), (2, 9000), (3, 3000), (4, 6000), (5, 18_000)]
    ]
    assert [each.peak_timestamp - taken[0].ext_timestamp for each in taken] == [
        0,
        9000,
        9000,
        9000,
        18_000,
    ]


def test_reports_are_sent_each_second_with_the_estimate() -> None:
    track = video()
    track.handle_sender_report(rtcp.ntp64(100.0), 0, 0.0)  # before the first packet: no anchor
    for seq in [10, 11, 12, 13, 15]:
        received(track, packet(seq), 0.0)
    track.handle_sender_report(rtcp.ntp64(100.0), 10 * VIDEO_TICKS, 0.05)
    report, remb = (each for each in feedback(track, 0.3) if not rtcp.is_nack(each))
    assert isinstance(report, rtcp.RtcpRrPacket)
    (block,) = report.reports
    assert (block.ssrc, block.highest_sequence & 0xFFFF) == (SSRC, 15)
    assert (block.packets_lost, block.fraction_lost) == (1, 256 // 6)
    assert block.lsr == rtcp.compact_ntp(rtcp.ntp64(100.0))
    assert block.dlsr == int(0.25 * 65_536)
    assert rtcp.remb_bps(remb) == 3_000_000
    assert track.next_deadline() is not None
    again = [each for each in feedback(track, 1.31) if isinstance(each, rtcp.RtcpRrPacket)]
    assert again[0].reports[0].fraction_lost == 0


def test_capture_time_is_moved_to_our_clock() -> None:
    track = video()
    publisher_ntp = rtcp.ntp64(1_000.0)
    data = rtp_bytes(1, payload=vp8_payload(), extensions={5: publisher_ntp.to_bytes(8, "big")})
    taken = received(track, data, 50.0)
    # Estimates come from arrival: this first packet cannot be placed better than its arrival.
    second = rtp_bytes(
        2,
        VIDEO_TICKS,
        payload=vp8_payload(),
        extensions={5: rtcp.ntp64(1_000.0 + 1 / 30).to_bytes(8, "big")},
    )
    taken = received(track, second, 50.1)
    assert taken.abs_capture_time is not None
    placed = rtcp.ntp_to_unix_s(taken.abs_capture_time) - 1_790_000_000.0
    assert 50.0 <= placed <= 50.1


def test_audio_level_is_read() -> None:
    track = video(kind="audio", codec="opus", extension_ids={AUDIO_LEVEL_URI: 1})
    taken = received(track, rtp_bytes(1, extensions={1: b"\x8a"}))
    assert taken.audio_level == 0x8A


def test_a_sender_that_starts_over_is_followed() -> None:
    track = video()
    received(track, packet(10, keyframe=True), 0.0)
    assert track.receive(packet(30_000, timestamp=5), 1.0) is None
    again = received(track, packet(30_001, timestamp=VIDEO_TICKS), 1.0)
    assert again.ext_seq == 65_536 + 30_001
    assert track.stats().restarts == 1
    assert track.gop.packets is None
    assert any(rtcp.is_pli(each) for each in feedback(track, 1.0))
    assert track.stats().lost == 0


@pytest.mark.parametrize("seed", [11, 12])
def test_a_lossy_uplink(seed: int) -> None:
    """5 % loss both ways, 30 ms each way, reordering: each packet comes out at most once, and
    all of them in the end."""
    dice = random.Random(seed)
    track = video()
    sent: dict[int, bytes] = {}
    arriving: list[tuple[float, bytes]] = []
    out: list[int] = []
    now, rtx_seq = 0.0, 0
    for step in range(2200):
        now += 0.002
        if step < 2000:
            sent[step & 0xFFFF] = packet(step & 0xFFFF, keyframe=step == 0)
            if dice.random() > 0.05 or step in (0, 1999):
                arriving.append((now + 0.03 + dice.random() * 0.004, sent[step & 0xFFFF]))
        due = [each for each in arriving if each[0] <= now]
        arriving = [each for each in arriving if each[0] > now]
        for at, data in sorted(due, key=lambda each: each[0]):
            taken = track.receive(data, at)
            if taken is not None:
                out.append(taken.ext_seq)
        for message in feedback(track, now):
            if not isinstance(message, rtcp.RtcpRtpfbPacket) or dice.random() < 0.05:
                continue
            for seq in message.lost:
                rtx_seq += 1
                if dice.random() > 0.05:
                    arriving.append((now + 0.06, rtx(rtx_seq, seq)))
    assert len(out) == len(set(out))
    assert set(out) == {65_536 + number for number in range(2000)}, f"seed {seed}"
    assert track.stats().lost == 0


# --- muting ---


def test_what_arrived_while_muted_is_not_kept_and_never_comes_later() -> None:
    track = video()
    track.receive(packet(10, keyframe=True), 0.0)
    track.receive(packet(11), 0.0)
    track.mute(True)
    assert len(track.ring) == 0
    assert track.gop.packets is None
    assert track.receive(packet(12, keyframe=True), 0.1) is not None, "counted and timed as ever"
    assert track.receive(packet(14), 0.1) is not None
    assert len(track.ring) == 0
    assert track.gop.packets is None
    track.mute(False)
    assert track.receive(packet(13), 0.2) is None, "reordered"
    assert track.receive(rtx(1, 9), 0.2) is None
    assert track.stats().dropped["muted"] == 2
    assert track.receive(packet(15), 0.2) is not None
    assert track.ring.get(0x10000 + 15) is not None
    assert track.ring.get(0x10000 + 14) is None


def test_muting_twice_is_muting_once() -> None:
    track = video()
    track.mute(False)
    track.receive(packet(10, keyframe=True), 0.0)
    track.mute(False)
    assert len(track.ring) == 1


def test_a_source_without_pli_ignores_plis_from_the_start() -> None:
    assert video(can_pli=False).ignores_pli
    assert not video(can_pli=False).request_keyframe()
    track = video()
    assert not track.ignores_pli
    assert track.request_keyframe()
    assert not track.request_keyframe(), "merged"
