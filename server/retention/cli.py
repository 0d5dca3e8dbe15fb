"""`lianmai retention`: what the store remembers of a person, and how the event streams stand.

It reads the running server's store (its Unix socket in the data folder, or `--redis`). When no
server runs it starts the embedded store itself, folds what is waiting, and says so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console

from server.errors import StoreError, UsageError, UserError
from server.logs import get_log
from server.retention.profile import Profiles
from server.retention.projector import Projector
from server.retention.status import shard_statuses
from server.retention.tables import language, profile_table, status_table
from server.settings import Settings
from server.store import open_store
from server.store.client import make_client
from server.store.embedded import FOLDER_NAME
from server.store.socket_path import choose_socket_path
from signaling.ids import DEFAULT_SHOP, ShopId, Subject, is_shop_name

log = get_log(__name__)

_ANSWER_LIMIT_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Own arguments only; the flags of the store's settings are added by the caller."""
    parser.add_argument(
        "what",
        choices=("profile", "status"),
        help="profile: one person; status: event streams, lag, dead letters",
    )
    parser.add_argument("user", nargs="?", metavar="USER", help="account id, or subject")
    parser.add_argument("--shop", default=DEFAULT_SHOP, help="whose people (default: main)")
    parser.add_argument("--format", choices=("table", "json"), default="table")


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Exit code 0. Raises `UserError` when the person or the store is not to be found."""
    if args.what == "profile" and not args.user:
        raise UsageError("say whose profile: lianmai retention profile USER")
    if not is_shop_name(args.shop):
        raise UsageError(f"{args.shop!r} is no shop name; use 1-64 letters, digits, _ or -")
    async with _some_store(settings) as store:
        if args.what == "status":
            await _print_status(store, args.format, os.environ)
        else:
            await _print_profile(store, ShopId(args.shop), args.user, args.format, os.environ)
    return 0


async def _print_profile(
    store: Redis, shop: ShopId, user: str, format_: str, environ: Mapping[str, str]
) -> None:
    profiles = Profiles(store)
    subject = await profiles.find_subject(shop, user) or Subject(user)
    view = await profiles.profile(shop, subject)
    name = await profiles.name(shop, subject)
    is_known = view.first_seen_ms is not None or view.last_paid_ms is not None
    if subject == user and name is None and not is_known:
        raise UserError(f"nobody is known as {user!r} in the shop {shop!r}")
    if format_ == "json":
        _print_json({"shop": shop, "name": name, **msgspec.to_builtins(view)})
    else:
        Console().print(profile_table(view, name, language(environ)))


async def _print_status(store: Redis, format_: str, environ: Mapping[str, str]) -> None:
    shards = await shard_statuses(store, now_ms=_wall_ms())
    if format_ == "json":
        _print_json({"shards": msgspec.to_builtins(shards)})
    else:
        Console().print(status_table(shards, language(environ)))


def _print_json(value: dict[str, Any]) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


@contextlib.asynccontextmanager
async def _some_store(settings: Settings) -> AsyncIterator[Redis]:
    """The external store, the running server's, or else one started for this question."""
    running = None if settings.redis else await _running_store(settings)
    if running is not None:
        try:
            yield running
        finally:
            await running.aclose()
        return
    if settings.redis is None and not (settings.data_dir / FOLDER_NAME).is_dir():
        raise StoreError(f"{settings.data_dir} holds no store; name the folder with --data-dir")
    async with open_store(settings) as store:
        if settings.redis is None:
            print("no server is running: started the store for this question", file=sys.stderr)
            await _fold_what_waits(store.client)
        yield store.client


async def _running_store(settings: Settings) -> Redis | None:
    """A client of the embedded store of a running server; None when none answers."""
    path = choose_socket_path(settings.data_dir.absolute() / FOLDER_NAME)
    if not path.exists():
        return None
    client = make_client(f"unix://{quote(str(path))}")
    try:
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            await client.ping()
    except (RedisError, OSError, TimeoutError) as error:
        log.debug("store_does_not_answer", error=type(error).__name__)
        await client.aclose()
        return None
    return client


async def _fold_what_waits(store: Redis) -> None:
    """Events that reached the store and no projector, as after a crash."""

    def say(event: str, fields: dict[str, Any]) -> None:
        log.debug(event, **fields)

    await Projector(store, once=True, say=say).run()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
