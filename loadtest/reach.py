"""Is there a WHIP server at this URL, and is it the one we trust? Asked before FFmpeg connects:
its WHIP muxer neither verifies certificates nor tells what a server said."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 5.0
SDP_TYPE: Final = "application/sdp"


class NotReachable(Exception):
    """One sentence for the person at the keyboard, the fix included."""


def trusting(*certificates: Path) -> ssl.SSLContext:
    """The authorities of this machine, and those of the files that exist (a server's own
    certificate may be one of them)."""
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for path in certificates:
        if path.is_file():
            context.load_verify_locations(path)
    return context


def check_whip(url: str, *certificates: Path) -> None:
    """Ask `url` for its OPTIONS (RFC 9725 §4.2; needs no token). Raises `NotReachable`."""
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotReachable(f"{url}: is no address of a server; write --server http://HOST:PORT")
    try:
        accepted = _accept_post(url, certificates)
    except ssl.SSLCertVerificationError as error:
        raise NotReachable(
            f"{base}: its certificate is not trusted ({error.verify_message}); for a server with "
            "--tls auto give its --data-dir, where the local authority lies"
        ) from error
    except ssl.SSLError as error:
        raise NotReachable(f"{base}: does not speak HTTPS; try --server http://...") from error
    except socket.gaierror as error:
        raise NotReachable(f"{base}: there is no host of this name; check --server") from error
    except ConnectionRefusedError as error:
        raise NotReachable(
            f"{base}: nothing listens there; start it with `lianmai serve`, or name another "
            "with --server"
        ) from error
    except http.client.HTTPException as error:
        raise NotReachable(f"{base}: does not speak HTTP; try --server https://...") from error
    except OSError as error:
        raise NotReachable(
            f"{base}: does not answer ({error.strerror or error}); check --server and the network"
        ) from error
    if SDP_TYPE not in accepted:
        raise NotReachable(f"{url}: takes no WHIP; --server must name a lianmai server, no path")


def _accept_post(url: str, certificates: tuple[Path, ...]) -> str:
    parts = urlsplit(url)
    assert parts.hostname is not None, "checked by the caller"
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=TIMEOUT_S, context=trusting(*certificates)
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("OPTIONS", parts.path)
        return connection.getresponse().getheader("Accept-Post", "")
    finally:
        connection.close()
