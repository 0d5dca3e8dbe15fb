"""`lianmai token`: make a join token by hand, as a shop's back end does by program."""

from __future__ import annotations

import argparse
import sys
import time

from server.durations import format_duration, parse_duration_s
from server.errors import UsageError
from server.grants import ROLES
from server.links import base_url, room_links
from server.settings_flags import KEYS, add_settings_flags, settings_of
from server.signing import JOIN_TTL_S, MAX_USER_CHARS, SigningKeys, make_claims
from signaling.ids import DEFAULT_SHOP, RoomId, ShopId, is_room_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--room", metavar="R", required=True, help="the room it opens")
    parser.add_argument("--user", metavar="U", required=True, help="id of the person in the shop")
    parser.add_argument("--role", choices=ROLES, required=True, help="what the person may do")
    parser.add_argument("--name", metavar="N", default="", help="name shown to others")
    parser.add_argument(
        "--ttl",
        metavar="S",
        type=_ttl_s,
        default=JOIN_TTL_S,
        help="how long it may be used to join: seconds, or 10m, 6h"
        f" (default: {format_duration(JOIN_TTL_S)}; a joined socket stays)",
    )
    parser.add_argument("--shop", default=DEFAULT_SHOP, help="whose key signs it (default: main)")
    add_settings_flags(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    if not is_room_name(args.room):
        raise UsageError(f"{args.room!r} is no room name; use 1-64 letters, digits, _ or -")
    if not 1 <= len(args.user) <= MAX_USER_CHARS:
        raise UsageError(f"--user needs 1-{MAX_USER_CHARS} characters")
    keys = SigningKeys.load(settings)
    shop = ShopId(args.shop)
    if keys.key_for(shop) is None:
        raise UsageError(f"no key signs for the shop {shop!r}; there are: {', '.join(keys.shops)}")
    claims = make_claims(
        shop=shop,
        room=RoomId(args.room),
        user=args.user,
        name=args.name,
        role=args.role,
        now=time.time(),
        ttl_s=args.ttl,
    )
    token = keys.mint(claims)
    print(token)
    for title, link in room_links(base_url(settings), args.room, args.role, token).items():
        print(f"{title:>8}: {link}", file=sys.stderr)
    return 0


def _ttl_s(text: str) -> float:
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not 1 <= seconds <= 366 * 86_400:
        raise argparse.ArgumentTypeError("a token lives from 1s to 366d")
    return seconds
