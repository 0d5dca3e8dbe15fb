from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from loadtest.network.errors import NetworkError
from loadtest.network.limits import ensure_files, ensure_ports, ephemeral_ports

Limits = tuple[int, int]


@pytest.fixture
def limits() -> Iterator[Limits]:
    """The soft limit is low meanwhile, and put back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised_to_what_is_needed(limits: Limits) -> None:
    ensure_files(300)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, limits[1])


def test_it_is_never_lowered(limits: Limits) -> None:
    ensure_files(100)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits


def test_the_hard_limit_is_a_line_with_the_remedy(limits: Limits) -> None:
    needed = limits[1] + 1
    with pytest.raises(NetworkError, match=f"`ulimit -n {needed}`"):
        ensure_files(needed)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits


def test_ports_are_counted_for_each_address() -> None:
    ports = ephemeral_ports()
    ensure_ports(ports)
    ensure_ports(2 * ports, addresses=2)
    with pytest.raises(NetworkError, match="ip_local_port_range"):
        ensure_ports(ports + 1)
    with pytest.raises(NetworkError, match="each of 2 addresses"):
        ensure_ports(2 * ports + 1, addresses=2)
