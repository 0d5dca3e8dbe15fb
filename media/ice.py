"""ICE-lite: answers a peer's connectivity checks and watches that they keep coming.

RFC 8445 §2.5 (lite), §7.3 (STUN server procedures), RFC 8489 (STUN), RFC 7675 (consent).

A lite agent sends no checks of its own, so all it knows it learns from the other side: an
authenticated binding request proves that the sender knows our password and sent from its
address. The first such address is used at once, for the DTLS handshake, which completes only with
who receives there. A request with USE-CANDIDATE nominates its address, and nominating another one
later is how a phone moves from Wi-Fi to cellular. Where the path in use falls quiet while checks
come from elsewhere (a router that forgot us; Firefox and aiortc nominate only once) that is
followed, too.

A check proves who made it, not whose address it carries: with a forged one, a member could aim a
whole stream at a third party. So before media moves the new address is asked (one binding request
of ours a check, RFC 8445 §7.3 obliges every agent to answer), and moves one round trip later.

Requests that do not authenticate are dropped and counted, never answered: a STUN error response
would let anybody with a forged source address aim our packets at a third party.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from media.errors import RemoteProtocolError
from media.stun_check import (
    BindingRequest,
    Signer,
    binding_request,
    binding_response,
    parse_binding_request_untrusted,
    stun_answer_untrusted,
)

Address = tuple[Any, ...]
"""As `recvfrom` gives it: `(host, port)` for IPv4, `(host, port, flow, scope)` for IPv6."""


class TcpAddress(NamedTuple):
    """One TCP connection, equal to no UDP address. `connection` is never used twice in a process:
    what is meant for a closed connection does not reach the next one from the same host and port.
    """

    host: str
    port: int
    connection: int


SILENT_AFTER_S: Final = 5.0  # DESIGN §3.1: two missed consent checks of Chromium (every 2.5 s)
CLOSED_AFTER_S: Final = 30.0  # RFC 7675 §5.1: consent expires after 30 s
FIRST_CHECK_WITHIN_S: Final = 30.0
PATH_LEFT_AFTER_S: Final = 3.0
"""Without a check on the selected path, checks from elsewhere need no nomination: Chromium checks
every 2.5 s and nominates each time, consent (RFC 7675 §5.1) is asked for every 4 to 6 s."""
MAX_VALID_ADDRESSES: Final = 16  # a phone has a handful; bounds memory against a roaming attacker


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """A username fragment and its password (RFC 8445 §5.3)."""

    ufrag: str
    pwd: str


def new_credentials() -> IceCredentials:
    """Unguessable credentials: 72 bits of ufrag (it also finds the peer), 192 bits of password.

    Both are base64url without `-` or `_`, because ice-char (RFC 8839 §5.4) has neither.
    """
    return IceCredentials(_ice_chars(12), _ice_chars(32))


def _ice_chars(length: int) -> str:
    return secrets.token_urlsafe(length).replace("-", "+").replace("_", "/")[:length]


@dataclass(frozen=True, slots=True)
class AddressSelected:
    """Send to this address from now on; `nominated` tells USE-CANDIDATE from a first guess."""

    address: Address
    nominated: bool


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """Nothing authenticated came for `SILENT_AFTER_S`."""


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """A silent peer is heard again."""


@dataclass(frozen=True, slots=True)
class IceClosed:
    """The machine is finished: `reason` is `silent` or `ice_timeout`."""

    reason: str


IceEvent = AddressSelected | PeerSilent | PeerHeard | IceClosed


@dataclass(slots=True)
class _Question:
    """Asked of an address that media shall move to."""

    address: Address
    transaction_id: bytes
    nominated: bool


class IceLite:
    """One peer's ICE session, the controlled lite side. A machine.

    After each input (`handle_datagram`, `heard`, `handle_timeout`) drain `poll_event` and
    `poll_transmit`, then re-arm one timer at `next_deadline`. Nothing is raised at peer bytes:
    what is dropped is counted in `dropped` by reason.
    """

    __slots__ = (
        "_closed", "_created", "_events", "_heard_at", "_local", "_nominated", "_old_local",
        "_old_remote", "_old_signer", "_question", "_remote", "_signer", "_silent",
        "_tie_breaker", "_transmits", "_valid", "dropped", "selected",
    )  # fmt: skip

    def __init__(
        self, local_ufrag: str, local_pwd: str, now: float, *, remote: IceCredentials
    ) -> None:
        self._local = IceCredentials(local_ufrag, local_pwd)
        self._remote = remote
        self._tie_breaker = secrets.randbits(64)
        self._old_local: IceCredentials | None = None
        self._old_remote = remote
        self._signer = self._old_signer = Signer(local_pwd)
        self._created = now
        self._heard_at: float | None = None
        self._silent = False
        self._closed = False
        self._nominated = False
        self._question: _Question | None = None
        # When each was last checked, the oldest first: that one is forgotten first.
        self._valid: dict[Address, float] = {}
        self._events: deque[IceEvent] = deque()
        self._transmits: deque[tuple[bytes, Address]] = deque()
        self.selected: Address | None = None
        self.dropped: dict[str, int] = {}

    @property
    def local(self) -> IceCredentials:
        """The newest local credentials."""
        return self._local

    @property
    def local_ufrags(self) -> tuple[str, ...]:
        """Every ufrag that finds this peer: the newest, then the one a restart is replacing."""
        if self._old_local is None:
            return (self._local.ufrag,)
        return (self._local.ufrag, self._old_local.ufrag)

    @property
    def is_silent(self) -> bool:
        """Whether `PeerSilent` was the last thing heard of the peer."""
        return self._silent

    def is_valid_address(self, address: Address) -> bool:
        """Whether an authenticated check came from this address: only then may DTLS."""
        return address in self._valid

    # --- inputs ---

    def handle_datagram(self, data: bytes, address: Address, now: float) -> None:
        """Answer a binding request, take the answer to ours; anything else is ignored, anything
        wrong is counted."""
        if self._closed:
            return
        answered = stun_answer_untrusted(data)
        if answered is not None:
            self._take_answer(answered, address)
            return
        try:
            request = parse_binding_request_untrusted(data)
            if request is None:
                return
            signer = self._authenticate(request)
        except RemoteProtocolError as error:
            self._drop(error.reason)
            return
        if signer is self._signer and self._old_local is not None:
            self._finish_restart()
        self._transmits.append((binding_response(request.transaction_id, address, signer), address))
        self._consider(address, now, nominated=request.use_candidate)
        self._remember(address, now)
        self.heard(now)

    def heard(self, now: float) -> None:
        """Note that something authenticated (a check, SRTP) came from the peer."""
        if self._closed:
            return
        self._heard_at = now
        if self._silent:
            self._silent = False
            self._events.append(PeerHeard())

    def handle_timeout(self, now: float) -> None:
        """Let time pass: silence, its end as closure, or no check ever."""
        if self._closed:
            return
        if self._heard_at is None:
            if now - self._created >= FIRST_CHECK_WITHIN_S:
                self._close("ice_timeout")
            return
        quiet_s = now - self._heard_at
        if not self._silent and quiet_s >= SILENT_AFTER_S:
            self._silent = True
            self._events.append(PeerSilent())
        if quiet_s >= CLOSED_AFTER_S:
            self._close("silent")

    def restart(self, remote_ufrag: str, remote_pwd: str) -> IceCredentials:
        """New local credentials for an ICE restart (RFC 8445 §9).

        The old ones work until the first authenticated check with the new: a restart that
        never arrives leaves the running session as it was.
        """
        if self._old_local is None:
            self._old_local, self._old_remote = self._local, self._remote
            self._old_signer = self._signer
        # A second restart before the first was used replaces it: nobody holds its credentials.
        self._local = new_credentials()
        self._signer = Signer(self._local.pwd)
        self._remote = IceCredentials(remote_ufrag, remote_pwd)
        return self._local

    # --- outputs ---

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the next `handle_timeout`, or None once closed."""
        if self._closed:
            return None
        if self._heard_at is None:
            return self._created + FIRST_CHECK_WITHIN_S
        return self._heard_at + (CLOSED_AFTER_S if self._silent else SILENT_AFTER_S)

    def poll_event(self) -> IceEvent | None:
        """The next event, or None."""
        return self._events.popleft() if self._events else None

    def poll_transmit(self) -> tuple[bytes, Address] | None:
        """The next datagram to send and where to, or None."""
        return self._transmits.popleft() if self._transmits else None

    # --- inside ---

    def _authenticate(self, request: BindingRequest) -> Signer:
        """The signer of the credentials that it was made with."""
        if request.local_ufrag == self._local.ufrag:
            signer = self._signer
            if request.remote_ufrag != self._remote.ufrag:
                raise RemoteProtocolError("stun_wrong_username")
        elif self._old_local is not None and request.local_ufrag == self._old_local.ufrag:
            signer = self._old_signer
        else:
            raise RemoteProtocolError("stun_wrong_username")
        if not request.is_signed_by(signer):
            raise RemoteProtocolError("stun_wrong_integrity")
        return signer

    def _finish_restart(self) -> None:
        # The old path may be dead: the first address that is proven with the new credentials is
        # used, as in a new session, and addresses proven with the old ones must prove again.
        self._old_local = None
        self._nominated = False
        self._question = None
        self._valid.clear()

    def _remember(self, address: Address, now: float) -> None:
        self._valid.pop(address, None)
        self._valid[address] = now
        if len(self._valid) > MAX_VALID_ADDRESSES:
            oldest = next(entry for entry in self._valid if entry != self.selected)
            del self._valid[oldest]

    def _consider(self, address: Address, now: float, *, nominated: bool) -> None:
        """Which path a check speaks for."""
        if self.selected is None or address == self.selected:
            if nominated:
                self._question = None  # it came back before we followed it
            self._select(address, nominated=nominated)
        elif nominated or self._is_left(now):
            if address.__class__ is TcpAddress:
                self._select(address, nominated=nominated)  # its handshake has proven it
            else:
                self._ask(address, nominated=nominated)

    def _is_left(self, now: float) -> bool:
        """Whether the selected path has not been checked lately, or not since a restart."""
        checked_at = self._valid.get(self.selected) if self.selected is not None else None
        return checked_at is None or now - checked_at >= PATH_LEFT_AFTER_S

    def _ask(self, address: Address, *, nominated: bool) -> None:
        """At most one datagram for each of theirs, and the same again while it is unanswered."""
        question = self._question
        if question is None or question.address != address:
            self._question = question = _Question(address, secrets.token_bytes(12), nominated)
        question.nominated = question.nominated or nominated
        # Until a restart is used the peer may still answer to its old name only.
        local = self._old_local or self._local
        remote = self._remote if self._old_local is None else self._old_remote
        request = binding_request(
            question.transaction_id, f"{remote.ufrag}:{local.ufrag}", remote.pwd, self._tie_breaker
        )
        self._transmits.append((request, address))

    def _take_answer(self, transaction_id: bytes, address: Address) -> None:
        # Any answer, an error too: who knows the number has received our question there.
        question = self._question
        if (
            question is not None
            and question.address == address
            and hmac.compare_digest(question.transaction_id, transaction_id)
        ):
            self._question = None
            self._select(address, nominated=question.nominated)

    def _select(self, address: Address, *, nominated: bool) -> None:
        changed = address != self.selected
        newly_nominated = nominated and not self._nominated
        self._nominated = self._nominated or nominated
        self.selected = address
        if changed or newly_nominated:
            self._events.append(AddressSelected(address, nominated))

    def _close(self, reason: str) -> None:
        self._closed = True
        self._events.append(IceClosed(reason))

    def _drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
