from __future__ import annotations

import contextlib
import socket

import pytest

from loadtest.network.addresses import (
    MOST_ADDRESSES,
    LoopbackAddresses,
    addresses_for,
    is_loopback,
)
from loadtest.network.limits import ephemeral_ports


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_sockets_take_turns(kind: str) -> None:
    addresses = LoopbackAddresses(3)
    with contextlib.ExitStack() as stack:
        made: list[socket.socket] = [
            stack.enter_context(getattr(addresses, kind)()) for _ in range(4)
        ]
        hosts = [one.getsockname()[0] for one in made]
    assert hosts == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]


def test_they_reach_a_server_on_any_address_of_this_machine() -> None:
    addresses = LoopbackAddresses(2)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        addresses.tcp(),
        addresses.tcp() as second,
    ):
        second.connect(server.getsockname())
        accepted, (host, _) = server.accept()
        accepted.close()
        assert host == "127.0.0.2"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.3", True),
        ("localhost", True),
        ("192.0.2.1", False),
        ("example.com", False),
        ("::1", False),
        ("", False),
    ],
)
def test_loopback_is_told_apart(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
    assert (addresses_for(host, 10) is not None) is expected


def test_more_sockets_take_more_addresses() -> None:
    for sockets, at_least in ((1, 1), (ephemeral_ports(), 2), (5 * ephemeral_ports(), 10)):
        addresses = addresses_for("127.0.0.1", sockets)
        assert addresses is not None
        assert at_least <= len(addresses.addresses) <= at_least + 1


def test_there_is_a_most() -> None:
    addresses = addresses_for("127.0.0.1", 10**9)
    assert addresses is not None
    assert len(set(addresses.addresses)) == MOST_ADDRESSES
    for count in (0, MOST_ADDRESSES + 1):
        with pytest.raises(ValueError, match="1 to 200"):
            LoopbackAddresses(count)
