"""Viewers behind bad links, in counted time: the cores against a real estimator (aiortc's).

What a person would notice is bounded: layers that flip, pictures that stand still, how long the
good one is away. The map; `tests/browser/test_real_networks.py` walks it with Chromium.
"""

from __future__ import annotations

import pytest

from media.viewer_bandwidth import Phase
from tests.support.narrow_downlink import LAYERS, NarrowDownlink, wide

SEEDS = range(1, 6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_costs_resolution_and_gives_it_back_within_15_s(seed: int) -> None:
    link = NarrowDownlink(wide(3e6), seed=seed)
    link.run(15)
    assert link.layer() == 2
    link.conditions = wide(4e5)
    link.run(2)
    assert link.layer() == 0
    link.run(28)
    assert link.layer() == 0
    link.conditions = wide(3e6)
    link.run(14)
    assert link.layer() == 2
    assert link.counts["big"].longest_gap_s < 0.5
    assert link.counts["voice"].longest_gap_s < 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_viewer_who_sends_no_estimate_is_judged_by_his_reports(seed: int) -> None:
    link = NarrowDownlink(wide(3e6), seed=seed, with_remb=False)
    link.run(15)
    link.conditions = wide(4e5)
    link.run(12)
    assert link.layer() == 0
    link.conditions = wide(3e6)
    link.run(15)
    assert link.layer() == 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", [0.05, 0.2, 0.35])
def test_random_loss_takes_the_good_picture_once_at_most(loss: float, seed: int) -> None:
    link = NarrowDownlink(wide(None, loss=loss), seed=seed)
    link.run(60)
    assert link.share_at("big", 2, since=link.now - 60) > 0.75
    assert link.share_at("big", 1, since=link.now - 60) == 1
    assert link.switches("big", since=link.now - 60) <= 4
    assert link.counts["big"].longest_gap_s < 0.3


@pytest.mark.parametrize("rate_bps", [3e5, 5.5e5, 7.5e5, 1.2e6, 1.7e6, 2.2e6])
def test_layers_do_not_flap(rate_bps: float) -> None:
    """Capacities on both sides of what each layer needs: probes fail, the picture stays."""
    link = NarrowDownlink(wide(rate_bps))
    link.run(100)
    assert link.switches("big", since=link.now - 90) <= 2
    assert link.counts["big"].longest_gap_s < 0.5


def test_what_probes_cost_a_narrow_link_is_little() -> None:
    link = NarrowDownlink(wide(4e5))
    link.run(20)
    before = link.probe_bytes
    link.run(60)
    assert (link.probe_bytes - before) * 8 / 60 < 0.1 * 4e5


@pytest.mark.parametrize("seed", SEEDS)
def test_after_an_outage_everything_is_as_before(seed: int) -> None:
    link = NarrowDownlink(wide(3e6), seed=seed)
    link.run(20)
    link.is_cut = True
    link.run(5)
    link.is_cut = False
    link.run(3)
    assert link.layer() == 2
    link.run(20)
    assert link.switches("big", since=link.now - 40) == 0


def test_the_small_slot_gives_way_to_the_big_one() -> None:
    link = NarrowDownlink(wide(4e6), slots={"big": LAYERS, "small": LAYERS[:2]})
    link.run(10)
    assert (link.layer("big"), link.layer("small")) == (2, 1)
    link.conditions = wide(9e5)
    link.run(30)
    assert (link.layer("big"), link.layer("small")) == (1, 0)
    link.conditions = wide(4e6)
    link.run(17)
    assert (link.layer("big"), link.layer("small")) == (2, 1)


def test_a_single_layer_somewhat_too_large_is_not_taken_away() -> None:
    link = NarrowDownlink(wide(1e6), slots={"big": (1_200_000,)})
    link.run(40)
    assert link.share_at("big", 0, since=link.now - 40) == 1


def test_a_single_layer_far_too_large_gives_way_to_the_voice() -> None:
    link = NarrowDownlink(wide(3e5), slots={"big": (1_200_000,)})
    link.run(40)
    assert link.layer() is None
    assert link.counts["voice"].longest_gap_s < 0.3
    assert link.switches("big", since=link.now - 30) <= 2
    link.conditions = wide(3e6)
    link.run(15)
    assert link.layer() == 0


def test_a_link_that_is_wide_enough_is_never_probed() -> None:
    link = NarrowDownlink(wide(3e6))
    link.run(60)
    assert link.probe_bytes == 0
    assert link.bandwidth.phase is Phase.FREE
