from __future__ import annotations

import itertools
from ipaddress import IPv4Network

import pytest

from loadtest.network import subnet
from loadtest.network.errors import NetworkError
from loadtest.network.subnet import candidates, claimed_subnet, free_of


def test_two_ends_of_a_small_network() -> None:
    first = next(candidates())
    assert str(first.network) == "10.213.0.0/30"
    assert (first.outside, first.inside) == ("10.213.0.1", "10.213.0.2")


def test_no_two_candidates_overlap() -> None:
    networks = sorted(candidate.network for candidate in candidates())
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(networks))


def test_what_others_have_is_passed_over() -> None:
    taken = [IPv4Network("10.213.0.0/24"), IPv4Network("10.213.1.1/32")]
    assert str(next(free_of(taken)).network) == "10.213.2.0/30"


def test_a_company_network_leaves_the_benchmark_range() -> None:
    assert str(next(free_of([IPv4Network("10.0.0.0/8")])).network) == "198.18.0.0/30"
    assert list(free_of([IPv4Network("10.0.0.0/8"), IPv4Network("198.18.0.0/15")])) == []


def test_a_claimed_subnet_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subnet, "routed", lambda: [IPv4Network("10.0.0.0/8")])
    with claimed_subnet() as one, claimed_subnet() as other:
        assert not one.network.overlaps(other.network)
    with claimed_subnet() as again:
        assert again == one


def test_no_subnet_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        subnet, "routed", lambda: [IPv4Network("0.0.0.0/1"), IPv4Network("198.0.0.0/8")]
    )
    with pytest.raises(NetworkError, match=r"10\.213 and 198\.18"), claimed_subnet():
        pass
