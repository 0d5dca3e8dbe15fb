from __future__ import annotations

import pytest

from server.turn_url import TurnUrl


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("turn:turn.example", TurnUrl("turn.example", 3478, "udp", is_tls=False)),
        ("turn:192.0.2.1:80?transport=tcp", TurnUrl("192.0.2.1", 80, "tcp", is_tls=False)),
        ("turn:[2001:db8::1]:3478", TurnUrl("2001:db8::1", 3478, "udp", is_tls=False)),
        ("turns:turn.example", TurnUrl("turn.example", 5349, "tcp", is_tls=True)),
        ("turns:turn.example:443?transport=tcp", TurnUrl("turn.example", 443, "tcp", is_tls=True)),
    ],
)
def test_addresses_and_their_defaults(text: str, url: TurnUrl) -> None:
    assert TurnUrl.parse(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stun:turn.example",
        "turn://turn.example",
        "turn:",
        "turn:turn.example:0",
        "turn:turn.example:65536",
        "turn:turn.example?transport=sctp",
        "turn:turn.example?transport=udp&x=1",
        "turns:turn.example?transport=udp",
        "turn:[1:2]",
        'turn:turn.example>; rel="x"',
        "turn:turn.example\n",
    ],
)
def test_others_are_refused_with_the_accepted_form(text: str) -> None:
    with pytest.raises(ValueError, match="write turn:HOST:3478"):
        TurnUrl.parse(text)
