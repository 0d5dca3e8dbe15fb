"""A small ICE agent (RFC 8445) with consent (RFC 7675), sans I/O.

It has one host candidate of its own and checks the server's candidates side by side; the first
that answers is selected. As the controlling side it nominates with each check; as the controlled
one it follows the server's nomination. Candidates of a server are learnt from its SDP alone.
"""

from __future__ import annotations

import random
import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from aioice import stun

from loadtest.rtc.sdp import Address

FIRST_CHECK_S: Final = 0.05
SLOWEST_CHECK_S: Final = 0.5
CONSENT_EVERY_S: Final = 2.5
CONSENT_SPREAD: Final = 0.2
CONSENT_LOST_S: Final = 15.0
ROLE_CONFLICT: Final = 487
_HOST_PRIORITY: Final = 1_862_270_975
"""Type preference 110 as of a peer-reflexive candidate (RFC 8445 §7.1.1)."""
_REMEMBERED: Final = 64
_MAX_STUN_BYTES: Final = 1500


@dataclass(frozen=True, slots=True)
class Credentials:
    ufrag: str
    pwd: str


class IceAgent:
    """`start` when the server's SDP is known, then `handle_untrusted` and `handle_timeout`; after
    each drain `poll_transmit` and re-arm at `next_deadline`. `selected` is where to send."""

    def __init__(self, local: Credentials, rng: random.Random, *, controlling: bool = True) -> None:
        self.local = local
        self.controlling = controlling
        self.selected: Address | None = None
        self.is_lost = False
        """No check was answered for `CONSENT_LOST_S` after one had been."""
        self.refusal = ""
        """The last error that the server answered a check with."""
        self.rtt_s = 0.05
        """Of the last answered check; before, a guess."""
        self.valid: set[Address] = set()
        """Addresses that answered, with the right password."""
        self._remote: Credentials | None = None
        self._candidates: list[Address] = []
        self._rng = rng
        self._tie_breaker = rng.getrandbits(64)
        self._sent: dict[bytes, tuple[Address, float]] = {}
        self._transmits: deque[tuple[bytes, Address]] = deque()
        self._check_at: float | None = None
        self._interval_s = FIRST_CHECK_S
        self._heard_at = 0.0

    def start(self, remote: Credentials, candidates: list[Address], now: float) -> None:
        self._remote = remote
        self._candidates = candidates
        self._check_at = now
        self.handle_timeout(now)

    def next_deadline(self) -> float | None:
        return None if self.is_lost else self._check_at

    def poll_transmit(self) -> tuple[bytes, Address] | None:
        return self._transmits.popleft() if self._transmits else None

    def handle_timeout(self, now: float) -> None:
        if self._check_at is None or now < self._check_at or self.is_lost:
            return
        if self.selected is None:
            for candidate in self._candidates:
                self._check(candidate, now)
            self._check_at = now + self._interval_s
            self._interval_s = min(self._interval_s * 1.5, SLOWEST_CHECK_S)
        elif now - self._heard_at >= CONSENT_LOST_S:
            self.is_lost = True
        else:
            self._check(self.selected, now)
            spread = self._rng.uniform(1 - CONSENT_SPREAD, 1 + CONSENT_SPREAD)
            self._check_at = min(now + CONSENT_EVERY_S * spread, self._heard_at + CONSENT_LOST_S)

    def handle_untrusted(self, data: bytes, source: Address, now: float) -> None:
        """One STUN datagram; whatever is wrong with it is ignored."""
        if len(data) > _MAX_STUN_BYTES:
            return
        try:
            message = stun.parse_message(data)
        except (ValueError, struct.error):
            return
        if message.message_method != stun.Method.BINDING:
            return
        match message.message_class:
            case stun.Class.REQUEST:
                self._take_request(message, source, now)
            case stun.Class.RESPONSE | stun.Class.ERROR:
                self._take_answer(message, source, now)

    # --- our checks ------------------------------------------------------------------------

    def _check(self, address: Address, now: float) -> None:
        assert self._remote is not None, "start() brings the credentials"
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._remote.ufrag}:{self.local.ufrag}"
        request.attributes["PRIORITY"] = _HOST_PRIORITY
        if self.controlling:
            request.attributes["ICE-CONTROLLING"] = self._tie_breaker
            # RFC 8445 §8.1.1: one pair alone is nominated, or a lite server would send to the
            # address of whichever check came last.
            if address == self.selected or len(self._candidates) == 1:
                request.attributes["USE-CANDIDATE"] = None
        else:
            request.attributes["ICE-CONTROLLED"] = self._tie_breaker
        request.add_message_integrity(self._remote.pwd.encode())
        self._sent[request.transaction_id] = (address, now)
        while len(self._sent) > _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        self._transmits.append((bytes(request), address))

    def _take_answer(self, message: stun.Message, source: Address, now: float) -> None:
        sent = self._sent.get(message.transaction_id)
        # RFC 8445 §7.2.5.2.1: the answer comes from where the check went.
        if sent is None or sent[0] != source or self._remote is None:
            return
        if message.message_class == stun.Class.ERROR:
            self._take_error(message, source, now)
            return
        if not message.check_message_integrity(self._remote.pwd.encode()):
            return
        del self._sent[message.transaction_id]
        self.rtt_s = max(0.0, now - sent[1])
        self._heard_at = now
        self.valid.add(source)
        if self.selected is None:
            self._select(source, now)

    def _take_error(self, message: stun.Message, source: Address, now: float) -> None:
        code, reason = message.attributes.get("ERROR-CODE", (0, ""))
        self.refusal = f"{code} {reason}".strip()
        assert self._remote is not None, "an answer to a check of ours"
        if code == ROLE_CONFLICT and message.check_message_integrity(self._remote.pwd.encode()):
            del self._sent[message.transaction_id]
            self.controlling = not self.controlling
            self._check(source, now)

    def _select(self, address: Address, now: float) -> None:
        self.selected = address
        self._check_at = now + CONSENT_EVERY_S
        if self.controlling and len(self._candidates) > 1:
            self._check(address, now)

    # --- the server's checks ---------------------------------------------------------------

    def _take_request(self, message: stun.Message, source: Address, now: float) -> None:
        ufrag = str(message.attributes.get("USERNAME", "")).partition(":")[0]
        if ufrag != self.local.ufrag:
            return
        if not message.check_message_integrity(self.local.pwd.encode()):
            return
        if self._is_conflict(message):
            self._answer(message, source, stun.Class.ERROR)
            return
        self._answer(message, source, stun.Class.RESPONSE)
        nominated = not self.controlling and "USE-CANDIDATE" in message.attributes
        if nominated and source in self.valid and source != self.selected:
            self._select(source, now)

    def _is_conflict(self, message: stun.Message) -> bool:
        """RFC 8445 §7.3.1.1. Switches our role when it is ours to give way."""
        attribute = "ICE-CONTROLLING" if self.controlling else "ICE-CONTROLLED"
        theirs = message.attributes.get(attribute)
        if theirs is None:
            return False
        we_are_greater = self._tie_breaker >= theirs
        if we_are_greater == self.controlling:
            return True
        self.controlling = not self.controlling
        return False

    def _answer(self, request: stun.Message, source: Address, kind: stun.Class) -> None:
        answer = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=kind,
            transaction_id=request.transaction_id,
        )
        if kind == stun.Class.ERROR:
            answer.attributes["ERROR-CODE"] = (ROLE_CONFLICT, "Role Conflict")
        else:
            answer.attributes["XOR-MAPPED-ADDRESS"] = source
        answer.add_message_integrity(self.local.pwd.encode())
        self._transmits.append((bytes(answer), source))
