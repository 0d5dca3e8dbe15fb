"""A TURN server of another make for tests: Debian's coturn on loopback, ended in any case."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadtest.targets.program import free_port, running

TURN_SECRET = "a secret shared with the relay in tests"
HOST = "127.0.0.1"


class Relay(NamedTuple):
    """Where a running relay listens: UDP and TCP on one port, TLS on the other."""

    port: int
    tls_port: int
    certificate: Path
    log: Path
    host: str

    def url(self, transport: str) -> str:
        """`transport`: udp, tcp or tls."""
        if transport == "tls":
            return f"turns:{self.host}:{self.tls_port}?transport=tcp"
        return f"turn:{self.host}:{self.port}?transport={transport}"

    def output(self) -> str:
        """Everything it wrote."""
        return self.log.read_text(errors="replace")


@contextlib.asynccontextmanager
async def coturn(folder: Path, host: str = HOST) -> AsyncIterator[Relay]:
    """Listens and relays at `host`; to loopback, too, which it refuses by default: our media port
    of tests is there."""
    program = shutil.which("turnserver")
    assert program is not None, "no turnserver: run `make test` as root, or install coturn"
    certificate, key = _self_signed(folder, host)
    ports = free_port(host), free_port(host)
    relay = Relay(*ports, certificate, folder / "turnserver.log", host)
    argv = [
        program, "-n", "--no-cli", "--no-dtls", "--simple-log", "--verbose",
        f"--listening-ip={host}", f"--relay-ip={host}", "--allow-loopback-peers",
        f"--listening-port={relay.port}", f"--tls-listening-port={relay.tls_port}",
        f"--cert={certificate}", f"--pkey={key}",
        "--use-auth-secret", f"--static-auth-secret={TURN_SECRET}", "--realm=lianmai.test",
        f"--userdb={folder / 'turndb'}", f"--pidfile={folder / 'turnserver.pid'}",
        "--log-file=stdout",
    ]  # fmt: skip
    async with running("coturn", argv, lambda: _listens(relay), log=relay.log):
        yield relay


async def _listens(relay: Relay) -> bool:
    for port in (relay.port, relay.tls_port):
        try:
            _, writer = await asyncio.open_connection(relay.host, port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
    return True


def _self_signed(folder: Path, host: str) -> tuple[Path, Path]:
    """PEM files of a certificate for the relay's address and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay of tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "turn_cert.pem", folder / "turn_key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
