"""A DTLS 1.2 endpoint that yields SRTP keys (RFC 5764, RFC 6347, RFC 8827 §6.5), sans I/O.

OpenSSL does the protocol on a memory BIO. Three things are ours:

* Cutting. The BIO runs the records of a flight together; they are cut apart and packed into
  datagrams of at most `MAX_DATAGRAM_BYTES`.
* A fast resend. OpenSSL repeats a lost flight after 1 s, on a clock of its own that nobody can
  pass in. A viewer waits for the first picture meanwhile, so an unanswered flight is sent again
  by `now` after 0.2 s, 0.4 s, 0.8 s ... To be more than a replay to the receiver (RFC 6347
  §4.1.2.6) a repeated record needs a new sequence number. Records of epoch 0 are plain text, so
  this machine numbers all of them itself, OpenSSL's own repeats included. Epoch 1 (only
  Finished) is encrypted and goes out as it was: received, it is a harmless replay; lost, it is
  what was missing. The one case left to OpenSSL's timer is a lost last flight of the server,
  where our Finished must be encrypted anew.
* Believing. The certificate must match a fingerprint of the SDP, a profile must be agreed.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from OpenSSL import SSL

from media.certificate import Certificate, DtlsRole, Fingerprint, peer_matches
from media.errors import LocalProtocolError
from media.srtp import PROFILES, SrtpProfile

HANDSHAKE_WITHIN_S: Final = 30.0
MAX_DATAGRAM_BYTES: Final = 1200  # what every path carries, as QUIC assumes (RFC 9000 §14)
FIRST_RESEND_S: Final = 0.2  # above common round trips; OpenSSL's 1 s is felt by a viewer
MAX_RESEND_S: Final = 6.4
RECORD_HEADER_BYTES: Final = 13
_LARGEST_INPUT_BYTES: Final = 4096
_EXPORTER_LABEL: Final = b"EXTRACTOR-dtls_srtp"  # RFC 5764 §4.2
_READ_BYTES: Final = 65536
_MIN_TIMER_S: Final = 0.02  # OpenSSL calls a timer due 15 ms early; never spin around that


@dataclass(frozen=True, slots=True)
class DtlsConnected:
    """The handshake is done and the peer is the one its SDP promised."""

    profile: SrtpProfile
    local_key: bytes
    """Master key and salt for what we send."""
    remote_key: bytes
    """Master key and salt for what we receive."""


@dataclass(frozen=True, slots=True)
class DtlsFailed:
    """It will not connect: `reason` is `dtls_failed` or `dtls_timeout`; `detail` is for logs."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class DtlsClosed:
    """The peer sent close_notify."""


DtlsEvent = DtlsConnected | DtlsFailed | DtlsClosed


class DtlsState(Enum):
    """NEW -start-> HANDSHAKING -> CONNECTED -> CLOSED, and any -> FAILED | CLOSED."""

    NEW = auto()
    HANDSHAKING = auto()
    CONNECTED = auto()
    FAILED = auto()
    CLOSED = auto()


class DtlsEndpoint:
    """One side of one DTLS association. A machine.

    `start` once the peer's address is known (the client speaks first), then feed datagrams and
    timeouts; after each input drain `poll_event` and `poll_transmit` and re-arm one timer at
    `next_deadline`. Nothing the peer sends raises. `junk` counts datagrams dropped unread.
    """

    __slots__ = (
        "_certificate", "_connection", "_epoch0_seq", "_events", "_fingerprints", "_flight",
        "_limit_at", "_openssl_at", "_profiles", "_resend_at", "_resend_s", "_transmits",
        "junk", "resent", "role", "state",
    )  # fmt: skip

    def __init__(
        self,
        role: DtlsRole,
        certificate: Certificate,
        remote_fingerprints: tuple[Fingerprint, ...],
        now: float,
        *,
        profiles: tuple[SrtpProfile, ...] = PROFILES,
    ) -> None:
        self.role: DtlsRole = role
        self.state = DtlsState.NEW
        self.junk = 0
        self.resent = 0
        self._certificate = certificate
        self._fingerprints = remote_fingerprints
        self._profiles = profiles
        self._events: deque[DtlsEvent] = deque()
        self._transmits: deque[bytes] = deque()
        self._flight: list[bytearray] = []
        self._epoch0_seq = 0
        self._resend_s = FIRST_RESEND_S
        self._resend_at: float | None = None
        self._openssl_at: float | None = None
        self._limit_at = now + HANDSHAKE_WITHIN_S
        connection = SSL.Connection(certificate.context(profiles), None)
        connection.set_ciphertext_mtu(MAX_DATAGRAM_BYTES)
        if role == "client":
            connection.set_connect_state()
        else:
            connection.set_accept_state()
        self._connection = connection

    # --- inputs ---

    def start(self, now: float) -> None:
        """Begin: a client sends its ClientHello, a server starts to listen; once only."""
        if self.state is not DtlsState.NEW:
            raise LocalProtocolError("a DTLS endpoint starts once")
        self.state = DtlsState.HANDSHAKING
        self._limit_at = now + HANDSHAKE_WITHIN_S
        self._step(now)

    def handle_datagram(self, data: bytes, now: float) -> None:
        """Take one datagram of the peer, whatever it contains."""
        if self.state not in (DtlsState.HANDSHAKING, DtlsState.CONNECTED):
            self.junk += 1
            return
        if not RECORD_HEADER_BYTES <= len(data) <= _LARGEST_INPUT_BYTES:
            self.junk += 1
            return
        self._connection.bio_write(data)
        self._step(now)

    def handle_timeout(self, now: float) -> None:
        """Resend an unanswered flight, let OpenSSL do so, or give the handshake up."""
        if self.state is DtlsState.HANDSHAKING and now >= self._limit_at:
            self._fail("dtls_timeout", f"no handshake within {HANDSHAKE_WITHIN_S:.0f} s")
            return
        if self._openssl_at is not None and now >= self._openssl_at:
            self._handle_openssl_timeout(now)
        if self._resend_at is not None and now >= self._resend_at:
            self._resend(now)

    def close(self, now: float) -> None:
        """Say close_notify (if there is anybody to say it to) and stop; safe to repeat."""
        if self.state is DtlsState.CONNECTED:
            self._say_goodbye()
            self._drain(now)
        self._stop(DtlsState.CLOSED)

    # --- outputs ---

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the next `handle_timeout`, or None."""
        if self.state is DtlsState.CONNECTED:
            return self._openssl_at  # usually None; asked after every batch of media
        deadlines = [at for at in (self._resend_at, self._openssl_at) if at is not None]
        if self.state is DtlsState.HANDSHAKING:
            deadlines.append(self._limit_at)
        return min(deadlines, default=None)

    def poll_event(self) -> DtlsEvent | None:
        """The next event, or None."""
        return self._events.popleft() if self._events else None

    def poll_transmit(self) -> bytes | None:
        """The next datagram for the peer, or None."""
        return self._transmits.popleft() if self._transmits else None

    # --- inside ---

    def _step(self, now: float) -> None:
        """Let OpenSSL consume its input, then collect what it wants sent and when to wake."""
        try:
            if self.state is DtlsState.HANDSHAKING:
                self._connection.do_handshake()
                self._finish_handshake()
            if self.state is DtlsState.CONNECTED:
                self._read_all()
        except SSL.WantReadError:
            pass  # the normal end of a step: OpenSSL waits for the peer
        except SSL.Error as error:
            if self.state is DtlsState.CONNECTED:  # close_notify, or a fatal alert instead of it
                self._drain(now)
                self._stop(DtlsState.CLOSED)
                self._events.append(DtlsClosed())
                return
            self._drain(now)  # the alert that tells the peer why
            self._fail("dtls_failed", _describe(error))
            return
        self._drain(now)
        if self.state is not DtlsState.FAILED:
            self._arm_openssl_timer(now)

    def _read_all(self) -> None:
        # There is no application data in WebRTC without data channels: this reads alerts, and
        # repeats of the peer's Finished, which make OpenSSL repeat our last flight.
        while True:
            self._connection.recv(_READ_BYTES)
            self.junk += 1

    def _finish_handshake(self) -> None:
        self._flight.clear()
        self._resend_at = None
        peer = self._connection.get_peer_certificate()
        if peer is None or not peer_matches(peer, self._fingerprints):
            self._say_goodbye()
            self._fail("dtls_failed", "the certificate matches no fingerprint of the SDP")
            return
        agreed = self._connection.get_selected_srtp_profile()
        profile = next((each for each in self._profiles if each.openssl_name == agreed), None)
        if profile is None:
            self._say_goodbye()
            self._fail("dtls_failed", "no SRTP profile in common")
            return
        material = self._connection.export_keying_material(
            _EXPORTER_LABEL, 2 * profile.master_bytes
        )
        client_key, server_key = profile.split_keys(material)
        if self.role == "server":
            local_key, remote_key = server_key, client_key
        else:
            local_key, remote_key = client_key, server_key
        self.state = DtlsState.CONNECTED
        self._events.append(DtlsConnected(profile, local_key, remote_key))

    def _say_goodbye(self) -> None:
        # The association is over whether or not OpenSSL can still write a close_notify.
        with contextlib.suppress(SSL.Error):
            self._connection.shutdown()

    def _drain(self, now: float, *, repeated: bool = False) -> None:
        """Move OpenSSL's output to `poll_transmit`; in a handshake remember it as the flight.

        `repeated` output is the old flight encoded anew: our own back-off goes on.
        """
        try:
            output = self._connection.bio_read(_READ_BYTES)
        except SSL.WantReadError:
            return
        records = split_records(output)
        if self.state is DtlsState.HANDSHAKING:
            self._flight = records
            if not repeated:
                self._resend_s = FIRST_RESEND_S
            self._resend_at = now + self._resend_s
        self._send(records)

    def _send(self, records: list[bytearray]) -> None:
        for record in records:
            if record[3:5] == b"\x00\x00":
                record[5:11] = self._epoch0_seq.to_bytes(6, "big")
                self._epoch0_seq += 1
        self._transmits.extend(pack_datagrams(records))

    def _resend(self, now: float) -> None:
        self.resent += 1
        self._send(self._flight)
        self._resend_s = min(self._resend_s * 2, MAX_RESEND_S)
        self._resend_at = now + self._resend_s

    def _handle_openssl_timeout(self, now: float) -> None:
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail("dtls_timeout", _describe(error))
            return
        self._drain(now, repeated=True)
        self._arm_openssl_timer(now)

    def _arm_openssl_timer(self, now: float) -> None:
        left_s = self._connection.DTLSv1_get_timeout()
        self._openssl_at = None if left_s is None else now + max(left_s, _MIN_TIMER_S)

    def _fail(self, reason: str, detail: str) -> None:
        self._stop(DtlsState.FAILED)
        self._events.append(DtlsFailed(reason, detail))

    def _stop(self, state: DtlsState) -> None:
        self.state = state
        self._flight.clear()
        self._resend_at = None
        self._openssl_at = None


def split_records(output: bytes) -> list[bytearray]:
    """Cut a run of DTLS 1.2 records apart (RFC 6347 §4.1).

        type(1) version(2) epoch(2) sequence(6) length(2) fragment(length)

    The input is OpenSSL's own, so a cut record would be a bug.
    """
    records = []
    offset = 0
    while offset < len(output):
        length = int.from_bytes(output[offset + 11 : offset + 13], "big")
        end = offset + RECORD_HEADER_BYTES + length
        assert end <= len(output), "OpenSSL wrote half a record"
        records.append(bytearray(output[offset:end]))
        offset = end
    return records


def pack_datagrams(records: list[bytearray]) -> list[bytes]:
    """Join records, in order, into datagrams of at most `MAX_DATAGRAM_BYTES`."""
    datagrams: list[bytes] = []
    current = bytearray()
    for record in records:
        if current and len(current) + len(record) > MAX_DATAGRAM_BYTES:
            datagrams.append(bytes(current))
            current = bytearray()
        current += record
    if current:
        datagrams.append(bytes(current))
    return datagrams


def _describe(error: SSL.Error) -> str:
    """OpenSSL's reasons, without its library names; bounded, for a log line."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [str(entry[-1]) for entry in queue if entry]
    return "; ".join(reasons)[:200] or type(error).__name__
