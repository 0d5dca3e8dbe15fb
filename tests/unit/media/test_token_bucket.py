"""A burst, then a steady rate."""

from __future__ import annotations

from media.token_bucket import TokenBucket


def test_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(per_s=10, burst=3)
    assert [bucket.take(5.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(5.05)
    assert bucket.take(5.11)
    assert not bucket.take(5.11)


def test_it_fills_no_higher_than_the_burst() -> None:
    bucket = TokenBucket(per_s=10, burst=2)
    bucket.take(0.0)
    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]


def test_time_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(per_s=10, burst=1)
    assert bucket.take(5.0)
    assert not bucket.take(4.0)
    assert not bucket.take(4.0)


def test_another_rate_holds_at_once() -> None:
    bucket = TokenBucket(100.0, 50.0)
    bucket.limit(1.0, 2.0)
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    assert not bucket.take(0.5)
    assert bucket.take(1.0)
    bucket.limit(100.0, 50.0)
    assert all(bucket.take(1.5) for _ in range(50))
