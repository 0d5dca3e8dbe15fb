from __future__ import annotations

from server.ice_links import ice_server_links
from signaling.views import IceServer


def test_one_link_an_address() -> None:
    servers = (
        IceServer(urls=("stun:stun.example:3478",)),
        IceServer(urls=("turn:a.example", "turns:a.example"), username="9:u_1", credential="x+/="),
    )
    says = 'rel="ice-server"; username="9:u_1"; credential="x+/="; credential-type="password"'
    assert ice_server_links(servers) == [
        '<stun:stun.example:3478>; rel="ice-server"',
        f"<turn:a.example>; {says}",
        f"<turns:a.example>; {says}",
    ]
