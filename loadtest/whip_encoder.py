"""FFmpeg's WHIP muxer (H.264 + Opus), fed in real time: the inner process of `loadtest.publisher`.

    python -m loadtest.whip_encoder --whip URL [--file clip.mp4]

Says how it ended by one line of JSON: {"seconds": 12.3} or {"error": "why"}. Takes no notice of
signals while FFmpeg hangs (it does, when a server closes DTLS): end it with SIGKILL.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from loadtest.certificate import write_pem
from loadtest.media_source import (
    AUDIO_RATE_HZ,
    PictureSize,
    Source,
    SourceError,
    TimedFrame,
    moving_picture,
    open_file,
)

GOP_S = 2
"""OBS's default key frame interval for live services; FFmpeg's muxer ignores PLI."""
VIDEO_CLOCK = Fraction(1, 90_000)
AUDIO_CLOCK = Fraction(1, AUDIO_RATE_HZ)
LATE_S = 0.25
"""Pictures later than this are left out; less is jitter of a busy machine."""
HALTED_S = 2.0
PR_SET_PDEATHSIG = 1


class EncoderError(Exception):
    """FFmpeg could not connect or send; the message is FFmpeg's."""


class WhipEncoder:
    """Encodes frames and sends them through FFmpeg's WHIP muxer. Blocking; one thread."""

    def __init__(self, url: str, size: PictureSize, bitrate_bps: int) -> None:
        """Connects; raises `EncoderError`."""
        with contextlib.ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="lianmai-publisher-")
            key_file, certificate_file = write_pem(Path(stack.enter_context(folder)))
            # FFmpeg built on GnuTLS (as in `av`) would make a certificate on P-224, which OpenSSL
            # and browsers refuse in TLS; RFC 8827 §6.5 asks for P-256.
            options = {
                "pkt_size": "1200",
                "key_file": str(key_file),
                "cert_file": str(certificate_file),
            }
            try:
                self._container = av.open(url, "w", format="whip", options=options)
                self._video = self._add_video(size, bitrate_bps)
                self._audio = self._add_audio()
                self._container.start_encoding()
            except av.FFmpegError as error:
                raise EncoderError(f"no media connection came about ({error.strerror})") from error
            self._cleanup = stack.pop_all()

    def _add_video(self, size: PictureSize, bitrate_bps: int) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=size.fps)
        assert isinstance(stream, VideoStream), "add_stream of a video codec gives a video stream"
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
        stream.bit_rate = bitrate_bps
        stream.codec_context.time_base = VIDEO_CLOCK
        stream.codec_context.gop_size = GOP_S * size.fps
        stream.codec_context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "profile": "baseline",
            "maxrate": str(bitrate_bps),
            "bufsize": str(bitrate_bps // 2),
        }
        return stream

    def _add_audio(self) -> AudioStream:
        stream = self._container.add_stream("libopus", rate=AUDIO_RATE_HZ)
        assert isinstance(stream, AudioStream), "add_stream of an audio codec gives an audio stream"
        stream.layout = "stereo"
        stream.bit_rate = 64_000
        stream.codec_context.options = {"frame_duration": "20", "application": "audio"}
        return stream

    def send(self, timed: TimedFrame) -> None:
        """Encode and send one frame; raises `EncoderError` when the connection is gone."""
        frame = timed.frame
        try:
            if isinstance(frame, VideoFrame):
                frame.pts, frame.time_base = round(timed.at_s / VIDEO_CLOCK), VIDEO_CLOCK
                frame.pict_type = av.video.frame.PictureType.NONE
                packets = self._video.encode(frame)
            else:
                assert isinstance(frame, AudioFrame), "a frame is a picture or sound"
                frame.pts, frame.time_base = round(timed.at_s / AUDIO_CLOCK), AUDIO_CLOCK
                packets = self._audio.encode(frame)
            for packet in packets:
                self._container.mux(packet)
        except av.FFmpegError as error:
            raise EncoderError(f"the connection ended ({error.strerror})") from error

    def close(self) -> None:
        """Say goodbye and free everything."""
        with self._cleanup, contextlib.suppress(av.FFmpegError):
            self._container.close()


class Clock(Protocol):
    """What pacing needs of time; the module `time` has it."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


def in_real_time(frames: Iterator[TimedFrame], clock: Clock) -> Iterator[TimedFrame]:
    """Hold every frame back until its time has come, as a camera would. Blocks: the encoder has
    its process to itself.

    When encoding cannot keep up, pictures that are late are left out, not sound. After a longer
    halt (a laptop that slept) time goes on from there: nothing is made up in a burst.
    """
    start = clock.monotonic()
    for timed in frames:
        ahead_s = timed.at_s - (clock.monotonic() - start)
        if ahead_s > 0:
            clock.sleep(ahead_s)
        elif -ahead_s > HALTED_S:
            start -= ahead_s
        elif -ahead_s > LATE_S and isinstance(timed.frame, VideoFrame):
            continue
        yield timed


def encode(url: str, source: Source, bitrate_bps: int) -> float:
    """Publish until the frames end; returns how many seconds of them were sent."""
    encoder = WhipEncoder(url, source.size, bitrate_bps)
    sent_s = 0.0
    try:
        for timed in in_real_time(source.frames, time):
            encoder.send(timed)
            sent_s = timed.at_s
    finally:
        encoder.close()
    return sent_s + 1 / source.size.fps


def die_with_parent() -> None:
    """Linux's PR_SET_PDEATHSIG: nobody is left who could end this process. Elsewhere: hope."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m loadtest.whip_encoder")
    parser.add_argument("--whip", required=True)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--size", type=int, nargs=3, required=True, metavar=("W", "H", "FPS"))
    parser.add_argument("--bitrate-bps", type=int, required=True)
    parser.add_argument("--once", action="store_true")
    args = parser.parse_args()
    size = PictureSize(*args.size)
    try:
        source = (
            open_file(args.file, size, loop=not args.once) if args.file else moving_picture(size)
        )
        said: dict[str, object] = {"seconds": encode(args.whip, source, args.bitrate_bps)}
    except (EncoderError, SourceError) as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
