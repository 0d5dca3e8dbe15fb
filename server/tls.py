"""HTTPS of the front door: `auto` with a local certificate authority, or the operator's files."""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from server.errors import TlsError
from server.files import folder_lock, make_private_folder, write_private
from server.local_ca import Pair, make_ca, make_leaf, must_renew, read_pair
from server.local_names import this_machines_names
from server.logs import get_log
from server.settings import Settings

log = get_log(__name__)

FOLDER: Final = "tls"
CHECK_EVERY_S: Final = 3600.0
"""How often a running server should call `ServerTls.refresh`."""

Names = Callable[[], Sequence[str]]
Now = Callable[[], datetime]


class ServerTls:
    """The TLS context of the listener, and the authority to offer at /ca.crt.

    `refresh` replaces the certificate in the same context: new connections get the new one.
    """

    def __init__(
        self,
        *,
        load: Callable[[], tuple[Path, Path]],
        ca_pem: Callable[[], bytes] | None,
    ) -> None:
        """`load` makes sure of the files and names them: certificate chain, private key."""
        self.context: Final = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._load: Final = load
        self._ca_pem: Final = ca_pem
        self._loaded: bytes | None = None
        self.refresh()

    @property
    def ca_pem(self) -> bytes | None:
        """The local authority's certificate; None when the certificate is the operator's own."""
        return self._ca_pem() if self._ca_pem else None

    @property
    def ca_der(self) -> bytes | None:
        """The same as phones import it (`application/x-x509-ca-cert`)."""
        pem = self.ca_pem
        return (
            None if pem is None else x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        )

    @property
    def expires(self) -> datetime:
        """When the certificate in use ends."""
        assert self._loaded is not None, "loaded by the constructor"
        return x509.load_pem_x509_certificate(self._loaded).not_valid_after_utc

    def refresh(self) -> bool:
        """Renew or read again what is due; True when another certificate is in use now.

        Raises `TlsError`; the old certificate stays in use then.
        """
        cert, key = self._load()
        content = cert.read_bytes()
        if content == self._loaded:
            return False
        try:
            self.context.load_cert_chain(cert, key)
        except (ssl.SSLError, OSError) as error:
            raise TlsError(f"certificate {cert} and key {key} cannot be used: {error}") from error
        self._loaded = content
        log.info("certificate_loaded", expires=self.expires.date())
        return True


def open_tls(
    settings: Settings,
    *,
    names: Names | None = None,
    now: Now = lambda: datetime.now(UTC),
) -> ServerTls | None:
    """What the setting `tls` asks for; None when it is off. Raises `TlsError`."""
    mode = settings.tls.mode
    if mode == "off":
        return None
    if mode == "files":
        assert settings.tls.cert is not None, "checked by the settings"
        assert settings.tls.key is not None, "checked by the settings"
        cert, key = settings.tls.cert, settings.tls.key
        return ServerTls(load=lambda: _checked_files(cert, key), ca_pem=None)
    wanted = names or (lambda: this_machines_names(settings.public_ip))
    local = LocalCertificates(settings.data_dir / FOLDER, names=wanted, now=now)
    return ServerTls(load=local.ensure, ca_pem=local.ca_pem)


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Only the context of `open_tls`, for those who never refresh it."""
    tls = open_tls(settings)
    return None if tls is None else tls.context


def ca_certificate_path(settings: Settings) -> Path:
    """Where mode auto keeps the certificate that phones are to trust (PEM)."""
    return settings.data_dir / FOLDER / "ca.pem"


class LocalCertificates:
    """ca.pem, ca.key, cert.pem, key.pem in one folder; keys are mode 0600."""

    def __init__(self, folder: Path, *, names: Names, now: Now) -> None:
        self._folder: Final = folder
        self._names: Final = names
        self._now: Final = now

    def ensure(self) -> tuple[Path, Path]:
        """Make or renew what is due. Several programs on one folder take turns.

        Raises `TlsError` when the folder cannot be used or a file in it is broken.
        """
        try:
            make_private_folder(self._folder)
            with folder_lock(self._folder):
                self._ensure_leaf(self._ensure_ca())
        except OSError as error:
            raise TlsError(
                f"cannot keep certificates in {self._folder}: {error.strerror};"
                " give another folder with --data-dir"
            ) from error
        return self._folder / "cert.pem", self._folder / "key.pem"

    def ca_pem(self) -> bytes:
        return (self._folder / "ca.pem").read_bytes()

    def _ensure_ca(self) -> Pair:
        found = self._read("ca.pem", "ca.key")
        now = self._now()
        if found is not None and found.certificate.not_valid_after_utc > now:
            return found
        ca = make_ca(socket.gethostname(), secrets.token_hex(2), now)
        write_private(self._folder / "ca.key", ca.key_pem)
        write_private(self._folder / "ca.pem", ca.certificate_pem)
        log.info("local_ca_made", folder=self._folder)
        return ca

    def _ensure_leaf(self, ca: Pair) -> None:
        names, now = self._names(), self._now()
        leaf = self._read("cert.pem", "key.pem")
        if leaf is not None and not must_renew(leaf, ca, names, now):
            return
        leaf = make_leaf(ca, names, now)
        write_private(self._folder / "key.pem", leaf.key_pem)
        write_private(self._folder / "cert.pem", leaf.certificate_pem + ca.certificate_pem)
        log.info("local_certificate_made", names=len(names))

    def _read(self, certificate: str, key: str) -> Pair | None:
        """None when the pair is not (wholly) there, or broken off between its two files."""
        paths = self._folder / certificate, self._folder / key
        if not all(path.exists() for path in paths):
            return None
        try:
            return read_pair(paths[0].read_bytes(), paths[1].read_bytes())
        except ValueError as error:
            if certificate != "ca.pem":
                return None  # cheap to make again
            # Phones trust the old authority: replacing it silently would lock them all out.
            raise TlsError(
                f"the local authority {paths[0]} is broken ({error}); restore it from a backup, or"
                f" remove {self._folder} and install /ca.crt on every phone again"
            ) from error


def _checked_files(cert: Path, key: Path) -> tuple[Path, Path]:
    for name, path in (("tls.cert", cert), ("tls.key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise TlsError(f"{name}: cannot read {path}: {error.strerror}") from error
    return cert, key
