"""The projector as a process: once, graceful stop, an absent store, strangers' shards."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from server.retention.events import encode
from server.retention.owner import is_dead_owner
from server.retention.profile import Profiles
from server.retention.projector import parse_arguments
from server.retention.status import shard_statuses
from server.retention.stream_keys import SHARDS_KEY, owner_key, stream_key
from signaling.ids import ShopId, Subject
from tests.support.engagements import SHOP, T0_MS, said
from tests.support.store import StoreProcess


async def start(url: str, *more: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server.retention.projector",
        "--redis",
        url,
        *more,
        stdout=asyncio.subprocess.PIPE,
    )


async def line(process: asyncio.subprocess.Process, event: str) -> dict[str, Any]:
    """Its next line about `event`."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while True:
            text = await process.stdout.readline()
            assert text, f"the projector ended without saying {event}"
            fields: dict[str, Any] = msgspec.json.decode(text)
            if fields["event"] == event:
                return fields


async def say(store: Redis, shard: int, key: str) -> None:
    event = said("message.sent", key, T0_MS, "s1")
    await store.xadd(stream_key(shard), {"e": encode(event, T0_MS)})


async def messages(store: Redis) -> int:
    return (await Profiles(store).profile(ShopId(SHOP), Subject("s1"))).messages


async def test_once_folds_what_is_there_and_ends(store: Redis, own_store: StoreProcess) -> None:
    for shard in range(4):
        await say(store, shard, f"m{shard}")
    process = await start(own_store.url, "--once")
    stopped = await line(process, "projector_stopped")
    assert await process.wait() == 0
    assert stopped["folded"] == 4
    assert await messages(store) == 4
    assert await store.get(owner_key(0)) is None, "the shards are free again"


async def test_sigterm_ends_it_gracefully(store: Redis, own_store: StoreProcess) -> None:
    process = await start(own_store.url)
    await line(process, "projector_started")
    await say(store, 1, "m1")
    process.send_signal(signal.SIGTERM)
    await line(process, "projector_stopped")
    assert await process.wait() == 0
    for shard in range(4):
        assert await store.get(owner_key(shard)) is None


async def test_a_second_projector_waits_and_takes_over_from_the_dead(
    store: Redis, own_store: StoreProcess
) -> None:
    first = await start(own_store.url)
    await line(first, "projector_started")
    async with asyncio.timeout(20):
        while (owner := await store.get(owner_key(0))) is None:
            pass
    first.kill()
    await first.wait()
    assert is_dead_owner(owner.decode() if isinstance(owner, bytes) else owner)
    await say(store, 0, "m1")
    second = await start(own_store.url, "--once")
    assert (await line(second, "projector_stopped"))["folded"] == 1
    assert await second.wait() == 0


async def test_it_waits_for_an_absent_store(own_store: StoreProcess) -> None:
    own_store.kill()
    process = await start(own_store.url, "--once")
    trouble = await line(process, "projector_trouble")
    assert trouble["retry_in_s"] > 0
    own_store.start()
    await line(process, "projector_stopped")
    assert await process.wait() == 0


async def test_shards_that_were_ever_written_are_folded(
    store: Redis, own_store: StoreProcess
) -> None:
    await store.sadd(SHARDS_KEY, *range(8))
    await say(store, 7, "m1")
    process = await start(own_store.url, "--once", "--shards", "2")
    assert (await line(process, "projector_started"))["shards"] == list(range(8))
    assert await process.wait() == 0
    assert await messages(store) == 1


async def test_status_tells_lag_pending_and_dead_letters(store: Redis) -> None:
    assert [s.lag_ms for s in await shard_statuses(store, now_ms=T0_MS)] == [0] * 4
    entry = f"{T0_MS}-0"
    event = encode(said("message.sent", "m1", T0_MS, "s1"), T0_MS)
    await store.xadd(stream_key(2), {"e": event}, id=entry)
    (status,) = (s for s in await shard_statuses(store, now_ms=T0_MS + 700) if s.shard == 2)
    assert (status.entries, status.unread, status.pending, status.lag_ms) == (1, 1, 0, 700)
    await store.xgroup_create(stream_key(2), "profiles", id="0")
    (status,) = (s for s in await shard_statuses(store, now_ms=T0_MS + 700) if s.shard == 2)
    assert (status.unread, status.pending, status.lag_ms) == (1, 0, 700)
    await store.xreadgroup("profiles", "projector", {stream_key(2): ">"})
    (status,) = (s for s in await shard_statuses(store, now_ms=T0_MS + 900) if s.shard == 2)
    assert (status.unread, status.pending, status.lag_ms) == (0, 1, 900)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--redis", "unix:///x", "--shards", "0"],
        ["--redis", "unix:///x", "--batch", "0"],
    ],
)
def test_wrong_arguments_are_refused(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LIANMAI_REDIS", raising=False)
    with pytest.raises(SystemExit) as ended:
        parse_arguments(argv)
    assert ended.value.code == 2
    assert "--" in capsys.readouterr().err
