from __future__ import annotations

from typing import Any

import pytest

from loadtest.scenario.load import load_scenario, scenario_of_values
from loadtest.scenario.needs import needs
from loadtest.targets.target import Capability

ALL = frozenset(Capability)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("smoke", ALL),
        ("marathon", ALL),
        ("one-host-many-viewers", {Capability.MEDIA}),
        ("weak-network", {Capability.MEDIA}),
        ("join-storm", {Capability.MEDIA, Capability.CHAT}),
        ("danmaku-flood", {Capability.CHAT, Capability.QUESTIONS, Capability.LIKES}),
        ("mic-carousel", {Capability.MEDIA, Capability.CHAT, Capability.MIC}),
    ],
)
def test_what_the_shipped_ones_need(name: str, needed: set[Capability]) -> None:
    assert needs(load_scenario(name)) == needed


def test_a_group_of_nobody_needs_nothing() -> None:
    groups: dict[str, Any] = {"a": {"watch": {}}, "b": {"socket": "json", "count": 0}}
    assert needs(scenario_of_values({"groups": groups}, "x")) == {Capability.MEDIA}
