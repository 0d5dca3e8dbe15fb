"""Links to the pages of a room, with the token in the fragment: browsers never send that part."""

from __future__ import annotations

from ipaddress import ip_address

from server.settings import Settings
from signaling.views import Role


def base_url(settings: Settings) -> str:
    """Where a browser finds this server: its public address if told, else this machine itself."""
    scheme = "http" if settings.tls.mode == "off" else "https"
    host = settings.public_ip[0] if settings.public_ip else settings.host
    if host in {"0.0.0.0", "::", ""}:
        host = "localhost"
    return f"{scheme}://{_in_url(host)}:{settings.port}"


def _in_url(host: str) -> str:
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host


def room_links(base: str, room: str, role: Role, token: str) -> dict[str, str]:
    """What a bearer of this role opens: title -> URL."""
    links = {"viewer": f"{base}/room/{room}#token={token}"}
    if role in {"host", "staff"}:
        links["console"] = f"{base}/console/{room}#token={token}"
    if role == "host":
        links["OBS page"] = f"{base}/obs/{room}#token={token}"
        links["WHIP (Bearer token above)"] = f"{base}/whip/{room}"
    return links
