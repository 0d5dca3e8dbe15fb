from __future__ import annotations

from typing import Any

import pytest

from server.errors import StoreError
from server.store.external import _usable_version, _warnings, shown_url


@pytest.mark.parametrize(
    ("info", "version"),
    [
        ({"redis_version": "7.0.15"}, "7.0.15"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "9.1.2"),
        ({"redis_version": "10.0.0", "redis_mode": "standalone", "role": "master"}, "10.0.0"),
    ],
)
def test_usable(info: dict[str, Any], version: str) -> None:
    assert _usable_version(info, "here") == version


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"redis_version": "6.2.14"}, "version 6.2.14; lianmai needs Redis 7"),
        ({}, "version unknown"),
        ({"redis_version": "7.0.0", "redis_mode": "cluster"}, "is a cluster"),
        ({"redis_version": "7.0.0", "role": "slave"}, "read-only replica"),
    ],
)
def test_not_usable(info: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        _usable_version(info, "redis://here")


def test_eviction_is_warned_of() -> None:
    assert _warnings({"maxmemory_policy": "allkeys-lru", "maxmemory": 1}) != []
    assert _warnings({"maxmemory_policy": "allkeys-lru", "maxmemory": 0}) == []
    assert _warnings({"maxmemory_policy": "noeviction", "maxmemory": 1}) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:geheim@store:6379/0", "redis://store:6379/0"),
        ("redis://:ge@heim@store", "redis://store"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_addresses_are_shown_without_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown
