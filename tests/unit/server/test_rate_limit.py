"""Token buckets by network address."""

from __future__ import annotations

import pytest

from server.rate_limit import AddressLimiter, Bucket, network_of


def test_a_bucket_starts_full_and_says_how_long_to_wait() -> None:
    now = 100.0
    bucket = Bucket(rate_per_s=2.0, burst=3, now=now)
    assert [bucket.take(now) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(now) == pytest.approx(0.5)
    now += 0.5
    assert bucket.take(now) == 0.0
    assert bucket.take(now) == pytest.approx(0.5)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = Bucket(rate_per_s=1.0, burst=2, now=0.0)
    now = 1_000_000.0
    assert [bucket.take(now) for _ in range(3)] == [0.0, 0.0, pytest.approx(1.0)]


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    bucket = Bucket(rate_per_s=1.0, burst=1, now=10.0)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(5.0) > 0.0


def test_addresses_do_not_share() -> None:
    limiter = AddressLimiter(rate_per_s=1.0, burst=1)
    assert limiter.take("192.0.2.1", 0.0) == 0.0
    assert limiter.take("192.0.2.1", 0.0) > 0.0
    assert limiter.take("192.0.2.2", 0.0) == 0.0


def test_the_longest_unused_address_is_forgotten() -> None:
    limiter = AddressLimiter(rate_per_s=0.001, burst=1, max_addresses=2)
    limiter.take("192.0.2.1", 0.0)
    limiter.take("192.0.2.2", 0.0)
    limiter.take("192.0.2.1", 0.0)
    limiter.take("192.0.2.3", 0.0)
    assert len(limiter) == 2
    assert limiter.take("192.0.2.1", 0.0) > 0.0
    assert limiter.take("192.0.2.2", 0.0) == 0.0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        (None, "unknown"),
        ("", "unknown"),
        ("no address", "unknown"),
    ],
)
def test_what_counts_as_one_customer(address: str | None, key: str) -> None:
    assert network_of(address) == key
