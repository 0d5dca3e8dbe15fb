"""One probe: its rate over time, and what makes it succeed or fail."""

from __future__ import annotations

import pytest

from media.probe import GROWTH_S, HOLD_S, PATIENCE_S, RAMP_S, REPORT_AT_S, Probe

START = 10.0
TICK_S = 0.01
SENT_S = RAMP_S + HOLD_S


def a_probe(rtt_s: float | None = 0.05, remb_bps: int | None = 200_000) -> Probe:
    return Probe(
        base_bps=200_000, from_bps=200_000, target_bps=600_000, rtt_s=rtt_s, remb_bps=remb_bps,
        now=START,
    )  # fmt: skip


def sent_bits(probe: Probe, since_s: float, until_s: float) -> int:
    total = 0
    for tick in range(round(since_s / TICK_S), round(until_s / TICK_S)):
        count = probe.take_bytes(START + tick * TICK_S)
        probe.sent(count)
        total += count * 8
    return total


def test_it_ramps_up_holds_and_ends() -> None:
    probe = a_probe()
    ramp = sent_bits(probe, 0, RAMP_S)
    # Between 0 and the target's extra of 400 kbit/s, and less than half of it: by equal factors.
    assert 0 < ramp < 400_000 * RAMP_S / 2
    assert sent_bits(probe, RAMP_S, SENT_S) == pytest.approx(400_000 * HOLD_S, rel=0.03)
    assert sent_bits(probe, SENT_S, SENT_S + 1) == 0


def test_whole_packets_owe_what_they_are_too_long() -> None:
    probe = a_probe()
    total = 0
    for tick in range(round(SENT_S / TICK_S)):
        if probe.take_bytes(START + tick * TICK_S) > 0:
            probe.sent(1_200)
            total += 1_200
    assert total * 8 == pytest.approx(400_000 * HOLD_S + 400_000 * RAMP_S * 0.41, rel=0.1)


def test_a_late_timer_is_not_made_up_for() -> None:
    probe = a_probe()
    probe.take_bytes(START)
    assert probe.take_bytes(START + SENT_S - 0.01) * 8 <= 400_000 * 0.03


def test_a_report_is_sent_once_near_the_end() -> None:
    probe = a_probe()
    assert not probe.take_report_due(START + REPORT_AT_S - 0.01)
    assert probe.take_report_due(START + REPORT_AT_S)
    assert not probe.take_report_due(START + REPORT_AT_S + 0.01)


@pytest.mark.parametrize(("growth_s", "verdict"), [(0.0, True), (GROWTH_S + 0.01, False)])
def test_the_round_trip_of_a_report_sent_meanwhile_decides(growth_s: float, verdict: bool) -> None:
    probe = a_probe()
    probe.handle_round_trip(0.05 + growth_s, START + REPORT_AT_S)
    assert probe.verdict(START + SENT_S) is verdict


def test_a_report_sent_before_says_nothing() -> None:
    probe = a_probe()
    probe.handle_round_trip(0.5, START + RAMP_S - 0.1)
    assert probe.verdict(START + SENT_S) is None


def test_a_long_round_trip_ends_it_before_all_is_sent() -> None:
    probe = a_probe()
    probe.handle_round_trip(0.5, START + RAMP_S + 0.1)
    assert probe.verdict(START + RAMP_S + 0.15) is False


def test_an_estimate_that_rose_is_enough() -> None:
    probe = a_probe(rtt_s=None)
    probe.handle_remb(210_000, START + 0.1)  # of what came before
    assert probe.verdict(START + SENT_S) is None
    probe.handle_remb(210_000, START + SENT_S)
    assert probe.verdict(START + SENT_S) is True


def test_without_any_sign_it_has_failed() -> None:
    probe = a_probe()
    probe.handle_remb(200_000, START + SENT_S)
    assert probe.verdict(START + REPORT_AT_S + PATIENCE_S - 0.01) is None
    assert probe.verdict(START + REPORT_AT_S + PATIENCE_S) is False
