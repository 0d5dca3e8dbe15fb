"""WebSocket close codes (RFC 6455 §7.4.2, private range), the one registry.

4000-4499: come back (with your last positions, after a jittered wait).
4500-4999: do not come back without changing something.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """The name is what `reason` carries on the wire, in lower case."""

    SHUTTING_DOWN = 4000
    """The server stops or restarts."""
    SLOW_READER = 4001
    """Too much waited unsent; resume from your positions."""
    STORE_UNAVAILABLE = 4002
    """The store is away."""
    PING_TIMEOUT = 4003
    """No pong in time."""
    INTERNAL = 4004
    """A bug of ours ended this connection only."""

    JOIN_TIMEOUT = 4500
    """No `join` within 5 s."""
    BAD_TOKEN = 4501
    TOKEN_EXPIRED = 4502
    FORBIDDEN = 4503
    BAD_MESSAGE = 4504
    """Repeated messages that do not fit the protocol."""
    TOO_LARGE = 4505
    REPLACED = 4506
    """The same connection id joined again elsewhere."""
    ROOM_FULL = 4508
    """A person may try again; clients that came back by themselves would only crowd the door."""
    WRONG_SUBPROTOCOL = 4509

    @property
    def may_return(self) -> bool:
        return self < 4500

    @property
    def reason(self) -> str:
        return self.name.lower()
