"""A publisher of another make: FFmpeg's WHIP muxer (H.264 + Opus) fed in real time.

    python -m loadtest.publisher --whip http://127.0.0.1:7880/whip/demo [--file clip.mp4]

The token comes from the environment (`LIANMAI_TOKEN`), because command lines are visible to
everybody on the machine. Runs until the source ends, the server goes, or SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from loadtest.certificate import write_pem
from loadtest.media_source import (
    AUDIO_RATE_HZ,
    HD,
    PictureSize,
    Source,
    SourceError,
    TimedFrame,
    moving_picture,
    open_file,
)

TOKEN_VARIABLE = "LIANMAI_TOKEN"
COMPLAINT = "publish: "
"""What the line on standard error that says why it failed begins with."""
GOP_S = 2
"""OBS's default key frame interval for live services; FFmpeg's muxer ignores PLI."""
VIDEO_CLOCK = Fraction(1, 90_000)
AUDIO_CLOCK = Fraction(1, AUDIO_RATE_HZ)
LATE_S = 0.25
"""Pictures later than this are left out; less is jitter of a busy machine."""
HALTED_S = 2.0


class PublishError(Exception):
    """The server refused or went away; the message names the reason."""


class WhipPublisher:
    """Encodes frames and sends them through FFmpeg's WHIP muxer. Blocking; one thread.

    The muxer does not verify certificates of HTTPS (FFmpeg 8.1 hands no option through to its
    TLS): see `loadtest.reach` for what can be checked before.
    """

    def __init__(self, url: str, token: str, size: PictureSize, bitrate_bps: int) -> None:
        """Connects; raises `PublishError`."""
        self._url = url
        # FFmpeg built on GnuTLS (as in `av`) would make a certificate on P-224, which OpenSSL and
        # browsers refuse in TLS; RFC 8827 §6.5 asks for P-256.
        self._identity = tempfile.TemporaryDirectory(prefix="lianmai-publisher-")
        try:
            self._open(token, size, bitrate_bps)
        except av.FFmpegError as error:
            self._identity.cleanup()
            raise PublishError(f"{url}: {_why_refused(error)}") from error

    def _open(self, token: str, size: PictureSize, bitrate_bps: int) -> None:
        key_file, certificate_file = write_pem(Path(self._identity.name))
        options = {
            "authorization": token,
            "pkt_size": "1200",
            "key_file": str(key_file),
            "cert_file": str(certificate_file),
        }
        self._container = av.open(self._url, "w", format="whip", options=options)
        self._video = self._add_video(size, bitrate_bps)
        self._audio = self._add_audio()
        self._container.start_encoding()

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
        """Encode and send one frame; raises `PublishError` when the connection is gone."""
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
            raise PublishError(
                f"{self._url}: the connection ended ({error.strerror}); the server stopped, or "
                "took somebody else in"
            ) from error

    def close(self) -> None:
        """Send the WHIP DELETE and free everything. A server that has gone needs no goodbye."""
        with contextlib.suppress(av.FFmpegError):
            self._container.close()
        self._identity.cleanup()


def _why_refused(error: av.FFmpegError) -> str:
    """What to do about it. FFmpeg tells the status of an answer, not its text."""
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return (
            "the server does not know the token (401): it has expired, or other keys signed it; "
            "give the server's --data-dir, or a token from `lianmai token --role host` there"
        )
    if isinstance(error, av.error.HTTPForbiddenError):
        return (
            "the token does not allow this (403): it must be for this room and its role host; "
            "make one with `lianmai token --role host`"
        )
    if isinstance(error, av.error.HTTPOtherClientError):
        return (
            "the server refuses the stream (4xx): somebody else is the host of this room now, its "
            "codecs do not include H.264 and Opus, or it was asked too often; its log says which"
        )
    if isinstance(error, av.error.HTTPClientError | av.error.HTTPServerError):
        return f"the server cannot take the stream ({error.strerror}); its log says why"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; is the server running?"
    return (
        f"no media connection came about ({error.strerror}); check that the server's UDP port "
        "(7882 unless set) can be reached from here, and its --public-ip"
    )


def in_real_time(frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    """Hold every frame back until its time has come, as a camera would.

    When encoding cannot keep up, pictures that are late are left out, not sound. After a longer
    halt (a laptop that slept) time goes on from there: nothing is made up in a burst.
    """
    start = time.monotonic()
    for timed in frames:
        ahead_s = timed.at_s - (time.monotonic() - start)
        if ahead_s > 0:
            time.sleep(ahead_s)
        elif -ahead_s > HALTED_S:
            start -= ahead_s
        elif -ahead_s > LATE_S and isinstance(timed.frame, VideoFrame):
            continue
        yield timed


def publish(url: str, token: str, source: Source, bitrate_bps: int) -> float:
    """Publish until the frames end; returns how many seconds of them were sent."""
    publisher = WhipPublisher(url, token, source.size, bitrate_bps)
    sent_s = 0.0
    try:
        for timed in in_real_time(source.frames):
            publisher.send(timed)
            sent_s = timed.at_s
    finally:
        publisher.close()
    return sent_s


def parse_size(text: str) -> PictureSize:
    """`1280x720@30` -> PictureSize; raises argparse's error on anything else."""
    try:
        picture, _, fps = text.partition("@")
        width, height = picture.lower().split("x")
        size = PictureSize(int(width), int(height), int(fps or 30))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write it as 1280x720@30") from None
    if not (16 <= size.width <= 3840 and 16 <= size.height <= 2160 and 1 <= size.fps <= 60):
        raise argparse.ArgumentTypeError(f"{text!r}: 16x16 to 3840x2160 at 1 to 60 pictures/s")
    return PictureSize(size.width // 2 * 2, size.height // 2 * 2, size.fps)


def parse_kbps(text: str) -> int:
    """A bitrate that x264 makes a picture of; raises argparse's error on anything else."""
    if not text.isdecimal() or not 50 <= int(text) <= 50_000:
        raise argparse.ArgumentTypeError(f"{text!r}: give 50 to 50000 (kbit/s)")
    return int(text)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size",
        type=parse_size,
        default=HD,
        metavar="WxH@FPS",
        help="largest picture, and its rate (default: 1280x720@30)",
    )
    parser.add_argument(
        "--bitrate-kbps",
        type=parse_kbps,
        default=1500,
        metavar="N",
        help="video bitrate in kbit/s (default: 1500)",
    )
    parser.add_argument("--once", action="store_true", help="end with the file; do not loop")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.publisher",
        description="Publish a test picture or a file over WHIP (H.264 + Opus).",
    )
    parser.add_argument("--whip", required=True, metavar="URL", help="http(s)://host/whip/ROOM")
    parser.add_argument("--file", type=Path, help="a video file (default: a moving test picture)")
    add_source_arguments(parser)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        source = (
            open_file(args.file, args.size, loop=not args.once)
            if args.file
            else moving_picture(args.size)
        )
        token = os.environ.get(TOKEN_VARIABLE, "")
        publish(args.whip, token, source, args.bitrate_kbps * 1000)
    except (PublishError, SourceError) as error:
        print(f"{COMPLAINT}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
