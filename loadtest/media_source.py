"""Pictures and sound to publish: a moving test picture with a tone, or a file of the user's.

Blocking code (FFmpeg through `av`): run it in a process or thread of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from loadtest.picture_filter import PictureFilter, shown_size

AUDIO_RATE_HZ: Final = 48_000
OPUS_FRAME_SAMPLES: Final = 960
"""20 ms, the packet time every WebRTC peer expects of Opus (RFC 7587 §4.2)."""
_STEREO_S16_BYTES: Final = 4

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


class Source(NamedTuple):
    """`size` is that of every picture; sound is always there, as silence if need be."""

    size: PictureSize
    frames: Iterator[TimedFrame]


def moving_picture(size: PictureSize) -> Source:
    """Endless: FFmpeg's moving test pattern with its running clock, and a tone that beeps once
    a second, so that a person sees at once whether picture and sound are alive and in step."""
    return Source(size, _pattern_and_tone(size))


def open_file(path: Path, limit: PictureSize, *, loop: bool) -> Source:
    """The file's first video and audio stream, again and again when `loop`.

    Pictures keep their shape, stand upright, and are scaled down to fit `limit` (turned on its
    side for portrait pictures), at its rate or the file's if that is lower. Raises `SourceError`
    now when there is nothing to play, or from the iterator when the file breaks off later.
    """
    size = _probe(path, limit)
    return Source(size, _read(path, size, loop=loop))


def _pattern_and_tone(size: PictureSize) -> Iterator[TimedFrame]:
    picture = f"testsrc2=size={size.width}x{size.height}:rate={size.fps}"
    tone = (
        f"sine=frequency=330:beep_factor=3:sample_rate={AUDIO_RATE_HZ}"
        f":samples_per_frame={OPUS_FRAME_SAMPLES}"
    )
    with av.open(picture, format="lavfi") as video, av.open(tone, format="lavfi") as audio:
        pictures = ((frame.time or 0.0, frame) for frame in video.decode(video=0))
        yield from _merge(pictures, _opus_frames(audio.decode(audio=0), 0.0))


def _probe(path: Path, limit: PictureSize) -> PictureSize:
    """The size that pictures of the file get. Decodes the first one: it knows its rotation."""
    with _opened(path) as container:
        stream = _video_of(container, path)
        for frame in _pictures(container, stream):
            shape = shown_size(frame, stream.sample_aspect_ratio, limit.width, limit.height)
            fps = min(limit.fps, round(stream.average_rate or stream.guessed_rate or limit.fps))
            return PictureSize(*shape, max(1, fps))
    raise SourceError(f"{path}: not one picture of it can be decoded; is the file whole?")


def _read(path: Path, size: PictureSize, *, loop: bool) -> Iterator[TimedFrame]:
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
    # Opened twice: packets of one stream need not be kept while the other one is read.
    with _opened(path) as video, _opened(path) as audio:
        zero_s = (video.start_time or 0) / av.time_base
        sound = audio.decode(audio=0) if audio.streams.audio else iter(())
        yield from _merge(_upright(video, path, size, zero_s), _opus_frames(sound, zero_s))


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        with av.open(str(path)) as container:
            yield container
    except FileNotFoundError as error:
        raise SourceError(f"{path}: no such file") from error
    except PermissionError as error:
        raise SourceError(f"{path}: may not be read by this user") from error
    except av.FFmpegError as error:
        raise SourceError(
            f"{path}: is no video that FFmpeg can read ({error.strerror}); give another file"
        ) from error


def _video_of(container: InputContainer, path: Path) -> VideoStream:
    if container.format.name == "tty":  # FFmpeg makes pictures of the letters of a text file
        raise SourceError(f"{path}: is a text; give a video file")
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # the cover of a song
            return stream
    raise SourceError(f"{path}: has no video stream; give a video file")


def _pictures(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue  # as players do: what is broken is not shown, the next key frame mends it
        for frame in frames:
            assert isinstance(frame, VideoFrame), "a video stream has pictures"
            if frame.time is not None:
                yield frame


def _upright(
    container: InputContainer, path: Path, size: PictureSize, zero_s: float
) -> Iterator[tuple[float, VideoFrame]]:
    shaper = PictureFilter(*size)
    stream = _video_of(container, path)
    for frame in _pictures(container, stream):
        for shaped in shaper.push(frame):
            yield (shaped.time or 0.0) - zero_s, shaped
    for shaped in shaper.finish():
        yield (shaped.time or 0.0) - zero_s, shaped


def _opus_frames(frames: Iterator[AudioFrame], zero_s: float) -> Iterator[tuple[float, AudioFrame]]:
    """What libopus takes: 48 kHz stereo in frames of 20 ms, without holes, and without an end:
    where the file is silent (before, between, after its sound) there is silence."""
    resampler = AudioResampler(
        format="s16", layout="stereo", rate=AUDIO_RATE_HZ, frame_size=OPUS_FRAME_SAMPLES
    )
    frame_s = OPUS_FRAME_SAMPLES / AUDIO_RATE_HZ
    number = 0
    for frame in frames:
        for piece in resampler.resample(frame):
            at_s = number * frame_s if piece.time is None else piece.time - zero_s
            while at_s - number * frame_s >= frame_s:
                yield number * frame_s, _silence()
                number += 1
            yield number * frame_s, piece
            number += 1
    while True:
        yield number * frame_s, _silence()
        number += 1


def _silence() -> AudioFrame:
    frame = AudioFrame(format="s16", layout="stereo", samples=OPUS_FRAME_SAMPLES)
    frame.sample_rate = AUDIO_RATE_HZ
    frame.planes[0].update(bytes(OPUS_FRAME_SAMPLES * _STEREO_S16_BYTES))
    return frame


def _merge(
    pictures: Iterator[tuple[float, VideoFrame]], sound: Iterator[tuple[float, AudioFrame]]
) -> Iterator[TimedFrame]:
    """Interleave by time; ends with the pictures."""
    next_sound = next(sound)
    for at_s, picture in pictures:
        while next_sound[0] <= at_s:
            yield TimedFrame(*next_sound)
            next_sound = next(sound)
        yield TimedFrame(max(0.0, at_s), picture)
