"""The process's DTLS identity and the fingerprints that SDP carries (RFC 8122, RFC 8827 §6.5).

WebRTC certificates are self-signed and mean nothing by themselves: what is believed is the
fingerprint in the SDP, which came over an authenticated channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from media.errors import LocalProtocolError
from media.srtp import SrtpProfile

DtlsRole = Literal["client", "server"]

FINGERPRINT_ALGORITHMS: Final[dict[str, str]] = {
    "sha-256": "sha256",
    "sha-384": "sha384",
    "sha-512": "sha512",
}
"""SDP names we believe, with OpenSSL's names. SHA-1 and MD5 are too weak (RFC 8122 §5)."""

# DTLS 1.2 with forward secrecy and AEAD; the SHA-1 suite is RFC 8827 §6.5's old must-implement.
# The RSA variants serve peers that show us an RSA certificate when we are the client.
_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    b"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
)
_DTLS_1_2: Final = 0xFEFD
_VALID_FOR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`a=fingerprint`: `algorithm` in lower case, `value` as upper-case hex pairs with colons."""

    algorithm: str
    value: str

    @property
    def is_supported(self) -> bool:
        """Whether the algorithm is one we believe."""
        return self.algorithm in FINGERPRINT_ALGORITHMS


def peer_matches(peer: crypto.X509, fingerprints: tuple[Fingerprint, ...]) -> bool:
    """Whether the certificate a peer showed is one its SDP promised (RFC 8122 §5).

    At least one algorithm must be supported; for every supported algorithm that the SDP names,
    one of its values must match (several values announce several certificates).
    """
    by_algorithm: dict[str, set[str]] = {}
    for fingerprint in fingerprints:
        if fingerprint.is_supported:
            by_algorithm.setdefault(fingerprint.algorithm, set()).add(fingerprint.value)
    return bool(by_algorithm) and all(
        peer.digest(FINGERPRINT_ALGORITHMS[algorithm]).decode() in values
        for algorithm, values in by_algorithm.items()
    )


class Certificate:
    """An ECDSA P-256 certificate and its OpenSSL contexts; one per process serves every peer."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate
        self._contexts: dict[tuple[bytes, ...], SSL.Context] = {}
        digest = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        self.fingerprint = Fingerprint("sha-256", digest)

    @classmethod
    def generate(cls, now_utc: datetime) -> Certificate:
        """Make a fresh key and certificate, valid for a year around `now_utc` (aware, UTC).

        The name is constant: a random one would only make the process trackable.
        """
        if now_utc.tzinfo is None:
            raise LocalProtocolError("a certificate needs an aware datetime")
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "WebRTC")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now_utc - timedelta(days=1))  # a peer's clock may be behind ours
            .not_valid_after(now_utc + _VALID_FOR)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def context(self, profiles: tuple[SrtpProfile, ...]) -> SSL.Context:
        """The shared context that offers these SRTP profiles; both roles use the same one.

        Building one costs more than a handshake step, so it is made once. Sharing is safe: the
        verify callback keeps no state, fingerprints are checked after the handshake, and
        sessions are never resumed (a resumed one would skip the peer's certificate).
        """
        names = tuple(profile.openssl_name for profile in profiles)
        context = self._contexts.get(names)
        if context is None:
            context = self._contexts[names] = self._make_context(names)
        return context

    def _make_context(self, names: tuple[bytes, ...]) -> SSL.Context:
        context = SSL.Context(SSL.DTLS_METHOD)
        # DTLS 1.3's unified record header would break the split into datagrams (RFC 9147 §4).
        context.set_max_proto_version(_DTLS_1_2)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        # An idle association keeps no record buffers: it only waits for close_notify.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_any)
        context.use_certificate(self._certificate)
        context.use_privatekey(self._key)
        context.set_cipher_list(_CIPHERS)
        context.set_tlsext_use_srtp(b":".join(names))
        return context


def _accept_any(
    _connection: SSL.Connection, _certificate: crypto.X509, _error: int, _depth: int, _ok: int
) -> bool:
    """Every chain passes here: self-signed is the rule, the fingerprint decides afterwards."""
    return True
