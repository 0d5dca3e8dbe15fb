"""Check of the store: it starts (or answers), what it promises, how long a durable write takes."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.doctor.check import Check, fail, ok, warn
from server.doctor.machine import nearest_folder
from server.errors import StoreError
from server.settings import Settings
from server.store import Promise, open_store

WRITES: Final = 200
SLOW_P99_MS: Final = 20.0
"""A question waits for this before its sender sees it accepted."""
KEY: Final = "lm1:doctor"


async def store(settings: Settings) -> Check:
    """The external store itself; for the embedded one, a second one beside the data folder, on
    the same disk, so that the doctor may run while the server does."""
    if settings.redis is not None:
        return await _probe(settings)
    parent = nearest_folder(settings.data_dir)
    try:
        folder = Path(tempfile.mkdtemp(prefix=".lianmai-doctor-", dir=parent))
    except OSError as error:
        text = f"cannot write in {parent}: {error.strerror}"
        return fail("store", text, "give another folder with --data-dir")
    try:
        return await _probe(settings.model_copy(update={"data_dir": folder}))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _probe(settings: Settings) -> Check:
    try:
        async with open_store(settings) as opened:
            took_ms = await _write_times_ms(opened.client)
            description = opened.describe() if settings.redis else f"embedded; {opened.promise}"
            promise = opened.promise
    except StoreError as error:
        return fail("store", str(error), "see --redis and --data-dir")
    except (RedisError, OSError) as error:
        return fail("store", f"writes fail: {error}", "mend the store, or choose another (--redis)")
    cuts = statistics.quantiles(took_ms, n=100)
    detail = f"{description}; a write takes p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms"
    if promise.is_weaker_than(Promise(settings.durability)):
        return warn(
            "store", detail, "on its machine: CONFIG SET appendonly yes, appendfsync always"
        )
    if cuts[98] > SLOW_P99_MS:
        return warn("store", detail, "use a faster disk for --data-dir, or --durability everysec")
    return ok("store", detail)


async def _write_times_ms(client: Redis) -> list[float]:
    took = []
    for number in range(WRITES):
        started = time.perf_counter()
        await client.set(KEY, number, ex=60)
        took.append((time.perf_counter() - started) * 1000)
    await client.delete(KEY)
    return took
