"""Encodes the pictures and the sound of a clip as a browser would. Blocking (FFmpeg through `av`).

Video has a constant bitrate, no B frames and no look-ahead, and a real key frame (VP8 key frame;
H.264 IDR picture behind its parameter sets) at the start of every group of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from loadtest.clip.spec import ClipSpec
from loadtest.media_source import (
    AUDIO_RATE_HZ,
    OPUS_FRAME_SAMPLES,
    PictureSize,
    Source,
    SourceError,
    moving_picture,
    open_file,
)

NOISE_STRENGTHS: Final = (0, 8, 16, 32, 64)
"""Of FFmpeg's `noise` filter, tried in turn: the test picture is so simple that encoders do not
use up a high bitrate on it."""
NEAR_ENOUGH: Final = 0.93
"""Of the asked bitrate: below it the picture is made busier."""
SOUND_BPS: Final = 48_000
_ENCODERS: Final = {"VP8": "libvpx", "H264": "libx264"}
_SOUND_SIZE: Final = PictureSize(16, 16, 30)
"""Pictures that nobody looks at, where only the sound is wanted; sound lasts as long as they do, so
their rate is a usual one."""


class EncodedFrame(NamedTuple):
    """`data`: a VP8 frame, or an H.264 access unit in Annex B format."""

    is_key: bool
    data: bytes


def encode_video(spec: ClipSpec) -> tuple[PictureSize, tuple[EncodedFrame, ...]]:
    """The size that was really encoded and the frames, whole groups of pictures of them.

    Raises `SourceError`.
    """
    if spec.file is not None:
        source = open_file(spec.file, spec.size, loop=True)
        return source.size, _encoded(spec, source.size, _pictures(source))
    frames: tuple[EncodedFrame, ...] = ()
    for strength in NOISE_STRENGTHS:
        frames = _encoded(spec, spec.size, _noisy(_pictures(moving_picture(spec.size)), strength))
        if _bitrate_bps(frames, spec.fps) >= NEAR_ENOUGH * spec.bitrate_bps:
            break
    return spec.size, frames


def encode_sound(file: Path | None, seconds: float) -> tuple[bytes, ...]:
    """Opus packets of 20 ms, as many as fit into `seconds`, at least one. Raises `SourceError`."""
    count = max(1, round(seconds * AUDIO_RATE_HZ / OPUS_FRAME_SAMPLES))
    source = (
        moving_picture(_SOUND_SIZE) if file is None else open_file(file, _SOUND_SIZE, loop=True)
    )
    encoder = _opus_encoder()
    packets: list[bytes] = []
    sound = (timed.frame for timed in source.frames if isinstance(timed.frame, AudioFrame))
    for number, frame in enumerate(sound):
        frame.pts, frame.time_base = number * OPUS_FRAME_SAMPLES, Fraction(1, AUDIO_RATE_HZ)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
        if len(packets) >= count:
            return tuple(packets[:count])
    raise SourceError(f"{file}: its sound ends before the clip does")


def _encoded(
    spec: ClipSpec, size: PictureSize, pictures: Iterator[VideoFrame]
) -> tuple[EncodedFrame, ...]:
    gop = max(1, round(spec.gop_s * size.fps))
    count = gop * max(1, math.ceil(spec.seconds * size.fps / gop - 1e-9))
    try:
        encoder = _video_encoder(spec, size, gop)
        packets = []
        for number, picture in enumerate(islice(pictures, count)):
            picture.pts, picture.time_base = number, Fraction(1, size.fps)
            picture.pict_type = PictureType.I if number % gop == 0 else PictureType.NONE
            packets += encoder.encode(picture)
        packets += encoder.encode(None)
    except av.FFmpegError as error:
        raise SourceError(
            f"{spec.codec} {spec.size_text} at {spec.bitrate_bps} bit/s: the encoder refuses"
            f" ({error.strerror})"
        ) from error
    frames = tuple(EncodedFrame(packet.is_keyframe, bytes(packet)) for packet in packets)
    if len(frames) != count or not all(frame.is_key for frame in frames[::gop]):
        raise SourceError(
            f"{spec.codec} {spec.size_text} at {spec.bitrate_bps} bit/s: the encoder left frames"
            " out; give it more bits"
        )
    return frames


def _video_encoder(spec: ClipSpec, size: PictureSize, gop: int) -> VideoCodecContext:
    encoder = av.CodecContext.create(_ENCODERS[spec.codec], "w")
    assert isinstance(encoder, VideoCodecContext), "a video codec has a video context"
    encoder.width, encoder.height, encoder.pix_fmt = size.width, size.height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, size.fps), Fraction(size.fps)
    encoder.bit_rate, encoder.gop_size, encoder.max_b_frames = spec.bitrate_bps, gop, 0
    # One thread: x264's slice threads would make several slices of a frame.
    encoder.thread_count = 1
    rate = {"maxrate": str(spec.bitrate_bps), "bufsize": str(spec.bitrate_bps // 2)}
    if spec.codec == "VP8":
        encoder.options = rate | {
            "minrate": str(spec.bitrate_bps),
            "deadline": "realtime",
            "cpu-used": "8",
            "lag-in-frames": "0",
            "auto-alt-ref": "0",
            "qmin": "2",
            "qmax": "63",
        }
    else:
        encoder.options = rate | {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "profile": "baseline",
            "forced-idr": "1",
            "x264-params": "scenecut=0:open-gop=0",
        }
    return encoder


def _opus_encoder() -> AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext), "an audio codec has an audio context"
    encoder.rate, encoder.layout, encoder.format = AUDIO_RATE_HZ, "stereo", "s16"
    encoder.bit_rate = SOUND_BPS
    encoder.options = {"frame_duration": "20", "application": "audio"}
    return encoder


def _pictures(source: Source) -> Iterator[VideoFrame]:
    for timed in source.frames:
        if isinstance(timed.frame, VideoFrame):
            yield timed.frame.reformat(format="yuv420p")


def _noisy(pictures: Iterator[VideoFrame], strength: int) -> Iterator[VideoFrame]:
    """Grain that changes with every picture, the same in every run."""
    graph: Graph | None = None
    for picture in pictures:
        if strength == 0:
            yield picture
            continue
        graph = graph or _noise_graph(picture, strength)
        graph.push(picture)
        yield graph.vpull()


def _noise_graph(picture: VideoFrame, strength: int) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=picture.time_base,
    )
    noise = graph.add("noise", f"alls={strength}:allf=t:all_seed=1")
    sink = graph.add("buffersink")
    source.link_to(noise)
    noise.link_to(sink)
    graph.configure()
    return graph


def _bitrate_bps(frames: tuple[EncodedFrame, ...], fps: int) -> float:
    return sum(len(frame.data) for frame in frames) * 8 * fps / len(frames)
