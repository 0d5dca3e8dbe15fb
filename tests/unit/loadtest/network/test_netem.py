from __future__ import annotations

from typing import Any

import pytest

from loadtest.network.conditions import Conditions
from loadtest.network.impairment import ImpairmentCounts
from loadtest.network.netem import counts_of, qdiscs

ADD = "qdisc add dev eth9"


def commands(conditions: Conditions) -> list[str]:
    return [" ".join(command) for command in qdiscs("eth9", conditions)]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (Conditions(), ["root handle 1: pfifo limit 100000"]),
        (Conditions(loss=0.05), ["root handle 1: netem limit 100000 loss random 5.0000%"]),
        (
            Conditions(loss=0.2, burst=4),
            ["root handle 1: netem limit 100000 loss gemodel 6.2500% 25.0000%"],
        ),
        (
            Conditions(delay_ms=40, jitter_ms=2.5, reorder=0.01, duplicate=0.02),
            [
                "root handle 1: netem limit 100000 delay 40000us 2500us"
                " duplicate 2.0000% reorder 1.0000%"
            ],
        ),
        (
            Conditions(rate_bps=1e6),
            ["root handle 10: tbf rate 1000000bit burst 3200 latency 200000us"],
        ),
        (
            Conditions(delay_ms=30, rate_bps=5e7, queue_ms=50),
            [
                "root handle 1: netem limit 100000 delay 30000us",
                "parent 1:1 handle 10: tbf rate 50000000bit burst 25000 latency 50000us",
            ],
        ),
        (
            Conditions(rate_bps=1e6, queue_ms=0),
            ["root handle 10: tbf rate 1000000bit burst 3200 latency 1000us"],
        ),
    ],
)
def test_conditions_become_qdiscs(conditions: Conditions, expected: list[str]) -> None:
    assert commands(conditions) == [f"{ADD} {words}" for words in expected]


def row(
    kind: str, *, packets: int, drops: int, qlen: int = 0, root: bool = False
) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": kind, "packets": packets, "drops": drops, "qlen": qlen}
    return shown | ({"root": True} if root else {"parent": "1:1"})


def test_the_drops_of_netem_include_those_of_its_shaper() -> None:
    rows = [row("netem", packets=90, drops=12, qlen=3, root=True), row("tbf", packets=90, drops=5)]
    assert counts_of(rows) == ImpairmentCounts(
        packets_in=105, lost=7, queue_dropped=5, packets_out=90
    )
    assert counts_of(rows).under_way == 3


@pytest.mark.parametrize("kind", ["tbf", "pfifo"])
def test_a_queue_alone_drops_and_loses_nothing(kind: str) -> None:
    ingress = {"kind": "ingress", "packets": 9, "drops": 9}
    assert counts_of([row(kind, packets=8, drops=2, root=True), ingress]) == ImpairmentCounts(
        packets_in=10, queue_dropped=2, packets_out=8
    )
