"""A certificate authority of this machine alone, and what it signs (a core: `now` is given).

For phones on the same network: a browser opens the camera only in a secure context, and a public
authority signs no certificate for 192.168.1.7. Rules that phones enforce: names in the subject
alternative name, `serverAuth`, at most 398 days (Apple's limit for trusted leaves).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 397
"""398 is the limit; one day less, because clocks and roundings differ."""
BACKDATED: Final = timedelta(hours=12)
"""A phone whose clock is behind must not see a certificate from its future."""
RENEW_BEFORE: Final = timedelta(days=30)


class Pair(NamedTuple):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def read_pair(certificate_pem: bytes, key_pem: bytes) -> Pair:
    """Raises `ValueError` when either is broken or they do not belong together."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    key: PrivateKeyTypes = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the private key is not one of ours")
    if key.public_key() != certificate.public_key():
        raise ValueError("certificate and private key do not belong together")
    return Pair(certificate, key)


def make_ca(host: str, mark: str, now: datetime) -> Pair:
    """A new authority; `mark` makes its name unique, so that phones keep several apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "lianmai local CA"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"lianmai {host[:40]} {mark}"),
        ]
    )
    builder = _builder(name, name, key, now, CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def make_leaf(ca: Pair, names: Sequence[str], now: datetime) -> Pair:
    """A server certificate for `names` (host names and addresses, at least one)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = _builder(subject, ca.certificate.subject, key, now, LEAF_DAYS)
    san = x509.SubjectAlternativeName([_general_name(name) for name in names])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = builder.add_extension(san, critical=False)
    builder = builder.add_extension(usage, critical=False)
    builder = builder.add_extension(issuer, critical=False)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
    return Pair(builder.sign(ca.key, hashes.SHA256()), key)


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Host names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = found.value.get_values_for_type(x509.IPAddress)
    return frozenset(found.value.get_values_for_type(x509.DNSName)) | {str(ip) for ip in addresses}


def must_renew(leaf: Pair, ca: Pair, names: Sequence[str], now: datetime) -> bool:
    """True when it ends soon, another authority signed it, or a name is not covered."""
    certificate = leaf.certificate
    return (
        certificate.not_valid_after_utc - now < RENEW_BEFORE
        or certificate.issuer != ca.certificate.subject
        or not frozenset(names) <= names_of(certificate)
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    begin = now - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
