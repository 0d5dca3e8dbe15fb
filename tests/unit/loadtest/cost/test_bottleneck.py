from __future__ import annotations

import pytest

from loadtest.cost.bottleneck import bottleneck
from loadtest.report.model import Percentiles


def lag(p99: float) -> Percentiles:
    return Percentiles(samples=100, p50=0.1, p95=0.2, p99=p99, worst=500.0)


def test_a_tester_with_room_to_spare() -> None:
    assert bottleneck(0.89, lag(50.0), 100, 999_900) == ""
    assert bottleneck(0.0, None, 0, 0) == ""


@pytest.mark.parametrize(
    ("cores", "p99", "overflows", "why"),
    [
        (0.9, 1.0, 0, "it used 0.90 of one core"),
        (0.1, 50.1, 0, "its event loop was 50 ms late at the 99th percentile"),
        (0.1, 1.0, 101, "its sockets dropped 101 datagrams that it did not read"),
    ],
)
def test_each_reason(cores: float, p99: float, overflows: int, why: str) -> None:
    assert bottleneck(cores, lag(p99), overflows, 1_000_000 - overflows) == why


def test_reasons_add_up() -> None:
    why = bottleneck(1.0, lag(80.0), 5, 0)
    assert why.count(";") == 2


def test_everything_was_lost() -> None:
    assert "dropped 1 datagram" in bottleneck(0.0, None, 1, 0)
