"""Checks of the network: ports, UDP with segmentation offload, socket buffers, certificates."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from server.doctor.check import Check, fail, ok, warn
from server.errors import TlsError
from server.settings import Settings
from server.tls import ca_certificate_path, open_tls

ECHO_LIMIT_S: Final = 1.0
UDP_SEGMENT: Final = 103
"""linux/udp.h; Python's socket module has no name for it."""
BUFFER_WANTED_BYTES: Final = 4 * 1024**2
"""About 300 ms of 100 Mbit/s: what arrives while the loop is busy with a broadcast."""


def tcp_port(settings: Settings) -> Check:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _bound("HTTP port", listener, settings.host, settings.port, "--port")


def udp_port(settings: Settings, port: int | None = None) -> Check:
    """Free, and a datagram sent to it comes back: firewalls of this machine let it through.
    `port` is one of `Settings.media_ports`, the first when None."""
    wanted = settings.udp_port if port is None else port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.settimeout(ECHO_LIMIT_S)
        bound = _bound("UDP port", server, settings.host, wanted, "--udp-port")
        if bound.status != "ok":
            return bound
        port = server.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(ECHO_LIMIT_S)
            client.connect((_reachable(settings.host), port))
            try:
                client.send(b"lianmai doctor")
                data, sender = server.recvfrom(64)
                server.sendto(data, sender)
                client.recv(64)
            except OSError as error:
                how = f"let UDP port {port} through the firewall of this machine"
                return fail("UDP port", f"{port}: no echo over loopback ({error})", how)
    return ok("UDP port", f"{port} is free and echoes; open it in every firewall on the way too")


def media_tcp_port(settings: Settings, port: int | None = None) -> Check:
    """The TCP port with the number of the UDP port, for clients whose network blocks UDP."""
    wanted = settings.udp_port if port is None else port
    if not settings.media_tcp:
        return ok("media TCP port", "switched off (media_tcp): networks that block UDP see nothing")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound = _bound("media TCP port", listener, settings.host, wanted, "--udp-port")
    if bound.status != "ok":
        return bound._replace(fix=f"{bound.fix}, or do without: media_tcp: false")
    return bound


def _bound(name: str, sock: socket.socket, host: str, port: int, flag: str) -> Check:
    try:
        sock.bind((host, port))
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "is in use (by a running lianmai?)",
            errno.EACCES: "needs more rights",
            errno.EADDRNOTAVAIL: "is at an address that this machine does not have",
        }
        reason = reasons.get(error.errno or 0, str(error))
        how = f"stop what uses it, or choose another with {flag} (and --host)"
        return fail(name, f"{host}:{port} {reason}", how)
    return ok(name, f"{host}:{port} is free")


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in {"", "0.0.0.0"} else host


def segmentation_offload() -> Check:
    """One system call for many datagrams (UDP_SEGMENT): a quarter of the cost of sending."""
    if sys.platform != "linux":
        return warn("UDP GSO", "only Linux has it; sending costs more", "run on Linux")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(ECHO_LIMIT_S)
        control = [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("H", 100))]
        try:
            sender.sendmsg([bytes(250)], control, 0, receiver.getsockname())
            sizes = [len(receiver.recv(1024)) for _ in range(3)]
        except OSError as error:
            how = "use Linux 4.18 or newer; sending works without, at more CPU"
            return warn("UDP GSO", f"not available ({error})", how)
    if sizes != [100, 100, 50]:
        return warn("UDP GSO", f"cuts wrongly here: {sizes}", "update the kernel")
    return ok("UDP GSO", "available")


def socket_buffers() -> Check:
    sizes = {}
    for name in ("rmem_max", "wmem_max"):
        path = Path("/proc/sys/net/core") / name
        if not path.exists():
            return ok("socket buffers", "not readable here (container or not Linux)")
        sizes[name] = int(path.read_text())
    small = [name for name, size in sizes.items() if size < BUFFER_WANTED_BYTES]
    detail = ", ".join(f"{name} {size // 1024} KiB" for name, size in sizes.items())
    if small:
        settings = " ".join(f"net.core.{name}={BUFFER_WANTED_BYTES}" for name in small)
        how = f"sysctl {settings} (keep it in /etc/sysctl.d/)"
        return warn("socket buffers", f"{detail}: bursts of packets may be lost", how)
    return ok("socket buffers", detail)


def certificate(settings: Settings) -> Check:
    """A camera opens only in a secure context: HTTPS, or localhost."""
    if settings.tls.mode == "off":
        return ok("HTTPS", "off: cameras work on localhost only; phones need --tls auto or a proxy")
    if settings.tls.mode == "auto" and not ca_certificate_path(settings).exists():
        return ok("HTTPS", "a local authority will be made at first start")
    try:
        tls = open_tls(settings)
    except TlsError as error:
        return fail("HTTPS", str(error), "see tls.cert and tls.key")
    assert tls is not None, "not off"
    days = (tls.expires - datetime.now(UTC)).days
    if days < 0:
        return fail("HTTPS", "the certificate has expired", "renew tls.cert")
    if days < 14:
        return warn("HTTPS", f"the certificate ends in {days} days", "renew tls.cert")
    return ok("HTTPS", f"{settings.tls.mode}, the certificate holds {days} days")
