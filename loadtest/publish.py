"""`lianmai publish FILE --room R`: send a video file into a room over WHIP."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from loadtest.media_source import SourceError, read_file
from loadtest.publisher import TOKEN_VARIABLE, PublishError, add_source_arguments, publish


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="any video that FFmpeg can read")
    parser.add_argument("--room", required=True, help="the room to publish into")
    parser.add_argument(
        "--server", default="http://127.0.0.1:7880", metavar="URL", help="where lianmai serves"
    )
    parser.add_argument(
        "--token",
        help=f"a host token; prefer the environment variable {TOKEN_VARIABLE}. Default: made with "
        "the signing keys of --data-dir",
    )
    add_source_arguments(parser)


def run(args: argparse.Namespace, *, token: str) -> int:
    """`token` is what the command line made when neither flag nor environment gave one."""
    url = f"{args.server.rstrip('/')}/whip/{args.room}"
    bearer = args.token or os.environ.get(TOKEN_VARIABLE) or token
    try:
        if not args.file.is_file():
            raise SourceError(f"{args.file}: no such file")
        print(f"publishing {args.file} into room {args.room} (Ctrl-C ends it)", file=sys.stderr)
        frames = read_file(args.file, args.size, loop=not args.once)
        sent = publish(url, bearer, frames, args.size, args.bitrate_kbps * 1000)
    except (PublishError, SourceError) as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    print(f"published {sent} frames", file=sys.stderr)
    return 0
