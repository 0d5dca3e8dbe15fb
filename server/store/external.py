"""A store that somebody else runs: is it one that we can use, and what does it promise?"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from server.errors import StoreError
from server.store.promise import Promise, promise_of

OLDEST_MAJOR: Final = 7
"""Function libraries and `XADD NOMKSTREAM` with ids of a chosen part came with Redis 7.0."""


class ExternalFacts:
    """What an external store told about itself."""

    def __init__(self, *, name: str, version: str, promise: Promise, warnings: list[str]) -> None:
        self.name: Final = name
        self.version: Final = version
        self.promise: Final = promise
        self.warnings: Final = warnings


async def inspect_external(client: Redis, url: str) -> ExternalFacts:
    """Ask for version, role and durability. Raises `StoreError` when it cannot be used."""
    place = shown_url(url)
    try:
        info: dict[str, Any] = await client.info()
    except (RedisError, OSError) as error:
        if _is_about_password(error):
            raise StoreError(
                f"the store at {place} wants another password; give the whole URL,"
                " redis://:PASSWORD@HOST:PORT, in LIANMAI_REDIS or the settings file"
            ) from error
        raise StoreError(
            f"cannot reach the store at {place} ({error}); start it, or mend the setting redis,"
            " or leave that away for the embedded store"
        ) from error
    return ExternalFacts(
        name="Valkey" if "valkey_version" in info else "Redis",
        version=_usable_version(info, place),
        promise=await _promise(client),
        warnings=_warnings(info),
    )


def _is_about_password(error: Exception) -> bool:
    # The handshake of a new connection wraps it into a plain ConnectionError.
    words = ("authentication required", "username-password")
    return isinstance(error, AuthenticationError) or any(
        word in str(error).lower() for word in words
    )


def _usable_version(info: dict[str, Any], place: str) -> str:
    version = str(info.get("valkey_version") or info.get("redis_version") or "")
    major = re.match(r"\d+", version)
    if major is None or int(major[0]) < OLDEST_MAJOR:
        raise StoreError(
            f"the store at {place} is version {version or 'unknown'};"
            f" lianmai needs Redis {OLDEST_MAJOR} or newer, or Valkey"
        )
    if info.get("redis_mode") == "cluster":
        raise StoreError(f"the store at {place} is a cluster; give a single server")
    if info.get("role") == "slave":
        raise StoreError(f"the store at {place} is a read-only replica; give its primary")
    return version


def _warnings(info: dict[str, Any]) -> list[str]:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory", 0):
        return [
            f"it throws data away when full (maxmemory-policy {policy});"
            " rooms and profiles need noeviction"
        ]
    return []


async def _promise(client: Redis) -> Promise:
    try:
        values = await client.config_get("append*")
    except ResponseError:
        return Promise("unknown")  # managed services forbid CONFIG
    return promise_of(values.get("appendonly"), values.get("appendfsync"))


def shown_url(url: str) -> str:
    """The address without user and password, for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
