"""Small video files made on the spot: FFmpeg's test pattern, and a sine if there is sound."""

from __future__ import annotations

import struct
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

_CLOCKWISE_MATRIX = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
_TKHD_MATRIX_AT = 44
"""From the box's type to its matrix (ISO/IEC 14496-12 §8.3.2, version 0)."""


def make_video(
    path: Path,
    *,
    width: int = 160,
    height: int = 90,
    fps: int = 25,
    seconds: float = 1.0,
    sound_s: float | None = None,
    sound_from_s: float = 0.0,
) -> Path:
    """H.264 and AAC; `sound_s` None: as long as the pictures, 0: no sound."""
    sound_s = seconds if sound_s is None else sound_s
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.options = {"preset": "ultrafast"}
        audio = None
        if sound_s:
            audio = container.add_stream("aac", rate=48_000)
            assert isinstance(audio, AudioStream)
            audio.layout = "stereo"
        _write_pictures(container, video, f"size={width}x{height}:rate={fps}:duration={seconds}")
        if audio is not None:
            _write_sound(container, audio, sound_s, sound_from_s)
    return path


def make_sound(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=48_000)
        assert isinstance(audio, AudioStream)
        audio.layout = "stereo"
        _write_sound(container, audio, 0.5, 0.0)
    return path


def turn_clockwise(path: Path) -> Path:
    """Write into an MP4 what a phone does that was held upright: show it turned by 90 degrees."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + _TKHD_MATRIX_AT
    content[at : at + len(_CLOCKWISE_MATRIX)] = _CLOCKWISE_MATRIX
    path.write_bytes(content)
    return path


def _write_pictures(container: OutputContainer, stream: VideoStream, pattern: str) -> None:
    with av.open(f"testsrc2={pattern}", format="lavfi") as source:
        for frame in source.decode(video=0):
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
    container.mux(stream.encode(None))


def _write_sound(
    container: OutputContainer, stream: AudioStream, seconds: float, from_s: float
) -> None:
    resampler = AudioResampler(format="fltp", layout="stereo", rate=48_000, frame_size=1024)
    with av.open(f"sine=sample_rate=48000:duration={seconds}", format="lavfi") as source:
        for frame in source.decode(audio=0):
            for piece in resampler.resample(frame):
                _shift(piece, from_s)
                container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def _shift(frame: AudioFrame, by_s: float) -> None:
    assert frame.pts is not None
    frame.pts += round(by_s * 48_000)
