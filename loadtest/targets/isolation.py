"""Where a private server lives that is not measured on loopback: behind a veth pair."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from loadtest.network.errors import NetworkError
from loadtest.network.veth import Link, veth_pair
from loadtest.targets.target import TargetError


@contextlib.asynccontextmanager
async def isolated(name: str) -> AsyncIterator[Link]:
    """A namespace with an address of its own, for the server of that name. Raises `TargetError`."""
    if os.geteuid() != 0:
        raise TargetError(f"{name} gets a network namespace of its own, which needs root: use sudo")
    async with contextlib.AsyncExitStack() as stack:
        try:
            link = await stack.enter_async_context(veth_pair())
        except NetworkError as error:
            raise TargetError(f"{name} gets no network namespace: {error}") from error
        yield link
