"""`lianmai retention`: by user or subject, table or JSON, with and without a running server."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from server.errors import UserError
from server.retention import cli
from server.retention.events import encode
from server.retention.stream_keys import stream_key
from server.settings import Settings
from server.store import open_store
from signaling.ids import ShopId
from signaling.store_keys import names_key, subjects_key
from tests.support.engagements import T0_MS, said
from tests.support.store import StoreProcess


async def remember_somebody(store: Redis) -> None:
    """An event that waits in the stream, and the account behind its subject."""
    shop = ShopId("main")
    await store.hset(subjects_key(shop), "alice", "s1")
    await store.hset(names_key(shop), "s1", "小红")
    event = said("room.left", "c1", T0_MS, "s1", dwell_ms=3_909_000)
    await store.xadd(stream_key(0), {"e": encode(event, T0_MS)})


async def ask(settings: Settings, *argv: str) -> int:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return await cli.run(parser.parse_args(argv), settings)


async def test_without_a_server_it_starts_the_store_and_folds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    settings = Settings(data_dir=tmp_path / "data")
    async with open_store(settings) as store:
        await remember_somebody(store.client)
    assert await ask(settings, "profile", "alice", "--format", "json") == 0
    said_ = capsys.readouterr()
    profile = json.loads(said_.out)
    assert (profile["subject"], profile["name"], profile["dwell_ms"]) == ("s1", "小红", 3_909_000)
    assert "no server is running" in said_.err

    async with open_store(settings):  # as a running server has it
        assert await ask(settings, "profile", "s1") == 0
        said_ = capsys.readouterr()
        assert "1:05:09" in said_.out
        assert "Time in rooms" in said_.out
        assert "no server is running" not in said_.err
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        assert await ask(settings, "profile", "alice") == 0
        assert "停留时长" in capsys.readouterr().out
        assert await ask(settings, "status") == 0
        assert "死信" in capsys.readouterr().out


async def test_an_external_store_is_asked_as_it_is(
    store: Redis,
    own_store: StoreProcess,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await remember_somebody(store)
    settings = Settings(data_dir=tmp_path / "data", redis=SecretStr(own_store.url))
    assert await ask(settings, "status", "--format", "json") == 0
    shards = json.loads(capsys.readouterr().out)["shards"]
    assert [shard["unread"] for shard in shards] == [1, 0, 0, 0]
    assert await ask(settings, "profile", "alice", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["visits"] == 0, "its projector has not come yet"


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("profile",), "say whose"),
        (("profile", "nobody"), "nobody is known"),
        (("profile", "x", "--shop", "a/b"), "shop name"),
    ],
)
async def test_what_cannot_be_answered_is_said(
    own_store: StoreProcess, tmp_path: Path, argv: tuple[str, ...], hint: str
) -> None:
    settings = Settings(data_dir=tmp_path, redis=SecretStr(own_store.url))
    with pytest.raises(UserError, match=hint):
        await ask(settings, *argv)


async def test_a_folder_without_a_store_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no store"):
        await ask(Settings(data_dir=tmp_path / "nowhere"), "profile", "alice")
    assert os.listdir(tmp_path) == []
