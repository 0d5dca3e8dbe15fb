"""The embedded store through everything that happens to a real one: restarts, kills, two starts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.errors import StoreError, StoreInUse
from server.settings import Settings
from server.store import open_store
from server.store.embedded import EmbeddedStore
from server.store.folder_lock import acquire_lock

LIMIT_S = 30
# A program that opens the store, writes without pause, and says what was acknowledged.
WRITER = """
import sys, uvloop
from pathlib import Path
from server.settings import Settings
from server.store import open_store

async def main():
    async with open_store(Settings(data_dir=Path(sys.argv[1]))) as store:
        number = 0
        while True:
            await store.client.set("last", number)
            print(number, flush=True)
            number += 1

uvloop.run(main())
"""


def settings(folder: Path, durability: str = "fsync") -> Settings:
    return Settings.model_validate({"data_dir": folder, "durability": durability})


@asynccontextmanager
async def writer(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program above as a process of its own; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(folder), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def acknowledged(process: asyncio.subprocess.Process, at_least: int) -> int:
    """Read until this many writes were acknowledged; the last number."""
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        while (number := int(await process.stdout.readline())) < at_least:
            pass
    return number


async def last_written(client: Redis) -> int:
    value = await client.get("last")
    assert value is not None
    return int(value)


@pytest.mark.parametrize("durability", ["fsync", "everysec"])
async def test_stop_and_start_keeps_everything(tmp_path: Path, durability: str) -> None:
    async with open_store(settings(tmp_path, durability)) as store:
        await store.client.set("a", "1")
        assert not store.died.done()
    async with open_store(settings(tmp_path, durability)) as store:
        assert await store.client.get("a") == b"1"
        assert f"; {durability}: " in store.describe()


async def test_memory_promises_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    async with open_store(settings(tmp_path, "memory")) as store:
        await store.client.set("a", "1")
    async with open_store(settings(tmp_path, "memory")) as store:
        assert await store.client.get("a") is None


async def test_kill_9_of_the_program_loses_nothing_acknowledged(tmp_path: Path) -> None:
    async with writer(tmp_path) as process:
        seen = await acknowledged(process, at_least=100)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    # At once, while the orphan may still be writing: the new start must wait for its end.
    async with open_store(settings(tmp_path)) as store:
        assert await last_written(store.client) >= seen


async def test_the_store_dies_with_its_program(tmp_path: Path) -> None:
    async with writer(tmp_path) as process:
        await acknowledged(process, at_least=1)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    # The store holds the lock as long as it lives. Under another name nobody ends it as an orphan.
    folder, stranger = tmp_path / "store", tmp_path / "not-its.conf"
    (await acquire_lock(folder, config_path=stranger, wait_s=LIMIT_S)).release()


async def test_kill_9_of_the_store_process_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    store = await EmbeddedStore.start(tmp_path, "fsync")
    client = Redis.from_url(store.url)
    await client.set("last", 7)
    await client.aclose()
    os.kill(store.pid, signal.SIGKILL)
    async with asyncio.timeout(LIMIT_S):
        assert await store.died == -signal.SIGKILL
    await store.stop()
    async with open_store(settings(tmp_path), lock_wait_s=0) as again:
        assert await last_written(again.client) == 7


async def test_a_second_program_is_told_who_has_the_folder(tmp_path: Path) -> None:
    async with writer(tmp_path) as process:
        await acknowledged(process, at_least=1)
        with pytest.raises(StoreInUse, match="--data-dir") as caught:
            async with open_store(settings(tmp_path), lock_wait_s=0.2):
                pytest.fail("both have it")
        assert caught.value.pid == process.pid
        await acknowledged(process, at_least=10)


async def test_a_new_start_waits_for_one_that_is_just_stopping(tmp_path: Path) -> None:
    first = await EmbeddedStore.start(tmp_path, "fsync")
    second = asyncio.create_task(EmbeddedStore.start(tmp_path, "fsync"))
    await asyncio.sleep(0)
    await first.stop()
    async with asyncio.timeout(LIMIT_S):
        await (await second).stop()


async def test_an_orphan_is_ended_cleanly(tmp_path: Path) -> None:
    """As on a system without PDEATHSIG, or when the signal came too early: the parent is dead,
    the store lives and holds the folder."""
    orphan = await EmbeddedStore.start(tmp_path, "fsync")
    client = Redis.from_url(orphan.url)
    await client.set("last", 3)
    await client.aclose()
    lock = tmp_path / "store" / "lock"
    lock.write_text(f'{{"pid": {2**22 - 1}, "started": "0", "store_pid": {orphan.pid}}}')
    # The parent's own descriptor goes with the parent; here that is us.
    os.close(orphan._lock.fd)
    orphan._lock._released = True
    async with open_store(settings(tmp_path)) as store:
        assert await last_written(store.client) == 3
    assert await orphan.died == 0
    await orphan.stop()


async def test_a_torn_end_of_the_file_is_survived(tmp_path: Path) -> None:
    async with open_store(settings(tmp_path)) as store:
        await store.client.set("last", 5)
        await store.client.set("torn", "x" * 100)
    tear_last_write(tmp_path)
    async with open_store(settings(tmp_path)) as store:
        assert await last_written(store.client) == 5
        assert await store.client.get("torn") is None


def tear_last_write(folder: Path) -> None:
    (file,) = (folder / "store" / "appendonlydir").glob("*.incr.aof")
    os.truncate(file, file.stat().st_size - 50)


async def test_a_broken_file_is_an_error_that_says_what_the_store_said(tmp_path: Path) -> None:
    async with open_store(settings(tmp_path)) as store:
        for number in range(100):
            await store.client.set(f"k{number}", number)
    spoil_the_middle(tmp_path)
    with pytest.raises(StoreError, match=r"it said:\n.*Bad file format"):
        async with open_store(settings(tmp_path)):
            pytest.fail("it cannot load that")
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(StoreError, match="Bad file format"):
            # The failed start has left the folder free.
            await EmbeddedStore.start(tmp_path, "fsync", lock_wait_s=0)


def spoil_the_middle(folder: Path) -> None:
    (file,) = (folder / "store" / "appendonlydir").glob("*.incr.aof")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = b"?" * 40
    file.write_bytes(content)


async def test_a_very_long_and_odd_data_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("很长 的\"folder' " + "x" * 90) / "data"
    async with open_store(settings(folder)) as store:
        await store.client.set("a", "1")
    async with open_store(settings(folder)) as store:
        assert await store.client.get("a") == b"1"


async def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(StoreError, match="--data-dir"):
        async with open_store(settings(tmp_path / "data")):
            pytest.fail("a file is no folder")
