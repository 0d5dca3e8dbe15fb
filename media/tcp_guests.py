"""Who may hold a TCP connection to the media port, and for how long.

A connection costs a file descriptor and memory before anything is known of who made it. The plane
answers authenticated checks only, so the first datagram sent on a connection proves its peer;
until then it is a stranger: few at a time and soon gone. A proven one that nothing is sent on any
more belongs to nobody (its peer left, or uses UDP), and goes, too.
"""

from __future__ import annotations

from typing import Final

PROVE_WITHIN_S: Final = 10.0
"""Chromium's first check follows the handshake at once; the answer of HTTP has come by then."""
QUIET_FOR_S: Final = 60.0
"""Twice the time after which a silent peer is closed (RFC 7675 §5.1: 30 s). Chromium checks a pair
that it keeps in reserve about every 25 s."""
MAX_STRANGERS: Final = 2_000
"""As many as there may be peers with an unfinished handshake (`PlaneOptions.max_connecting`)."""
MAX_STRANGERS_PER_HOST: Final = 200
"""An office behind one address that joins a show at once; a tenth of what all may have."""
MAX_GUESTS: Final = 20_000
"""As many as there may be peers: a browser holds one connection in reserve while it uses UDP."""


class Guest:
    """One connection as the list sees it. Whoever sends on it sets `is_used`."""

    __slots__ = ("host", "is_proven", "is_used", "since")

    def __init__(self, host: str, now: float) -> None:
        self.host = host
        self.is_proven = False
        self.is_used = False
        self.since = now


class GuestList:
    """Bounds in number and time; a machine. `admit`, then `prove` once, `leave` at the end."""

    def __init__(
        self,
        *,
        max_strangers: int = MAX_STRANGERS,
        max_strangers_per_host: int = MAX_STRANGERS_PER_HOST,
        max_guests: int = MAX_GUESTS,
        prove_within_s: float = PROVE_WITHIN_S,
        quiet_for_s: float = QUIET_FOR_S,
    ) -> None:
        self._max_strangers = max_strangers
        self._max_per_host = max_strangers_per_host
        self._max_guests = max_guests
        self._prove_within_s = prove_within_s
        self._quiet_for_s = quiet_for_s
        self._guests: dict[Guest, None] = {}
        self._strangers = 0
        self._strangers_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._guests)

    def admit(self, host: str, now: float) -> Guest | None:
        """A place for a new connection from `host`, or None when there is none."""
        of_host = self._strangers_of.get(host, 0)
        if (
            len(self._guests) >= self._max_guests
            or self._strangers >= self._max_strangers
            or of_host >= self._max_per_host
        ):
            return None
        guest = Guest(host, now)
        self._guests[guest] = None
        self._strangers += 1
        self._strangers_of[host] = of_host + 1
        return guest

    def prove(self, guest: Guest) -> None:
        """Its peer knows a password of ours."""
        if not guest.is_proven:
            guest.is_proven = True
            self._no_stranger(guest)

    def leave(self, guest: Guest) -> None:
        """The connection is closed; safe to repeat."""
        if guest not in self._guests:
            return
        del self._guests[guest]
        if not guest.is_proven:
            self._no_stranger(guest)

    def overdue(self, now: float) -> list[tuple[Guest, str]]:
        """Whose time is over and why (`unproven`, `quiet`); look every second or so."""
        late: list[tuple[Guest, str]] = []
        for guest in self._guests:
            if guest.is_used:
                guest.is_used = False
                guest.since = now
            elif guest.is_proven:
                if now - guest.since >= self._quiet_for_s:
                    late.append((guest, "quiet"))
            elif now - guest.since >= self._prove_within_s:
                late.append((guest, "unproven"))
        return late

    def _no_stranger(self, guest: Guest) -> None:
        self._strangers -= 1
        left = self._strangers_of[guest.host] - 1
        if left:
            self._strangers_of[guest.host] = left
        else:
            del self._strangers_of[guest.host]
