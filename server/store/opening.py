"""Open the store of the settings: embedded or external, the same `Store` after that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from redis.asyncio import Redis

from server.logs import get_log
from server.settings import Settings
from server.store.client import make_client
from server.store.embedded import LOCK_WAIT_S, EmbeddedStore
from server.store.external import inspect_external, shown_url
from server.store.promise import Promise

log = get_log(__name__)


class Store:
    """An open store. `client` answers in bytes and has its own bounded pool."""

    def __init__(
        self, *, client: Redis, url: str, what: str, promise: Promise, died: asyncio.Future[int]
    ) -> None:
        self.client: Final = client
        self.url: Final = url
        """With the password, if there is one: for children by `child_environment`, not for logs."""
        self.promise: Final = promise
        self.died: Final = died
        """Gets the exit code when the embedded store ends by itself. Never, for an external one.
        Whoever serves must then stop: nothing can be acknowledged any more."""
        self._what: Final = what

    def describe(self) -> str:
        """One line for people: which store, and what its acknowledgement means."""
        return f"{self._what}; {self.promise}"

    async def ping(self) -> None:
        """Raises `redis.exceptions.RedisError` or `OSError` when it is away."""
        await self.client.ping()

    def child_environment(self) -> dict[str, str]:
        """Tells a child process the store without showing its password in the process list."""
        return {"LIANMAI_REDIS": self.url}


@contextlib.asynccontextmanager
async def open_store(
    settings: Settings, *, lock_wait_s: float = LOCK_WAIT_S
) -> AsyncIterator[Store]:
    """The store of the settings, until the block ends. Raises `server.errors.StoreError`."""
    opened = _external(settings) if settings.redis else _embedded(settings, lock_wait_s)
    async with opened as store:
        log.info("store_opened", store=store.describe())
        yield store


@contextlib.asynccontextmanager
async def _embedded(settings: Settings, lock_wait_s: float) -> AsyncIterator[Store]:
    process = await EmbeddedStore.start(
        settings.data_dir, settings.durability, lock_wait_s=lock_wait_s
    )
    client = make_client(process.url)
    try:
        yield Store(
            client=client,
            url=process.url,
            what=f"embedded store in {settings.data_dir}",
            promise=Promise(settings.durability),
            died=process.died,
        )
    finally:
        await client.aclose()
        await process.stop()


@contextlib.asynccontextmanager
async def _external(settings: Settings) -> AsyncIterator[Store]:
    assert settings.redis is not None, "chosen by the caller"
    url = settings.redis.get_secret_value()
    client = make_client(url)
    try:
        facts = await inspect_external(client, url)
        for warning in facts.warnings:
            log.warning("store_unsafe", warning=warning)
        if facts.promise.is_weaker_than(Promise(settings.durability)):
            log.warning("store_promises_less", wanted=settings.durability, has=str(facts.promise))
        yield Store(
            client=client,
            url=url,
            what=f"{facts.name} {facts.version} at {shown_url(url)}",
            promise=facts.promise,
            died=asyncio.get_running_loop().create_future(),
        )
    finally:
        await client.aclose()
