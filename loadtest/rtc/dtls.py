"""DTLS 1.2 on a memory BIO, up to the SRTP keys (RFC 5764, RFC 6347). No sockets in here."""

from __future__ import annotations

import functools
import re
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from loadtest.certificate import self_signed
from loadtest.rtc.srtp import SrtpKeys, SrtpProfile

DtlsRole = Literal["client", "server"]
DTLS_1_2: Final = 0xFEFD
"""Its wire number (RFC 6347 §4.1): pyOpenSSL names only the TLS versions."""
MTU_BYTES: Final = 1200
FIRST_REPEAT_S: Final = 0.05
"""As browsers repeat an unanswered flight, then twice as late each time. OpenSSL's own timer
starts at a second, which a crowd would report as a slow server."""
_RECORD_HEADER_BYTES: Final = 13
_READ_BYTES: Final = 65_536
_HASHES: Final = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}


@functools.cache
def _identity() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """One key for all peers of the process: making it is what costs."""
    return self_signed()


def local_fingerprint() -> str:
    """SHA-256 of our certificate as SDP writes it."""
    digest = _identity()[1].fingerprint(hashes.SHA256()).hex().upper()
    return ":".join(re.findall("..", digest))


@functools.cache
def _context(profiles: tuple[SrtpProfile, ...]) -> SSL.Context:
    key, certificate = _identity()
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_max_proto_version(DTLS_1_2)
    # DTLS-SRTP authenticates by the SDP fingerprint (RFC 5763), checked after the handshake.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_tlsext_use_srtp(":".join(each.name for each in profiles).encode())
    return context


class DtlsEndpoint:
    """One side of one association.

    `start`, then `take_untrusted` and `handle_timeout`, with seconds of any clock that never goes
    back; after each send what `poll_transmit` gives. `keys` are there once it succeeded; `failure`
    says why it never will; `is_closed` is the peer's close_notify.
    """

    def __init__(
        self,
        role: DtlsRole,
        profiles: tuple[SrtpProfile, ...],
        fingerprint: tuple[str, bytes],
    ) -> None:
        self.keys: SrtpKeys | None = None
        self.failure: str | None = None
        self.is_closed = False
        self._role = role
        self._profiles = profiles
        self._fingerprint = fingerprint
        self._out: list[bytes] = []
        self._flight: list[bytes] = []
        self._repeat_at: float | None = None
        self._repeat_s = FIRST_REPEAT_S
        self._connection = SSL.Connection(_context(profiles))
        self._connection.set_ciphertext_mtu(MTU_BYTES)
        if role == "client":
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    def start(self, now: float) -> None:
        """The client speaks first; the server waits."""
        self._step(now)

    def take_untrusted(self, datagram: bytes, now: float) -> None:
        if len(datagram) >= _RECORD_HEADER_BYTES and not self.is_closed:
            self._connection.bio_write(datagram)
            self._step(now)

    def next_deadline(self, now: float) -> float | None:
        """When to call `handle_timeout`, None when nothing is to be repeated."""
        if self.keys is not None or self.failure is not None:
            return None
        own_s = self._connection.DTLSv1_get_timeout()
        deadlines = [None if own_s is None else now + own_s, self._repeat_at]
        return min((each for each in deadlines if each is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Repeat an unanswered flight, if it is time."""
        if self.keys is not None:
            return
        if self._repeat_at is not None and now >= self._repeat_at:
            self._out += self._flight
            self._repeat_s *= 2
            self._repeat_at = now + self._repeat_s
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self.failure = f"DTLS gave up: {_reason(error)}"
        self._collect(now)

    def poll_transmit(self) -> bytes | None:
        return self._out.pop(0) if self._out else None

    def _step(self, now: float) -> None:
        try:
            if self.keys is None and self.failure is None:
                self._connection.do_handshake()
                self._finish()
            if self.keys is not None:
                while True:  # alerts, and repeats of the peer's last flight
                    self._connection.recv(_READ_BYTES)
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            if self.keys is None:
                self.failure = f"the DTLS handshake failed: {_reason(error)}"
            else:
                self.is_closed = True
        self._collect(now)

    def _finish(self) -> None:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if not isinstance(certificate, x509.Certificate):
            self.failure = "the server showed no DTLS certificate"
            return
        name, digest = self._fingerprint
        algorithm = _HASHES.get(name)
        if algorithm is None:
            self.failure = f"the SDP's fingerprint is {name}, which nobody should believe"
            return
        if certificate.fingerprint(algorithm) != digest:
            self.failure = "the server's certificate does not match its SDP fingerprint"
            return
        agreed = self._connection.get_selected_srtp_profile().decode()
        profile = next((each for each in self._profiles if each.name == agreed), None)
        if profile is None:
            names = ", ".join(each.name for each in self._profiles)
            self.failure = f"the server takes none of our SRTP profiles ({names})"
            return
        material = self._connection.export_keying_material(
            b"EXTRACTOR-dtls_srtp", profile.material_bytes
        )
        client, server = profile.split(material)
        local, remote = (client, server) if self._role == "client" else (server, client)
        self.keys = SrtpKeys(profile, local, remote)

    def _collect(self, now: float) -> None:
        try:
            output = self._connection.bio_read(_READ_BYTES)
        except SSL.WantReadError:
            return
        self._flight = _datagrams(output)
        self._repeat_s = FIRST_REPEAT_S
        self._repeat_at = now + self._repeat_s
        self._out += self._flight


def _datagrams(output: bytes) -> list[bytes]:
    """Cut the records apart that a memory BIO joined (RFC 6347 §4.1); join small ones again."""
    datagrams: list[bytes] = []
    current = b""
    at = 0
    while at < len(output):
        length = int.from_bytes(output[at + 11 : at + _RECORD_HEADER_BYTES], "big")
        record = output[at : at + _RECORD_HEADER_BYTES + length]
        at += len(record)
        if current and len(current) + len(record) > MTU_BYTES:
            datagrams.append(current)
            current = b""
        current += record
    return [*datagrams, current] if current else datagrams


def _reason(error: SSL.Error) -> str:
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(entry[-1]) for entry in queue if entry) or type(error).__name__
