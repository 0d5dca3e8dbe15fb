"""How we talk to a store: one place for pools, time limits and what is (not) repeated."""

from __future__ import annotations

from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECTIONS: Final = 64
"""Of one pool. Callers beyond it wait up to `POOL_WAIT_S`; commands are pipelined, so few do."""
POOL_WAIT_S: Final = 5.0
SOCKET_S: Final = 10.0
"""A reply that takes longer raises `TimeoutError`."""
BLOCK_LIMIT_S: Final = 5.0
"""Longest `BLOCK` of a reader: safely below the time limit of the socket."""
CONNECT_S: Final = 5.0
IDLE_CHECK_S: Final = 15
"""A connection idle this long is asked PING before it is used again."""


def make_client(url: str) -> Redis:
    """A client with its own pool. Replies are bytes.

    No command is sent twice behind the caller's back: after a lost reply only the caller knows
    whether repeating is harmless. A pooled connection that the server closed is replaced silently.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=POOL_WAIT_S,
        socket_timeout=SOCKET_S,
        socket_connect_timeout=CONNECT_S,
        health_check_interval=IDLE_CHECK_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=False,
        client_name="lianmai",
    )
    return Redis.from_pool(pool)
