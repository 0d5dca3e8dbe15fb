"""Which addresses clients are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.addresses import advertised_addresses, reachable
from server.settings import Settings

OWN = ["127.0.0.1", "169.254.3.4", "192.168.1.5", "::1", "2001:db8::5"]


@pytest.mark.parametrize(
    ("host", "public_ip", "told"),
    [
        ("0.0.0.0", ["203.0.113.9"], ("203.0.113.9",)),
        ("192.168.1.5", [], ("192.168.1.5",)),
        ("localhost", [], ("127.0.0.1",)),
    ],
)
def test_what_the_operator_said_counts(
    host: str, public_ip: list[str], told: tuple[str, ...]
) -> None:
    settings = Settings(host=host, public_ip=public_ip, data_dir=Path("x"))
    assert advertised_addresses(settings) == told


def test_addresses_that_lead_nowhere_are_left_out() -> None:
    assert reachable(OWN, ipv6=False) == ("192.168.1.5", "127.0.0.1")
    assert reachable(OWN, ipv6=True) == ("192.168.1.5", "2001:db8::5", "127.0.0.1")


def test_this_machine_always_reaches_itself() -> None:
    assert advertised_addresses(Settings(data_dir=Path("x")))[-1] == "127.0.0.1"
