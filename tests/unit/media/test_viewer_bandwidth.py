"""The machine that says how much a viewer can take: each sign alone, by counted time.

How all of it plays together with a real estimator behind a link: `test_narrow_downlink.py`.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from media.allocator import Allocation
from media.viewer_bandwidth import (
    AFTER_CUT_S,
    CONTENT_S,
    FIRST_RETRY_S,
    HELD_S,
    LOSS_FLOOR_BPS,
    MAX_RETRY_S,
    MIN_BUDGET_BPS,
    OUTAGE_S,
    QUEUE_S,
    TRANSITIONS,
    Phase,
    Sign,
    ViewerBandwidth,
)

TICK_S = 0.25
CONTENT = Allocation((), 0, None, None)


class Viewer:
    """A machine, the time, and how fast media is being sent."""

    def __init__(self, sent_bps: int = 2_000_000) -> None:
        self.now = 100.0
        self.sent_bps = sent_bps
        self.bandwidth = ViewerBandwidth(self.now, 0)
        self._sent_bytes = 0.0
        self.run(3)

    def run(self, seconds: float, *, rtt_s: float | None = None) -> None:
        """Let time pass; the viewer is heard all the while."""
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self._sent_bytes += self.sent_bps * TICK_S / 8
            self.bandwidth.note_sent(int(self._sent_bytes), self.now)
            if rtt_s is not None:
                self.bandwidth.handle_round_trip(rtt_s, self.now - rtt_s, self.now)
            self.bandwidth.handle_loss(0.0, 0, self.now)

    def lose(self, share: float, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self._sent_bytes += self.sent_bps * TICK_S / 8
            self.bandwidth.note_sent(int(self._sent_bytes), self.now)
            self.bandwidth.handle_loss(share, 30, self.now)

    def remb(self, bps: int) -> None:
        self.bandwidth.handle_remb(bps, self.now)

    def want(self, next_bps: int, top_bps: int, *, can_probe: bool = True) -> None:
        used_bps = self.sent_bps
        self.bandwidth.demand(
            Allocation((), used_bps, next_bps, top_bps), can_probe=can_probe, now=self.now
        )

    def is_probing(self) -> bool:
        return self.bandwidth.probe is not None

    def phase(self) -> Phase:
        return self.bandwidth.phase

    def budget(self) -> int | None:
        return self.bandwidth.budget_bps

    def squeeze(self) -> None:
        """To 300 kbit/s, and until that is settled."""
        self.remb(3_000_000)
        self.sent_bps = 340_000
        self.run(2)
        self.remb(300_000)
        self.sent_bps = 200_000
        self.run(HELD_S + FIRST_RETRY_S)


def test_at_first_there_is_no_limit() -> None:
    viewer = Viewer()
    assert viewer.budget() is None
    assert viewer.phase() is Phase.FREE


def test_what_was_sent_before_the_first_report_is_no_rate() -> None:
    bandwidth = ViewerBandwidth(100.0, 5_000_000)
    bandwidth.note_sent(5_010_000, 100.1)
    bandwidth.handle_remb(500_000, 100.1)
    assert bandwidth.budget_bps is None


def test_a_low_estimate_that_rises_is_no_limit() -> None:
    viewer = Viewer()
    for estimate in (1_900_000, 1_950_000, 2_100_000):
        viewer.remb(estimate)
        viewer.run(1)
    assert viewer.budget() is None


def test_an_estimate_that_falls_below_what_is_sent_is_the_budget() -> None:
    viewer = Viewer()
    viewer.remb(3_000_000)
    viewer.remb(1_700_000)
    assert viewer.budget() == 1_700_000
    assert viewer.phase() is Phase.CONGESTED
    viewer.remb(900_000)
    assert viewer.budget() == 900_000
    assert viewer.bandwidth.congestions == 1


def test_an_estimate_that_falls_with_what_is_sent_is_none() -> None:
    """aiortc and old browsers say at most 1.5 times what arrives, were it little."""
    viewer = Viewer()
    viewer.remb(3_000_000)
    viewer.sent_bps = 400_000
    viewer.run(2)
    viewer.remb(610_000)
    assert viewer.budget() is None


def test_an_estimate_low_for_random_loss_is_none() -> None:
    viewer = Viewer()
    viewer.lose(0.09, 2)
    viewer.remb(1_800_000)  # the first one: what arrives
    assert viewer.budget() is None


def test_a_first_estimate_somewhat_low_is_none() -> None:
    """The publisher's encoder was still rising when libwebrtc began to estimate."""
    viewer = Viewer()
    viewer.remb(1_540_000)
    assert viewer.budget() is None


def test_a_first_estimate_far_too_low_is_the_budget() -> None:
    viewer = Viewer()
    viewer.remb(1_100_000)
    assert 400_000 < (viewer.budget() or 0) < 1_100_000


def test_a_budget_is_never_less_than_a_voice() -> None:
    viewer = Viewer()
    viewer.remb(2_000_000)
    viewer.remb(5)
    assert viewer.budget() == MIN_BUDGET_BPS


def test_loss_below_a_tenth_costs_nothing() -> None:
    viewer = Viewer()
    viewer.lose(0.08, 20)
    assert viewer.budget() is None


def test_loss_above_costs_half_of_itself() -> None:
    viewer = Viewer()
    viewer.lose(0.2, 1.5)
    assert viewer.budget() == pytest.approx(0.9 * 2_000_000, rel=0.01)


def test_a_link_that_loses_most_gives_what_arrives() -> None:
    viewer = Viewer()
    viewer.lose(0.8, 1.5)
    assert viewer.budget() == pytest.approx(0.23 * 2_000_000, rel=0.01)


def test_loss_that_goes_when_less_is_sent_was_ours() -> None:
    viewer = Viewer()
    viewer.lose(0.5, 1.5)
    viewer.sent_bps = 800_000
    viewer.lose(0.02, 5)
    viewer.lose(0.2, AFTER_CUT_S + 1.5)
    assert viewer.bandwidth.congestions == 2


def test_loss_that_stays_when_less_is_sent_is_the_weather() -> None:
    viewer = Viewer()
    viewer.lose(0.2, 1.5)
    viewer.sent_bps = 800_000
    viewer.lose(0.2, 30)
    assert viewer.bandwidth.congestions == 1
    assert viewer.phase() is Phase.STEADY
    # More of it is news again.
    viewer.lose(0.5, 3)
    assert viewer.bandwidth.congestions == 2


def test_loss_alone_never_takes_the_smallest_picture() -> None:
    viewer = Viewer(200_000)
    viewer.lose(0.9, 1.5)
    assert viewer.budget() == LOSS_FLOOR_BPS


def test_a_round_trip_that_grew_twice_is_a_queue() -> None:
    viewer = Viewer()
    viewer.run(5, rtt_s=0.05)
    viewer.run(TICK_S, rtt_s=0.05 + QUEUE_S + 0.05)
    assert viewer.budget() is None
    viewer.run(TICK_S, rtt_s=0.05 + QUEUE_S + 0.05)
    assert viewer.budget() == pytest.approx(0.85 * 2_000_000, rel=0.02)


def test_an_outage_is_no_congestion() -> None:
    viewer = Viewer()
    viewer.remb(3_000_000)
    viewer.now += OUTAGE_S
    viewer.remb(40_000)
    viewer.lose(0.95, 0.5)
    viewer.run(2)
    assert viewer.budget() is None


def test_what_is_sent_and_arrives_raises_the_budget() -> None:
    viewer = Viewer()
    viewer.squeeze()
    viewer.sent_bps = 600_000
    viewer.run(2)
    assert viewer.budget() == pytest.approx(600_000, rel=0.01)


def test_a_rising_estimate_does_not() -> None:
    viewer = Viewer()
    viewer.squeeze()
    viewer.remb(310_000)
    assert viewer.budget() == 300_000


def test_nobody_is_probed_who_wants_no_more() -> None:
    viewer = Viewer()
    viewer.squeeze()
    viewer.bandwidth.demand(CONTENT, can_probe=True, now=viewer.now)
    viewer.run(20)
    assert viewer.bandwidth.probes == 0


def test_who_had_everything_for_long_has_no_limit_any_more() -> None:
    viewer = Viewer()
    viewer.squeeze()
    viewer.bandwidth.demand(CONTENT, can_probe=True, now=viewer.now)
    viewer.run(CONTENT_S - 0.5)
    assert viewer.budget() == 300_000
    viewer.run(0.5)
    assert viewer.budget() is None
    assert viewer.phase() is Phase.FREE


def test_a_probe_that_arrives_raises_the_budget_to_what_it_sent() -> None:
    viewer = Viewer()
    viewer.run(2, rtt_s=0.05)
    viewer.squeeze()
    viewer.want(550_000, 1_900_000)
    probe = viewer.bandwidth.probe
    assert probe is not None
    assert probe.target_bps == 550_000  # all of it would be more than three times what is sent
    viewer.run(2, rtt_s=0.05)
    assert viewer.budget() == 550_000
    assert viewer.bandwidth.proven == 1
    # The next stage begins from there.
    viewer.want(1_200_000, 1_600_000)
    second = viewer.bandwidth.probe
    assert second is not None
    assert second.target_bps == 1_600_000


def test_a_fall_meanwhile_ends_the_probe_and_costs_nothing() -> None:
    viewer = Viewer()
    viewer.remb(3_000_000)
    viewer.squeeze()
    viewer.want(550_000, 1_900_000)
    viewer.run(TICK_S)
    viewer.bandwidth.sent_probe(20_000)
    viewer.run(TICK_S)
    viewer.remb(250_000)
    assert not viewer.is_probing()
    assert viewer.budget() == 300_000
    assert viewer.phase() is Phase.CONGESTED


def test_what_a_failed_probe_sent_proves_nothing() -> None:
    viewer = Viewer()
    viewer.run(2, rtt_s=0.05)
    viewer.squeeze()
    viewer.want(550_000, 1_900_000)
    for _ in range(4):
        viewer.bandwidth.sent_probe(10_000)
        viewer.run(TICK_S)
    viewer.run(2 * TICK_S, rtt_s=0.5)
    assert not viewer.is_probing()
    viewer.run(1.5, rtt_s=0.05)
    assert viewer.budget() == 300_000


def test_a_deep_fall_meanwhile_is_of_the_media_itself() -> None:
    viewer = Viewer()
    viewer.remb(3_000_000)
    viewer.squeeze()
    viewer.want(550_000, 1_900_000)
    viewer.run(TICK_S)
    viewer.remb(80_000)
    assert not viewer.is_probing()
    assert viewer.budget() == 80_000
    assert viewer.phase() is Phase.CONGESTED


def test_an_estimate_that_fell_deep_is_still_falling() -> None:
    """It is of a mean over a second; a mild one is taken as it is."""
    mild, deep = Viewer(), Viewer()
    for viewer, estimate in ((mild, 1_700_000), (deep, 1_200_000)):
        viewer.remb(3_000_000)
        viewer.remb(estimate)
    assert mild.budget() == 1_700_000
    assert 500_000 < (deep.budget() or 0) < 700_000


def test_failed_probes_come_less_and_less_often_up_to_a_limit() -> None:
    viewer = Viewer()
    viewer.run(2, rtt_s=0.05)
    viewer.squeeze()
    began: list[float] = []
    while len(began) < 7:
        viewer.want(550_000, 1_900_000)
        if viewer.bandwidth.probes > len(began):
            began.append(viewer.now)
        rtt_s = 0.5 if viewer.is_probing() else 0.05
        viewer.run(TICK_S, rtt_s=rtt_s)
    pauses = [later - sooner for sooner, later in pairwise(began)]
    assert pauses[0] < pauses[1] < pauses[2]
    assert MAX_RETRY_S <= max(pauses) <= MAX_RETRY_S + 1.5
    assert viewer.bandwidth.proven == 0


def test_congestion_soon_after_a_probe_makes_the_next_wait() -> None:
    viewer = Viewer()
    viewer.run(2, rtt_s=0.05)
    viewer.squeeze()
    waits: list[float] = []
    for _ in range(5):
        while not viewer.is_probing():
            viewer.want(550_000, 1_900_000)
            viewer.run(TICK_S, rtt_s=0.05)
        while viewer.is_probing():
            viewer.run(TICK_S, rtt_s=0.05)
        viewer.sent_bps = 500_000
        viewer.run(2, rtt_s=0.05)
        viewer.remb(2_000_000)
        viewer.remb(300_000)
        viewer.sent_bps = 200_000
        since = viewer.now
        while not viewer.is_probing():
            viewer.want(550_000, 1_900_000)
            viewer.run(TICK_S, rtt_s=0.05)
        waits.append(viewer.now - since)
    assert waits[-1] > MAX_RETRY_S
    assert waits == sorted(waits)


def test_without_a_stream_to_probe_on_the_layer_itself_is_the_probe() -> None:
    viewer = Viewer()
    viewer.squeeze()
    viewer.want(550_000, 1_900_000, can_probe=False)
    assert not viewer.is_probing()
    assert viewer.budget() == 550_000


def test_no_probe_while_there_is_a_queue_already() -> None:
    viewer = Viewer()
    viewer.run(5, rtt_s=0.05)
    viewer.squeeze()
    viewer.bandwidth.handle_round_trip(0.4, viewer.now - 0.4, viewer.now)
    viewer.want(550_000, 1_900_000)
    assert not viewer.is_probing()


@pytest.mark.parametrize("phase", Phase)
def test_the_table_has_no_holes(phase: Phase) -> None:
    """Every phase can be left, and what cannot happen in it is not in the table."""
    assert set(TRANSITIONS) == set(Phase)
    assert TRANSITIONS[phase][Sign.CONGESTION] is Phase.CONGESTED
    own = {
        Phase.FREE: set(),
        Phase.CONGESTED: {Sign.HELD},
        Phase.STEADY: {Sign.PROBE, Sign.CONTENT},
        Phase.PROBING: {Sign.PROVEN, Sign.UNPROVEN},
    }
    assert set(TRANSITIONS[phase]) == own[phase] | {Sign.CONGESTION}
