"""ICE servers as `Link` headers, which is how WHIP and WHEP tell them (RFC 9725 §4.6)."""

from __future__ import annotations

from collections.abc import Iterable

from signaling.views import IceServer


def ice_server_links(servers: Iterable[IceServer]) -> list[str]:
    """One value a URL. Usernames and credentials of ours never hold quotes or backslashes."""
    return [
        f'<{url}>; rel="ice-server"{_credentials(server)}'
        for server in servers
        for url in server.urls
    ]


def _credentials(server: IceServer) -> str:
    if server.username is None:
        return ""
    return (
        f'; username="{server.username}"; credential="{server.credential}"'
        '; credential-type="password"'
    )
