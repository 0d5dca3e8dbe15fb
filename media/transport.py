"""One peer's transport: ICE-lite, then DTLS, then SRTP keys, as one machine without I/O.

    datagram --demux--> handle_stun --> IceLite --address--> DtlsEndpoint --keys--> srtp_in/out
                        handle_dtls ------------------------^
                        (SRTP is opened by the caller with `srtp_in`, who then calls `heard`)

Written after str0m: one input, then drain `poll_event` and `poll_transmit`, then re-arm one
timer at `next_deadline`. After `Closed` every input is ignored.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from media.certificate import Certificate, DtlsRole, Fingerprint
from media.dtls import DtlsClosed, DtlsConnected, DtlsEndpoint, DtlsFailed, DtlsState
from media.ice import (
    Address,
    AddressSelected,
    IceClosed,
    IceCredentials,
    IceLite,
    PeerHeard,
    PeerSilent,
)
from media.srtp import PROFILES, SrtpProfile, SrtpReceiver, SrtpSender

CLOSED_BY_US: Final = "closed"


@dataclass(frozen=True, slots=True)
class RemoteTransport:
    """What an offer says of the peer's transport (RFC 8839 §5.4, RFC 8122)."""

    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]


@dataclass(frozen=True, slots=True)
class Connected:
    """ICE and DTLS are done; `srtp_in` and `srtp_out` are set. `srtp_profile` is the IANA name."""

    srtp_profile: str


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """Send to this address from now on; also emitted for the first one."""

    address: Address


@dataclass(frozen=True, slots=True)
class Silent:
    """No authenticated check and no SRTP for 5 s (DESIGN §3.1)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A silent peer is heard again."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event: `silent`, `ice_timeout`, `dtls_failed`, `dtls_timeout`, `remote_closed`,
    or what `close` was told. `detail` is for logs only."""

    reason: str
    detail: str = ""


TransportEvent = Connected | AddressChanged | Silent | Heard | Closed


class PeerTransport:
    """The transport of one peer. A machine; see the module's text for the order of calls.

    `address` is where to send (None before the first authenticated check), `srtp_out` and
    `srtp_in` are None until `Connected`, `ice_tag` names the ICE session (the WHIP ETag).
    `handshake_rtt_s` is the shortest time that a flight of the DTLS handshake was answered in;
    `ice_s` ran from the beginning to the first authenticated check, `dtls_s` from there to keys.
    """

    __slots__ = (
        "_checked_at", "_closed", "_dtls", "_events", "_flight_at", "_ice", "_started_at",
        "_transmits", "address", "dtls_s", "handshake_rtt_s", "ice_s", "srtp_in", "srtp_out",
    )  # fmt: skip

    def __init__(
        self,
        *,
        local_ufrag: str,
        local_pwd: str,
        remote: RemoteTransport,
        dtls_role: DtlsRole,
        certificate: Certificate,
        now: float,
        profiles: tuple[SrtpProfile, ...] = PROFILES,
    ) -> None:
        self._ice = IceLite(
            local_ufrag, local_pwd, now, remote=IceCredentials(remote.ufrag, remote.pwd)
        )
        self._dtls = DtlsEndpoint(
            dtls_role, certificate, remote.fingerprints, now, profiles=profiles
        )
        self._events: deque[TransportEvent] = deque()
        self._transmits: deque[tuple[bytes, Address]] = deque()
        self._closed = False
        self._flight_at: float | None = None
        self._started_at = self._checked_at = now
        self.handshake_rtt_s: float | None = None
        self.ice_s: float | None = None
        self.dtls_s: float | None = None
        self.address: Address | None = None
        self.srtp_out: SrtpSender | None = None
        self.srtp_in: SrtpReceiver | None = None

    @property
    def ice_tag(self) -> str:
        """Changes with every ICE restart; safe to show to whoever has the SDP."""
        return self._ice.local.ufrag

    @property
    def local_ufrags(self) -> tuple[str, ...]:
        """Every ufrag that must find this peer (two while a restart is under way)."""
        return self._ice.local_ufrags

    @property
    def is_closed(self) -> bool:
        """Whether `Closed` was (or is about to be) emitted."""
        return self._closed

    @property
    def state(self) -> str:
        """For statistics: `new`, `connecting`, `connected` or `closed`."""
        if self._closed:
            return "closed"
        if self.srtp_in is not None:
            return "connected"
        return "new" if self.address is None else "connecting"

    @property
    def dropped(self) -> dict[str, int]:
        """Datagrams dropped so far by reason; a fresh dict."""
        return {**self._ice.dropped, "bad_dtls": self._dtls.junk}

    def is_valid_address(self, address: Address) -> bool:
        """Whether an authenticated check came from `address` (it may send DTLS and SRTP)."""
        return self._ice.is_valid_address(address)

    @property
    def _is_abandoned(self) -> bool:
        """A handshake whose other side has stopped checking: whoever made its one check, perhaps
        with a forged address, gets no more repeats of our flights."""
        return self.srtp_out is None and self._ice.is_silent

    # --- inputs ---

    def handle_stun(self, data: bytes, address: Address, now: float) -> None:
        """A STUN datagram whose ufrag or source address led here."""
        if self._closed:
            return
        self._ice.handle_datagram(data, address, now)
        self._collect(now)

    def handle_dtls(self, data: bytes, address: Address, now: float) -> None:
        """A DTLS datagram; ignored from addresses that no authenticated check vouched for."""
        if self._closed or not self._ice.is_valid_address(address):
            return
        if self._flight_at is not None and self.srtp_in is None:
            rtt_s = now - self._flight_at
            if self.handshake_rtt_s is None or rtt_s < self.handshake_rtt_s:
                self.handshake_rtt_s = rtt_s
        self._flight_at = None
        self._dtls.handle_datagram(data, now)
        if self._collect_dtls():
            self._flight_at = now
        if self.dtls_s is None and self.srtp_in is not None:
            self.dtls_s = now - self._checked_at
        self._collect(now)

    def heard(self, now: float) -> None:
        """Authenticated media came from the peer; once a batch is enough. # hot path"""
        if self._closed:
            return
        self._ice.heard(now)
        self._collect_ice(now)

    def handle_timeout(self, now: float) -> None:
        """Let time pass for both machines."""
        if self._closed:
            return
        self._dtls.handle_timeout(now)
        if self._collect_dtls():
            self._flight_at = None  # sent twice: an answer would not say which one it answers
        self._ice.handle_timeout(now)
        self._collect(now)

    def restart_ice(self, remote_ufrag: str, remote_pwd: str) -> IceCredentials:
        """New local credentials (RFC 8445 §9); DTLS and SRTP go on untouched."""
        return self._ice.restart(remote_ufrag, remote_pwd)

    def close(self, now: float, reason: str = CLOSED_BY_US) -> None:
        """Send close_notify and emit `Closed(reason)`; safe to repeat."""
        if self._closed:
            return
        self._dtls.close(now)
        self._collect(now)
        self._close(reason)

    # --- outputs ---

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the next `handle_timeout`, or None once closed."""
        if self._closed:
            return None
        ice_at, dtls_at = self._ice.next_deadline(), self._dtls.next_deadline()
        if ice_at is None or dtls_at is None:
            return dtls_at if ice_at is None else ice_at
        return min(ice_at, dtls_at)

    def poll_event(self) -> TransportEvent | None:
        """The next event, or None."""
        return self._events.popleft() if self._events else None

    def poll_transmit(self) -> tuple[bytes, Address] | None:
        """The next datagram and its destination, or None."""
        return self._transmits.popleft() if self._transmits else None

    # --- inside ---

    def _collect(self, now: float) -> None:
        self._collect_ice(now)
        self._collect_dtls()

    def _collect_ice(self, now: float) -> None:
        while (transmit := self._ice.poll_transmit()) is not None:
            self._transmits.append(transmit)
        while (event := self._ice.poll_event()) is not None:
            match event:
                case AddressSelected(address):
                    self._use_address(address, now)
                case PeerSilent():
                    self._events.append(Silent())
                case PeerHeard():
                    self._events.append(Heard())
                case IceClosed(reason):
                    self._dtls.close(now)
                    self._collect_dtls()
                    self._close(reason)

    def _use_address(self, address: Address, now: float) -> None:
        if self.ice_s is None:
            self._checked_at = now
            self.ice_s = now - self._started_at
        if address != self.address:
            self.address = address
            self._events.append(AddressChanged(address))
        if self._dtls.state is DtlsState.NEW:
            self._dtls.start(now)

    def _collect_dtls(self) -> bool:
        """Whether there was something to send."""
        has_sent = False
        while (data := self._dtls.poll_transmit()) is not None:
            has_sent = True
            if self.address is not None and not self._is_abandoned:
                self._transmits.append((data, self.address))
        while (event := self._dtls.poll_event()) is not None:
            match event:
                case DtlsConnected(profile, local_key, remote_key):
                    self.srtp_out = SrtpSender(profile, local_key)
                    self.srtp_in = SrtpReceiver(profile, remote_key)
                    self._events.append(Connected(profile.name))
                case DtlsFailed(reason, detail):
                    self._close(reason, detail)
                case DtlsClosed():
                    self._close("remote_closed")
        return has_sent

    def _close(self, reason: str, detail: str = "") -> None:
        if self._closed:
            return
        self._closed = True
        self._events.append(Closed(reason, detail))
