"""Sums over workers that die and come back."""

from __future__ import annotations

from media.registry import PeerRegistry
from media.totals import PRESENT, Totals


def test_counters_of_the_dead_stay_and_their_sizes_go() -> None:
    totals = Totals()
    totals.take(0, {"packets_in": 10, "peers": 3})
    totals.take(1, {"packets_in": 5, "peers": 1, "dropped_srtp": 2})
    totals.take(0, {"packets_in": 12, "peers": 4})
    assert totals.sums() == {"packets_in": 17, "peers": 5, "dropped_srtp": 2}
    totals.lose(0)
    assert totals.sums() == {"packets_in": 17, "peers": 1, "dropped_srtp": 2}
    totals.take(0, {"packets_in": 1, "peers": 1})
    assert totals.sums() == {"packets_in": 18, "peers": 2, "dropped_srtp": 2}
    totals.lose(0)
    totals.lose(0)
    assert totals.sums()["packets_in"] == 18


def test_all_sizes_of_a_plane_are_known_for_sizes() -> None:
    assert PeerRegistry().sizes().keys() <= PRESENT
