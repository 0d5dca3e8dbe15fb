"""Reception statistics (RFC 3550 A.3, A.8)."""

from __future__ import annotations

import pytest

from media.reception import Reception


def test_loss_of_one_interval_and_in_all() -> None:
    reception = Reception(90_000)
    for number in [100, 101, 103, 104]:
        reception.receive(number, number * 3000, number / 30)
    first = reception.take_report(1, 4.0)
    assert (first.fraction_lost, first.packets_lost, first.highest_sequence) == (51, 1, 104)
    reception.receive(105, 105 * 3000, 3.5)
    second = reception.take_report(1, 5.0)
    assert (second.fraction_lost, second.packets_lost) == (0, 1)


def test_a_late_packet_is_not_lost_any_more() -> None:
    reception = Reception(90_000)
    for number in [10, 12, 11]:
        reception.receive(number, 0, 0.0)
    assert reception.lost == 0


def test_packets_before_the_first_extend_the_count() -> None:
    reception = Reception(90_000)
    for number in [10, 8, 9]:
        reception.receive(number, 0, 0.0)
    assert (reception.expected, reception.lost) == (3, 0)


def test_an_empty_interval() -> None:
    report = Reception(90_000).take_report(1, 0.0)
    assert (report.fraction_lost, report.packets_lost, report.lsr, report.dlsr) == (0, 0, 0, 0)


def test_jitter_of_a_steady_and_of_an_unsteady_stream() -> None:
    steady, unsteady = Reception(48_000), Reception(48_000)
    for number in range(200):
        steady.receive(number, number * 960, 5.0 + number * 0.02)
        unsteady.receive(number, number * 960, 5.0 + number * 0.02 + (number % 2) * 0.01)
    assert steady.jitter_ticks == pytest.approx(0, abs=0.01)
    assert unsteady.jitter_ticks == pytest.approx(480, rel=0.01)


def test_a_restart_keeps_totals_and_forgets_losses() -> None:
    reception = Reception(90_000)
    for number in [10, 15]:
        reception.receive(number, 0, 0.0)
    reception.restart()
    for number in [90_000, 90_001]:
        reception.receive(number, 0, 1.0)
    report = reception.take_report(1, 1.0)
    assert (reception.received, reception.lost) == (4, 0)
    assert (report.fraction_lost, report.highest_sequence) == (0, 90_001)
