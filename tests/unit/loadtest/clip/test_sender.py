"""What leaves a publisher, with time counted by hand: every picture of it is decoded."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping

import pytest
from aiortc.rtp import RtpPacket

from loadtest.clip.cadence import BURST_UNITS
from loadtest.clip.clip import Clip, make_clip
from loadtest.clip.sender import (
    KEY_FRAME_AT_MOST_EVERY_S,
    ClipSender,
    PublisherStats,
    StreamSpec,
)
from loadtest.clip.spec import ClipSpec, Codec
from loadtest.rtc.marker import find_mark
from tests.support.depacketise import PictureDecoder, ReceivedFrame, frames_of, of_ssrc

CODECS: tuple[Codec, ...] = ("VP8", "H264")
FPS = 20
VIDEO, SMALL_VIDEO, AUDIO = 0x1001, 0x1002, 0x2001
START = 5000.0
WALL_NS = 1_790_000_000_000_000_000
TICKS = 90_000 // FPS


def spec_of(codec: Codec, fps: int = FPS) -> ClipSpec:
    """Busy enough for several packets a frame."""
    return ClipSpec(codec, 160, 90, fps, 400_000, seconds=2.0, gop_s=1.0)


def sender_of(clip: Clip, *, seed: int = 7, marker_every: int = 5) -> ClipSender:
    return ClipSender(
        [(clip, StreamSpec(VIDEO, 96))],
        (clip, StreamSpec(AUDIO, 111)),
        start=START,
        rng=random.Random(seed),
        marker_every=marker_every,
    )


def wall_ns(now: float) -> int:
    return WALL_NS + round((now - START) * 1e9)


def run(
    sender: ClipSender, seconds: float, at: Mapping[float, Callable[[float], None]] | None = None
) -> list[bytes]:
    """As a punctual shell does it; `at` (seconds since the start) is called on the way."""
    packets: list[bytes] = []
    steps = sorted((at or {}).items())
    while sender.next_deadline < START + seconds:
        now = sender.next_deadline
        while steps and START + steps[0][0] <= now:
            since_start_s, step = steps.pop(0)
            step(START + since_start_s)
        packets += sender.due(now, wall_ns(now))
    return packets


def pictures_of(clip: Clip) -> list[bytes]:
    """What each frame of the clip looks like."""
    decoder = PictureDecoder(clip.spec.codec)
    return [decoder.decode(frame.data) for frame in clip.frames]


def assert_continuous(packets: list[RtpPacket]) -> None:
    steps = {
        (later.sequence_number - earlier.sequence_number) % 0x10000
        for earlier, later in itertools.pairwise(packets)
    }
    assert steps == {1}


def shown(frames: list[ReceivedFrame], clip: Clip, *, decoder_name: str | None = None) -> list[int]:
    """The place in the clip of each picture that a receiver sees."""
    places = {picture: place for place, picture in enumerate(pictures_of(clip))}
    assert len(places) == len(clip.frames), "no two pictures are alike"
    decoder = PictureDecoder(clip.spec.codec, decoder_name)
    return [places[decoder.decode(frame.data)] for frame in frames]


@pytest.mark.parametrize("codec", CODECS)
async def test_the_loop_goes_on_without_a_seam(codec: Codec) -> None:
    clip = await make_clip(spec_of(codec))
    packets = of_ssrc(run(sender_of(clip), 5.0), VIDEO)
    assert {packet.payload_type for packet in packets} == {96}
    assert_continuous(packets)
    frames = frames_of(packets, codec)
    assert shown(frames, clip) == [n % 40 for n in range(100)]
    first = frames[0].rtp_timestamp
    assert [(f.rtp_timestamp - first) % (1 << 32) for f in frames] == [
        n * TICKS for n in range(100)
    ]
    if codec == "VP8":
        ids = [frame.picture_id for frame in frames]
        assert ids[0] is not None
        assert ids == [(ids[0] + n) % (1 << 15) for n in range(100)]


@pytest.mark.parametrize("codec", CODECS)
async def test_a_key_frame_on_request_leaves_nothing_undecodable(codec: Codec) -> None:
    clip = await make_clip(spec_of(codec))
    sender = sender_of(clip)
    packets = of_ssrc(
        run(sender, 3.0, {0.52: lambda now: sender.request_key_frame(VIDEO, now)}), VIDEO
    )
    assert_continuous(packets)
    frames = frames_of(packets, codec)
    # Asked after the picture of 0.5 s: that of 0.55 s is the next group's first one.
    expected = [*range(11), *(n % 40 for n in range(20, 69))]
    assert shown(frames, clip) == expected
    ticks = [(f.rtp_timestamp - frames[0].rtp_timestamp) % (1 << 32) for f in frames]
    assert ticks == [n * TICKS for n in range(60)], "time does not jump with the place"
    assert sender.stats.keyframe_requests == 1
    assert sender.stats.key_frames == sum(clip.frames[n].is_key for n in expected)


async def test_requests_soon_after_a_key_frame_are_answered_by_it() -> None:
    clip = await make_clip(spec_of("VP8"))
    sender = sender_of(clip)

    def ask(now: float) -> None:
        sender.request_key_frame(VIDEO, now)

    soon = KEY_FRAME_AT_MOST_EVERY_S - 0.01
    frames = frames_of(of_ssrc(run(sender, 0.9, {0.1: ask, soon: ask}), VIDEO), "VP8")
    assert shown(frames, clip) == list(range(18))
    late = 1.0 + KEY_FRAME_AT_MOST_EVERY_S + 0.01
    frames += frames_of(of_ssrc(run(sender, 1.6, {late: ask, late + 0.01: ask}), VIDEO), "VP8")
    assert shown(frames, clip) == [*range(27), *range(5)]
    assert sender.stats.keyframe_requests == 4
    assert sender.stats.key_frames == 3


async def test_a_request_for_nobody_is_no_request() -> None:
    sender = sender_of(await make_clip(spec_of("VP8")))
    sender.request_key_frame(AUDIO, START)
    sender.request_key_frame(0xDEAD, START)
    assert sender.stats == PublisherStats()


@pytest.mark.parametrize("codec", CODECS)
async def test_marks_say_when_a_frame_left(codec: Codec) -> None:
    clip = await make_clip(spec_of(codec))
    marked = run(sender_of(clip, marker_every=5), 2.0)
    frames = frames_of(of_ssrc(marked, VIDEO), codec)
    place = -1 if codec == "VP8" else 0
    for number, frame in enumerate(frames):
        expected = wall_ns(START + number / FPS) if number % 5 == 0 else None
        assert find_mark(frame.payloads[place]) == expected
    assert not any(find_mark(packet.payload) for packet in of_ssrc(marked, AUDIO))
    unmarked = frames_of(of_ssrc(run(sender_of(clip, marker_every=0), 2.0), VIDEO), codec)
    assert not any(find_mark(payload) for frame in unmarked for payload in frame.payloads)
    assert shown(frames, clip) == shown(unmarked, clip) == list(range(40))


async def test_a_mark_behind_a_vp8_frame_is_no_matter_for_either_decoder() -> None:
    """libvpx (Chromium, aiortc) and FFmpeg's own make the same picture with and without it."""
    clip = await make_clip(spec_of("VP8"))
    packets = run(sender_of(clip, marker_every=1), 2.0)
    frames = frames_of(of_ssrc(packets, VIDEO), "VP8")
    for name in ("libvpx", "vp8"):
        assert shown(frames, clip, decoder_name=name) == list(range(40))


@pytest.mark.parametrize("codec", CODECS)
async def test_numbers_wrap(codec: Codec) -> None:
    """Long enough for 65,536 packets, whatever number was the first."""
    clip = await make_clip(ClipSpec(codec, 160, 90, 60, 3_000_000, seconds=2.0, gop_s=1.0))
    packets = of_ssrc(run(sender_of(clip, marker_every=1), 200.0), VIDEO)
    assert len(packets) > 0x10000
    assert_continuous(packets)
    assert 0xFFFF in {packet.sequence_number for packet in packets}
    assert len(frames_of(packets, codec)) == 200 * 60


async def test_sound() -> None:
    clip = await make_clip(spec_of("VP8"))
    packets = of_ssrc(run(sender_of(clip), 4.5), AUDIO)
    assert_continuous(packets)
    assert {(packet.payload_type, packet.marker) for packet in packets} == {(111, 0)}
    assert [packet.payload for packet in packets] == [clip.audio[n % 100] for n in range(225)]
    first = packets[0].timestamp
    ticks = [(packet.timestamp - first) % (1 << 32) for packet in packets]
    assert ticks == [n * 960 for n in range(225)]


async def test_simulcast_layers_share_a_clock_and_jump_alone() -> None:
    top, low = await make_clip(spec_of("VP8")), await make_clip(spec_of("VP8", fps=10))
    extension = bytes.fromhex("bede0001 40 30 0000")
    sender = ClipSender(
        [(top, StreamSpec(VIDEO, 96, extension)), (low, StreamSpec(SMALL_VIDEO, 96))],
        None,
        start=START,
        rng=random.Random(3),
        marker_every=5,
    )
    packets = run(sender, 2.0, {0.52: lambda now: sender.request_key_frame(SMALL_VIDEO, now)})
    assert all(p[12:20] == extension for p in packets if p[8:12] == VIDEO.to_bytes(4, "big"))
    above, below = (frames_of(of_ssrc(packets, ssrc), "VP8") for ssrc in (VIDEO, SMALL_VIDEO))
    assert shown(above, top) == list(range(40))
    assert shown(below, low) == [*range(6), *range(10, 20), *range(4)]
    for frames, step in ((above, TICKS), (below, 2 * TICKS)):
        ticks = [(f.rtp_timestamp - frames[0].rtp_timestamp) % (1 << 32) for f in frames]
        assert ticks == [n * step for n in range(len(frames))]


async def test_a_late_shell_sends_a_few_frames_and_skips_the_rest() -> None:
    clip = await make_clip(spec_of("VP8"))
    sender = sender_of(clip)
    packets = sender.due(START, wall_ns(START))
    late = sender.due(START + 0.3, wall_ns(START))
    assert len(frames_of(of_ssrc(late, VIDEO), "VP8")) == BURST_UNITS
    assert sender.stats.skipped == 0
    slept = sender.due(START + 10.01, wall_ns(START))
    assert len(frames_of(of_ssrc(slept, VIDEO), "VP8")) == 1
    # Either stream had sent one unit and a burst of three: the rest of 10 s is left out.
    assert sender.stats.skipped == (200 - 4) + (500 - 4)
    assert sender.stats.late_ms_worst == pytest.approx(9930)
    video = of_ssrc([*packets, *late, *slept], VIDEO)
    assert_continuous(video)
    frames = frames_of(video, "VP8")
    assert shown(frames, clip) == [0, 1, 2, 3, 4], "what is skipped is time, not a frame"
    assert (frames[-1].rtp_timestamp - frames[0].rtp_timestamp) % (1 << 32) == 200 * TICKS


async def test_stats_count_what_left() -> None:
    clip = await make_clip(spec_of("H264"))
    sender = sender_of(clip)
    packets = run(sender, 2.0)
    assert sender.stats == PublisherStats(
        frames=40,
        packets=len(packets),
        bytes=sum(map(len, packets)),
        key_frames=2,
    )
