"""How often one network address may ask: token buckets by address, bounded in number.

The buckets are a core without a clock; `admit` is their one line of shell. Behind one address
there may be a whole office or a mobile carrier's NAT, so the bursts are generous: the limits stop
a loop, not a crowd.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections import OrderedDict
from typing import Final

from aiohttp import web

from signaling.errors import Refusal

MAX_ADDRESSES: Final = 20_000
"""Buckets kept; the longest unused is forgotten first (about 4 MB when full)."""


class Bucket:
    """A token bucket: `rate_per_s` refill, `burst` at most; starts full."""

    __slots__ = ("_burst", "_filled_at", "_rate_per_s", "_tokens")

    def __init__(self, *, rate_per_s: float, burst: float, now: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._filled_at = now

    def take(self, now: float) -> float:
        """Take one token. Returns 0.0 when there was one, else the seconds until there is."""
        elapsed_s = max(0.0, now - self._filled_at)
        self._filled_at = now
        self._tokens = min(self._burst, self._tokens + elapsed_s * self._rate_per_s)
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate_per_s


class AddressLimiter:
    """One bucket per network address (IPv6: per /64, which is what one customer gets)."""

    def __init__(
        self, *, rate_per_s: float, burst: float, max_addresses: int = MAX_ADDRESSES
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._max_addresses = max_addresses
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str | None, now: float) -> float:
        """Count one request. Returns 0.0 when admitted, else the seconds to wait."""
        key = network_of(address)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = Bucket(rate_per_s=self._rate_per_s, burst=self._burst, now=now)
            self._buckets[key] = bucket
            if len(self._buckets) > self._max_addresses:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)

    def __len__(self) -> int:
        return len(self._buckets)


def network_of(address: str | None) -> str:
    """The key under which an address is counted; unknown ones share one bucket."""
    if not address:
        return "unknown"
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False).network_address)


class Limits:
    """The limits of the HTTP front, per address. Generous for a crowd, narrow for a loop."""

    def __init__(self) -> None:
        self.offers = AddressLimiter(rate_per_s=20, burst=200)
        """POST of WHIP and WHEP: each costs an SDP parse and a DTLS handshake."""
        self.session_edits = AddressLimiter(rate_per_s=50, burst=500)
        """PATCH and DELETE of sessions, so that their names cannot be guessed by trying."""
        self.guests = AddressLimiter(rate_per_s=10, burst=200)
        """Guest tokens: each new one is an entry in the store for ever."""
        self.sockets = AddressLimiter(rate_per_s=100, burst=2_000)
        """WebSocket handshakes; a reconnect storm from one NAT must pass."""
        self.api = AddressLimiter(rate_per_s=50, burst=500)
        """Everything else of /api/v1."""


def admit(limiter: AddressLimiter, request: web.Request) -> None:
    """Count a request against its address. Raises `Refusal("rate_limited")` (429)."""
    wait_s = limiter.take(request.remote, asyncio.get_running_loop().time())
    if wait_s > 0:
        raise Refusal("rate_limited", retry_after_ms=math.ceil(wait_s * 1000))
