"""`lianmai publish FILE --room R`: send a video file into a room over WHIP."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadtest.media_source import SourceError
from loadtest.publisher import (
    COMPLAINT,
    TOKEN_VARIABLE,
    PublishError,
    add_source_arguments,
    publish,
    show_of,
)
from loadtest.trust import Trust

_ROOM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="any video that FFmpeg can read")
    parser.add_argument("--room", metavar="R", required=True, help="the room to publish into")
    parser.add_argument(
        "--server",
        default="http://127.0.0.1:7880",
        metavar="URL",
        help="where lianmai serves (default: http://127.0.0.1:7880)",
    )
    parser.add_argument(
        "--token",
        help=f"a host token; prefer the environment variable {TOKEN_VARIABLE}, which others on "
        "this machine cannot see. Default: made with the signing keys of --data-dir",
    )
    add_source_arguments(parser)


def run(args: argparse.Namespace, *, mint: Callable[[str], str], ca_file: Path) -> int:
    """`mint(room)` makes a host token, asked when neither flag nor environment gave one;
    `ca_file` is the local authority of `--tls auto`, trusted too if it is there."""
    # Service managers stop with SIGTERM: as with Ctrl-C, the server is told.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        seconds = _publish(args, mint, ca_file)
    except (PublishError, SourceError) as error:
        print(f"{COMPLAINT}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    print(f"published {seconds:.1f} s of {args.file}", file=sys.stderr)
    return 0


def _publish(args: argparse.Namespace, mint: Callable[[str], str], ca_file: Path) -> float:
    if not _ROOM.fullmatch(args.room):
        raise PublishError(f"{args.room!r} is no room name; use 1-64 letters, digits, _ or -")
    url = f"{args.server.rstrip('/')}/whip/{args.room}"
    # First the file: a room must not go live for one that cannot be played.
    show = show_of(args)
    token = args.token or os.environ.get(TOKEN_VARIABLE) or mint(args.room)
    print(
        f"publishing {args.file} into room {args.room} as {show.size.width}x{show.size.height} at "
        f"{show.size.fps}/s (Ctrl-C ends it)",
        file=sys.stderr,
        flush=True,
    )
    return publish(url, token, show, Trust(authority=ca_file))
