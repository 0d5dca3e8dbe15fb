from __future__ import annotations

import pytest

from loadtest.cost.figures import cost_of
from loadtest.cost.processes import CpuSample, ProcessSample

USED = CpuSample(
    (
        ProcessSample(1, 0.0, "server", 1.0, 0.5, 30 * 2**20, is_running=True),
        ProcessSample(2, 0.0, "store", 0.25, 0.25, 10 * 2**20, is_running=True),
    )
)


def test_all_cpu_over_all_packets() -> None:
    cost = cost_of(
        USED, seconds=10.0, packets=1_000_000, messages=0, viewers=20, sockets=0,
        memory_before=20 * 2**20,
    )  # fmt: skip
    assert cost.cpu_us_per_packet == pytest.approx(2.0)
    assert cost.cpu_us_per_message is None
    assert not cost.is_mixed
    assert cost.memory_kib_per_viewer == pytest.approx(1024)
    assert cost.memory_kib_per_socket is None
    assert cost.memory_bytes == 40 * 2**20
    assert [process.role for process in cost.processes] == ["server", "store"]


def test_packets_and_messages_bear_each_others_cost() -> None:
    cost = cost_of(
        USED, seconds=10.0, packets=1000, messages=500, viewers=2, sockets=4,
        memory_before=40 * 2**20,
    )  # fmt: skip
    assert cost.is_mixed
    assert cost.cpu_us_per_packet == pytest.approx(2000)
    assert cost.cpu_us_per_message == pytest.approx(4000)
    assert cost.memory_kib_per_viewer == 0


def test_nothing_delivered_costs_nothing_each() -> None:
    cost = cost_of(USED, seconds=1.0, packets=0, messages=0, viewers=0, sockets=0, memory_before=0)
    assert cost.cpu_us_per_packet is None
    assert cost.cpu_us_per_message is None
    assert cost.memory_kib_per_viewer is None
