"""Clips as they are encoded: rates, key frames, sound, files of the user's, refusals."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import av
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet

from loadtest.clip.clip import Clip, SourceError, make_clip
from loadtest.clip.h264 import nal_units
from loadtest.clip.spec import SIZES, ClipSpec, Codec, clip_spec
from tests.support.depacketise import PictureDecoder
from tests.support.videos import make_sound, make_video

CODECS: tuple[Codec, ...] = ("VP8", "H264")
TOLERANCE = 0.15
SMALL = ClipSpec("VP8", 160, 90, 10, 60_000, seconds=2.0, gop_s=1.0)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", SIZES)
async def test_the_bitrate_is_as_asked(codec: Codec, name: str) -> None:
    clip = await make_clip(clip_spec(name, codec))
    assert clip.bitrate_bps == pytest.approx(clip.spec.bitrate_bps, rel=TOLERANCE)
    assert clip.seconds == 4.0


@pytest.mark.parametrize("codec", CODECS)
async def test_a_high_bitrate_makes_the_picture_busier(codec: Codec) -> None:
    clip = await make_clip(clip_spec("low", codec, bitrate_bps=3_000_000))
    assert clip.bitrate_bps == pytest.approx(3_000_000, rel=TOLERANCE)


@pytest.mark.parametrize("codec", CODECS)
async def test_every_group_starts_with_a_real_key_frame(codec: Codec) -> None:
    spec = ClipSpec(codec, 160, 90, 10, 60_000, seconds=3.5, gop_s=1.0)
    clip = await make_clip(spec)
    assert [at for at, frame in enumerate(clip.frames) if frame.is_key] == [0, 10, 20, 30]
    assert len(clip.frames) == 40, "the last group is whole, too"
    assert all(_is_entrance(codec, frame.data) == frame.is_key for frame in clip.frames)
    decoder = PictureDecoder(codec)
    first_round = [decoder.decode(frame.data) for frame in clip.frames]
    assert len(set(first_round)) > 30, "the picture moves"
    for at, group in itertools.groupby(range(40), lambda number: number // 10):
        alone = PictureDecoder(codec)
        for number in group:
            assert alone.decode(clip.frames[number].data) == first_round[number], (at, number)


def _is_entrance(codec: Codec, data: bytes) -> bool:
    if codec == "VP8":  # RFC 6386 §9.1: the P bit, and the start code of key frames
        return data[0] & 1 == 0 and data[3:6] == b"\x9d\x01\x2a"
    types = [nal[0] & 0x1F for nal in nal_units(data)]
    coded = [one for one in types if one != 6]
    return coded == [7, 8, 5]


async def test_h264_is_constrained_baseline() -> None:
    clip = await make_clip(ClipSpec("H264", 160, 90, 10, 60_000, seconds=2.0, gop_s=1.0))
    sps = next(nal for nal in nal_units(clip.frames[0].data) if nal[0] & 0x1F == 7)
    assert sps[1] == 66
    assert sps[2] & 0x40, "constraint_set1_flag"


async def test_sound_is_opus_of_20_ms() -> None:
    clip = await make_clip(SMALL)
    assert len(clip.audio) == 100
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    for packet in clip.audio:
        (frame,) = decoder.decode(Packet(packet))
        assert (frame.samples, frame.sample_rate, frame.layout.nb_channels) == (960, 48_000, 2)


async def test_next_key_frame_goes_around_the_end() -> None:
    clip = await make_clip(SMALL)
    assert [clip.next_key_frame(at) for at in (0, 1, 9, 10, 11, 19)] == [0, 10, 10, 10, 0, 0]


async def test_a_spec_is_encoded_once() -> None:
    spec = ClipSpec("VP8", 64, 64, 10, 50_000)
    clips = await asyncio.gather(*(make_clip(spec) for _ in range(4)))
    assert all(clip is clips[0] for clip in clips)
    assert clips[0].payloads is clips[0].payloads


async def test_a_file_keeps_its_shape_and_is_looped(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "file.mp4",
        width=320,
        height=240,
        fps=15,
        seconds=1.0,
        sound_s=0.5,
        sound_from_s=0.5,
    )
    clip = await make_clip(ClipSpec("VP8", 160, 90, 30, 100_000, file=path))
    assert clip.size == (120, 90, 15)
    assert (len(clip.frames), len(clip.audio), clip.seconds) == (60, 200, 4.0)
    assert 80 < _heard_packets(clip) < 150, "each second half of a second, and its echo"


async def test_a_file_without_sound_is_silent(tmp_path: Path) -> None:
    path = make_video(tmp_path / "silent.mp4", sound_s=0)
    clip = await make_clip(ClipSpec("H264", 160, 90, 25, 100_000, file=path))
    assert len(clip.audio) == 200
    assert _heard_packets(clip) == 0


def _heard_packets(clip: Clip) -> int:
    """How many are not silent."""
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoded = (frame for packet in clip.audio for frame in decoder.decode(Packet(packet)))
    return sum(bytes(frame.planes[0]).strip(b"\0") != b"" for frame in decoded)


@pytest.mark.parametrize("kind", ["gone", "text", "sound"])
async def test_files_that_cannot_be_played_are_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file.mp4"
    if kind == "text":
        path.write_text("hello\n" * 100)
    elif kind == "sound":
        make_sound(path)
    spec = ClipSpec("VP8", 160, 90, 10, 60_000, file=path)
    with pytest.raises(SourceError) as refusal:
        await make_clip(spec)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
