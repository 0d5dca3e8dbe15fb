"""Pictures and sound to publish: a moving test picture with a tone, or a file of the user's.

Blocking code (FFmpeg through `av`): run it in a process or thread of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeAlias

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

MILLISECOND = Fraction(1, 1000)
AUDIO_RATE_HZ = 48_000
OPUS_FRAME_SAMPLES = 960
"""20 ms, the packet time every WebRTC peer expects of Opus (RFC 7587 §4.2)."""

Frame: TypeAlias = VideoFrame | AudioFrame


class SourceError(Exception):
    """The file cannot be played; the message names the reason."""


class PictureSize(NamedTuple):
    width: int
    height: int
    fps: int


HD = PictureSize(1280, 720, 30)


class TimedFrame(NamedTuple):
    """`at_s` counts from the start of the source; frames come ordered by it."""

    at_s: float
    frame: Frame


def test_picture(size: PictureSize) -> Iterator[TimedFrame]:
    """Endless: FFmpeg's moving test pattern with its running clock, and a tone that beeps once
    a second, so that a person sees at once whether picture and sound are alive and in step."""
    picture = f"testsrc2=size={size.width}x{size.height}:rate={size.fps}"
    tone = f"sine=frequency=330:beep_factor=3:sample_rate={AUDIO_RATE_HZ}"
    with (
        av.open(picture, format="lavfi") as video,
        av.open(f"{tone}:samples_per_frame={OPUS_FRAME_SAMPLES}", format="lavfi") as audio,
    ):
        yield from _merge(
            ((frame.time, frame) for frame in video.decode(video=0)),
            _opus_frames(audio.decode(audio=0)),
        )


def read_file(path: Path, size: PictureSize, *, loop: bool) -> Iterator[TimedFrame]:
    """The file's first video and audio stream, scaled to fit inside `size`, again and again
    when `loop`. Raises `SourceError` when there is nothing to play."""
    start_s = 0.0
    while True:
        end_s = start_s
        for timed in _read_once(path, size):
            end_s = start_s + timed.at_s
            yield TimedFrame(end_s, timed.frame)
        if not loop:
            return
        start_s = end_s + 1 / size.fps


def _read_once(path: Path, size: PictureSize) -> Iterator[TimedFrame]:
    try:
        with av.open(str(path)) as video, av.open(str(path)) as audio:
            if not video.streams.video:
                raise SourceError(f"{path}: has no video stream; give a video file")
            pictures = (
                (frame.time, frame) for frame in video.decode(video=0) if frame.time is not None
            )
            sound = _opus_frames(audio.decode(audio=0)) if audio.streams.audio else iter(())
            yield from _merge(pictures, sound)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: no such file") from error
    except av.FFmpegError as error:
        raise SourceError(f"{path}: is no video that FFmpeg can read ({error.strerror})") from error


def _opus_frames(frames: Iterator[AudioFrame]) -> Iterator[tuple[float, AudioFrame]]:
    """Resample to what libopus takes: 48 kHz stereo in frames of 20 ms."""
    resampler = AudioResampler(
        format="s16", layout="stereo", rate=AUDIO_RATE_HZ, frame_size=OPUS_FRAME_SAMPLES
    )
    samples = 0
    for frame in frames:
        for piece in resampler.resample(frame):
            piece.pts = samples
            piece.time_base = Fraction(1, AUDIO_RATE_HZ)
            yield samples / AUDIO_RATE_HZ, piece
            samples += piece.samples


def _merge(
    pictures: Iterator[tuple[float, VideoFrame]] | Iterator[tuple[float | None, VideoFrame]],
    sound: Iterator[tuple[float, AudioFrame]],
) -> Iterator[TimedFrame]:
    """Interleave by time; ends with the pictures."""
    next_sound = next(sound, None)
    for at_s, picture in pictures:
        if at_s is None:
            continue
        while next_sound is not None and next_sound[0] <= at_s:
            yield TimedFrame(*next_sound)
            next_sound = next(sound, None)
        yield TimedFrame(at_s, picture)
