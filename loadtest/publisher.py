"""A publisher of another make: FFmpeg's WHIP muxer (H.264 + Opus) fed in real time.

    python -m loadtest.publisher --whip http://127.0.0.1:7880/whip/demo [--file clip.mp4]

The token comes from the environment (`LIANMAI_TOKEN`), because command lines are visible to
everybody on the machine. Runs until the source ends, the server goes, or SIGTERM.
"""

from __future__ import annotations

import argparse
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
    SourceError,
    TimedFrame,
    read_file,
    test_picture,
)

TOKEN_VARIABLE = "LIANMAI_TOKEN"
GOP_S = 2
"""OBS's default key frame interval for live services; FFmpeg's muxer ignores PLI."""
VIDEO_CLOCK = Fraction(1, 90_000)


class PublishError(Exception):
    """The server refused or went away; the message names the reason."""


class WhipPublisher:
    """Encodes frames and sends them through FFmpeg's WHIP muxer. Blocking; one thread."""

    def __init__(self, url: str, token: str, size: PictureSize, bitrate_bps: int) -> None:
        # FFmpeg built on GnuTLS (as in `av`) would make a certificate on P-224, which OpenSSL and
        # browsers refuse in TLS; RFC 8827 §6.5 asks for P-256.
        self._identity = tempfile.TemporaryDirectory(prefix="lianmai-publisher-")
        key_file, certificate_file = write_pem(Path(self._identity.name))
        options = {
            "authorization": token,
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
            raise PublishError(
                f"{url}: the server did not take the stream ({error.strerror}); "
                "check the room, the token and that the media port is reachable over UDP"
            ) from error
        self._size = size

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
                frame = frame.reformat(self._size.width, self._size.height, "yuv420p")
                frame.pts, frame.time_base = int(timed.at_s / VIDEO_CLOCK), VIDEO_CLOCK
                frame.pict_type = av.video.frame.PictureType.NONE
                packets = self._video.encode(frame)
            else:
                assert isinstance(frame, AudioFrame), "a frame is a picture or sound"
                packets = self._audio.encode(frame)
            for packet in packets:
                self._container.mux(packet)
        except av.FFmpegError as error:
            raise PublishError(f"the connection ended ({error.strerror})") from error

    def close(self) -> None:
        """Send the WHIP DELETE and free everything."""
        self._container.close()
        self._identity.cleanup()


def in_real_time(frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    """Hold every frame back until its time has come, as a camera would."""
    start = time.monotonic()
    for timed in frames:
        ahead_s = timed.at_s - (time.monotonic() - start)
        if ahead_s > 0:
            time.sleep(ahead_s)
        yield timed


def publish(
    url: str, token: str, frames: Iterator[TimedFrame], size: PictureSize, bitrate_bps: int
) -> int:
    """Publish until the frames end; returns how many were sent."""
    publisher = WhipPublisher(url, token, size, bitrate_bps)
    sent = 0
    try:
        for timed in in_real_time(frames):
            publisher.send(timed)
            sent += 1
    finally:
        publisher.close()
    return sent


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


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=parse_size, default=HD, metavar="WxH@FPS")
    parser.add_argument("--bitrate-kbps", type=int, default=1500, help="video bitrate")
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
    frames = (
        read_file(args.file, args.size, loop=not args.once)
        if args.file
        else test_picture(args.size)
    )
    try:
        token = os.environ.get(TOKEN_VARIABLE, "")
        publish(args.whip, token, frames, args.size, args.bitrate_kbps * 1000)
    except (PublishError, SourceError) as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
