"""A publisher of another make: FFmpeg's WHIP muxer (H.264 + Opus) in a process of its own.

    python -m loadtest.publisher --whip http://127.0.0.1:7880/whip/demo [--file clip.mp4]

The token comes from the environment (`LIANMAI_TOKEN`), because command lines are visible to
everybody on the machine. Runs until the source ends, the session is over, or SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from loadtest.media_source import HD, PictureSize, SourceError, open_file
from loadtest.trust import OF_THIS_MACHINE, Trust
from loadtest.whip_relay import WhipRelay

TOKEN_VARIABLE = "LIANMAI_TOKEN"
COMPLAINT = "publish: "
"""What the line on standard error that says why it failed begins with."""


class PublishError(Exception):
    """The server refused or went away; the message names the reason and the remedy."""


class Show(NamedTuple):
    """What to publish: `file`, or the moving test picture. `size` is the limit of a file's."""

    file: Path | None
    size: PictureSize
    bitrate_bps: int
    loop: bool = True

    def checked(self) -> Show:
        """The same with the file's real size. Raises `SourceError` if it cannot be played."""
        if self.file is None:
            return self
        return self._replace(size=open_file(self.file, self.size, loop=False).size)

    def as_arguments(self) -> list[str]:
        size = [str(number) for number in self.size]
        file = ["--file", str(self.file)] if self.file else []
        once = [] if self.loop else ["--once"]
        return ["--size", *size, "--bitrate-bps", str(self.bitrate_bps), *file, *once]


class Encoder:
    """The process of `loadtest.whip_encoder`; `ended` is called from another thread."""

    def __init__(self, url: str, show: Show, ended: threading.Event) -> None:
        # A session of its own: Ctrl-C is for us, who end it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.whip_encoder", "--whip", url, *show.as_arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._said = ""
        self._ended = ended
        self._reader = threading.Thread(target=self._read, name="encoder", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None, "started with a pipe"
        self._said = self._process.stdout.read()
        self._ended.set()

    def kill(self) -> None:
        """SIGKILL: FFmpeg may hang where no other signal reaches it."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None, "started with a pipe"
        self._process.stdout.close()

    def seconds(self) -> float:
        """What it sent. Raises `PublishError` with what it said instead."""
        lines = self._said.splitlines()
        if not lines:
            raise PublishError(f"the encoder broke off (code {self._process.wait()})")
        said = json.loads(lines[-1])
        if "error" in said:
            raise PublishError(said["error"])
        return float(said["seconds"])


def publish(url: str, token: str, show: Show, trust: Trust = OF_THIS_MACHINE) -> float:
    """Publish until the show's file ends; returns how many seconds were sent. Whatever ends it,
    the server is told. Raises `PublishError`."""
    failures: list[str] = []
    ended = threading.Event()

    def fail(why: str) -> None:
        failures.append(why)
        ended.set()

    with WhipRelay(url, token, trust.context(), fail) as relay:
        encoder = Encoder(relay.url, show, ended)
        try:
            ended.wait()
        finally:
            encoder.kill()
    if failures:
        raise PublishError(f"{url}: {failures[0]}")
    try:
        return encoder.seconds()
    except PublishError as error:
        raise PublishError(
            f"{url}: {error}; check that the server still runs, and that its UDP port (7882 unless"
            " set) can be reached from here"
        ) from error


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


def show_of(args: argparse.Namespace) -> Show:
    """What these arguments ask for. Raises `SourceError`."""
    return Show(args.file, args.size, args.bitrate_kbps * 1000, not args.once).checked()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.publisher",
        description="Publish a test picture or a file over WHIP (H.264 + Opus).",
    )
    parser.add_argument("--whip", required=True, metavar="URL", help="http(s)://host/whip/ROOM")
    parser.add_argument("--file", type=Path, help="a video file (default: a moving test picture)")
    parser.add_argument(
        "--trust", type=Path, metavar="PEM", help="the server's certificate or its authority"
    )
    add_source_arguments(parser)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        publish(args.whip, os.environ.get(TOKEN_VARIABLE, ""), show_of(args), Trust(pin=args.trust))
    except (PublishError, SourceError) as error:
        print(f"{COMPLAINT}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
