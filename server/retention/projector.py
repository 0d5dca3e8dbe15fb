"""The projector: a process of its own that folds engagement events into profiles.

    python -m server.retention.projector --redis URL [--shards N] [--once]

It may be killed at any moment and started again, and several may run: each shard has one owner
(shard.py). It prints one JSON object a line on stdout: started, status, trouble, stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.retention import functions
from server.retention.owner import new_token
from server.retention.shard import ShardOptions, ShardProjector, ShardStats, StoreTrouble
from server.retention.stream_keys import DEFAULT_SHARDS, SHARDS_KEY

_DEFAULTS: Final = ShardOptions()
_FIRST_BACKOFF_S: Final = 0.1
_LAST_BACKOFF_S: Final = 5.0
_TROUBLES: Final = (RedisError, StoreTrouble, OSError, TimeoutError)

Say = Callable[[str, dict[str, Any]], None]


class Projector:
    """Runs the shards' loops until stopped (or, with `once`, until nothing is left to fold)."""

    def __init__(
        self,
        store: Redis,
        *,
        shards: int = DEFAULT_SHARDS,
        once: bool = False,
        options: ShardOptions | None = None,
        status_every_s: float = 30.0,
        say: Say,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._shards = shards
        self._once = once
        self._options = options or ShardOptions()
        self._status_every_s = status_every_s
        self._say = say
        self._rng = rng or random.Random()
        self._token = new_token()
        self._stopping = asyncio.Event()
        self._projectors: list[ShardProjector] = []

    def stop(self) -> None:
        """Finish the batch at hand, give the shards back, return from `run`."""
        self._stopping.set()

    def stats(self) -> ShardStats:
        """Counts of all shards together."""
        total = ShardStats()
        for projector in self._projectors:
            for name in ShardStats.__struct_fields__:
                setattr(total, name, getattr(total, name) + getattr(projector.stats, name))
        return total

    async def run(self) -> None:
        numbers = await self._shard_numbers()
        if not self._stopping.is_set():
            self._projectors = [
                ShardProjector(
                    self._store,
                    number,
                    token=self._token,
                    options=self._options,
                    now_ms=_wall_ms,
                )
                for number in numbers
            ]
            self._say("projector_started", {"shards": numbers, "pid": os.getpid()})
            async with asyncio.TaskGroup() as group:
                status = group.create_task(self._report(), name="projector-status")
                loops = [
                    group.create_task(self._run_shard(projector), name=f"shard-{projector.shard}")
                    for projector in self._projectors
                ]
                await asyncio.wait(loops)
                status.cancel()
        self._say("projector_stopped", msgspec.to_builtins(self.stats()))

    async def _shard_numbers(self) -> list[int]:
        """The configured shards and all that producers ever wrote to."""
        backoff = _Backoff(self._rng)
        while not self._stopping.is_set():
            try:
                await functions.load(self._store)
                written = await self._store.smembers(SHARDS_KEY)
            except _TROUBLES as error:
                await self._trouble(error, backoff, shard=None)
            else:
                return sorted(set(range(self._shards)) | {int(number) for number in written})
        return []

    async def _run_shard(self, projector: ShardProjector) -> None:
        backoff = _Backoff(self._rng)
        prepared = False
        while not self._stopping.is_set():
            try:
                if not prepared:
                    await functions.load(self._store)
                    await projector.prepare()
                    prepared = True
                if not await projector.step() and not await self._idle(projector):
                    break
                backoff.reset()
            except _TROUBLES as error:
                prepared = False
                projector.recover()
                await self._trouble(error, backoff, shard=projector.shard)
        with contextlib.suppress(*_TROUBLES):  # else the lease ends by itself
            await projector.release()

    async def _idle(self, projector: ShardProjector) -> bool:
        """Waits for something to do. False when there is nothing more to do at all."""
        if projector.owner is not None:
            await self._sleep(self._options.block_ms / 1000)
            return True
        if self._once:
            return False
        await projector.wait_new()
        return True

    async def _trouble(self, error: BaseException, backoff: _Backoff, *, shard: int | None) -> None:
        delay_s = backoff.next_s()
        self._say(
            "projector_trouble",
            {
                "shard": shard,
                "error": type(error).__name__,
                "detail": str(error)[:200],
                "retry_in_s": round(delay_s, 3),
            },
        )
        await self._sleep(delay_s)

    async def _report(self) -> None:
        last: ShardStats | None = None
        while True:
            await asyncio.sleep(self._status_every_s)
            stats = self.stats()
            if stats != last:
                self._say("projector_status", msgspec.to_builtins(stats))
                last = stats

    async def _sleep(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay_s)


class _Backoff:
    """Full jitter: many projectors do not come back in step."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._ceiling_s = _FIRST_BACKOFF_S

    def reset(self) -> None:
        self._ceiling_s = _FIRST_BACKOFF_S

    def next_s(self) -> float:
        delay_s = self._rng.uniform(_FIRST_BACKOFF_S / 2, self._ceiling_s)
        self._ceiling_s = min(_LAST_BACKOFF_S, self._ceiling_s * 2)
        return delay_s


def connect(url: str) -> Redis:
    """A client that fails fast and leaves retrying to the loops above."""
    return Redis.from_url(
        url, socket_timeout=10.0, socket_connect_timeout=5.0, retry=Retry(NoBackoff(), 0)
    )


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _print_line(event: str, fields: dict[str, Any]) -> None:
    line = msgspec.json.encode({"event": event, "at_ms": _wall_ms(), **fields})
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="projector", description="Fold events into profiles.")
    parser.add_argument(
        "--redis",
        default=os.environ.get("LIANMAI_REDIS"),
        help="store URL, redis:// or unix:// (default: $LIANMAI_REDIS, which keeps a password "
        "out of the process list)",
    )
    parser.add_argument("--shards", type=int, default=DEFAULT_SHARDS)
    parser.add_argument("--batch", type=int, default=_DEFAULTS.batch, help="entries per read")
    parser.add_argument(
        "--trim-margin-s",
        type=float,
        default=_DEFAULTS.trim_margin_ms / 1000,
        help="keep acknowledged entries this long",
    )
    parser.add_argument("--status-every-s", type=float, default=30.0)
    parser.add_argument(
        "--once", action="store_true", help="stop when everything written so far is folded"
    )
    args = parser.parse_args(argv)
    if not args.redis:
        parser.error("--redis URL is missing")
    if not 1 <= args.shards <= 1024:
        parser.error("--shards must be 1 to 1024")
    if not 1 <= args.batch <= 100_000:
        parser.error("--batch must be 1 to 100000")
    return args


async def _main(args: argparse.Namespace) -> None:
    store = connect(args.redis)
    projector = Projector(
        store,
        shards=args.shards,
        once=args.once,
        options=ShardOptions(batch=args.batch, trim_margin_ms=int(args.trim_margin_s * 1000)),
        status_every_s=args.status_every_s,
        say=_print_line,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, projector.stop)
    try:
        await projector.run()
    finally:
        await store.aclose()


def main(argv: Sequence[str] | None = None) -> int:
    asyncio.run(_main(parse_arguments(argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
