"""Each missing thing is one line with its remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.network import tun
from loadtest.network.errors import NetworkError, require_root
from loadtest.network.iproute import ip, program
from loadtest.network.namespace import Namespace
from loadtest.network.offload import has_gro

NOBODY = 65534


@pytest.fixture
def not_root() -> Iterator[None]:
    before = os.geteuid()
    os.seteuid(before or NOBODY)
    yield
    os.seteuid(before)


@pytest.mark.usefixtures("not_root")
def test_not_root() -> None:
    with pytest.raises(NetworkError, match=r"need root: run with sudo, or .* --no-network"):
        require_root()


def test_no_such_program() -> None:
    with pytest.raises(NetworkError, match="apt-get install iproute2"):
        program("no-such-program-of-iproute2")


def test_no_tun_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tun, "DEVICE", str(tmp_path / "tun"))
    with pytest.raises(NetworkError, match="modprobe tun") as refusal:
        tun.open_tun("lm1v1234o")
    assert "\n" not in str(refusal.value)


def test_a_program_that_fails_says_why_in_one_line() -> None:
    with pytest.raises(NetworkError, match="no-such-device") as refusal:
        ip("link", "show", "dev", "no-such-device")
    assert "\n" not in str(refusal.value)


def test_no_such_interface() -> None:
    with pytest.raises(NetworkError, match="no-such-device: ethtool: No such device"):
        has_gro("no-such-device")


def test_a_namespace_is_used_inside_its_block() -> None:
    with pytest.raises(NetworkError, match="is gone"):
        Namespace().udp()
