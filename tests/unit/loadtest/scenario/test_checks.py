from __future__ import annotations

from typing import Any

import pytest

from loadtest.scenario.errors import ScenarioError
from loadtest.scenario.load import scenario_of_values


def problems_of(group: dict[str, Any], **others: object) -> list[str]:
    try:
        scenario_of_values({"duration": 60, "groups": {"g": group}, **others}, "x")
    except ScenarioError as error:
        return [problem.removeprefix("x: ") for problem in error.problems]
    return []


GUEST = {"role": "guest", "socket": "json", "publish": {}}


@pytest.mark.parametrize(
    ("group", "problem"),
    [
        ({}, "groups.g.role: this group does nothing; give it publish, watch or socket"),
        ({"watch": {}, "chat": 3}, "groups.g.chat: needs `socket: json` or `socket: msgpack`"),
        ({"watch": {}, "ask": 3}, "groups.g.ask: needs `socket: json` or `socket: msgpack`"),
        ({"watch": {}, "like": 3}, "groups.g.like: needs `socket: json` or `socket: msgpack`"),
        ({"watch": {}, "manages": True}, "groups.g.manages: needs `socket: json`"),
        ({"watch": {"audio": 0, "video": 0}}, "groups.g.watch: neither audio nor video is taken"),
        (
            {"role": "host", "publish": {"audio": False, "video": False}},
            "groups.g.publish: neither audio nor video is sent",
        ),
        (
            {"role": "host", "publish": {"fps": 5, "resolution": "640x360@30"}},
            "groups.g.publish.fps: `resolution` says it already",
        ),
        ({"publish": {}}, "groups.g.publish: others than the host send at the mic"),
        ({**GUEST, "publish": None, "mic": {}}, "groups.g.mic: there is nothing to send"),
        ({**GUEST, "role": "host", "mic": {}}, "groups.g.mic: the host is on stage already"),
        ({**GUEST, "mic": {"hold": 0.01}}, "groups.g.mic.hold: must be 100ms or longer"),
        ({**GUEST, "mic": {"every": 0}}, "groups.g.mic.every: must be 100ms or longer"),
        ({"watch": {}, "join": {"at": "1m"}}, "groups.g.join: people come until 1m, but"),
        ({"watch": {}, "join": {"over": 70}}, "groups.g.join: people come until 70s, but"),
        ({"watch": {}, "join": {"bursts": 7, "every": 10}}, "groups.g.join: people come until 1m"),
        ({"watch": {}, "join": {"every": 10}}, "groups.g.join.every: needs `bursts`"),
        ({"watch": {}, "join": {"bursts": 2}}, "groups.g.join.every: how long is it"),
        (
            {"watch": {}, "join": {"bursts": 2, "every": 1, "over": 3}},
            "groups.g.join.over: is for a ramp; with `bursts` use `every`",
        ),
        (
            {"watch": {}, "back_after": [1, 2]},
            "groups.g.back_after: nobody leaves; it needs `stay`",
        ),
        ({"watch": {}, "stay": [0, 2]}, "groups.g.stay: must be 100ms or longer"),
        ({"watch": {}, "count": 2, "role": "host"}, "groups: a room has one host"),
    ],
)
def test_what_does_not_fit_together(group: dict[str, Any], problem: str) -> None:
    (found,) = problems_of(group)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "group",
    [
        {"watch": {}},
        {"socket": "json"},
        {"role": "host", "publish": {}},
        {**GUEST, "mic": {}},
        {"role": "host", "publish": {"fps": 5, "resolution": "640x360"}},
        {"watch": {}, "join": {"bursts": 1}},
        {"watch": {}, "count": 0},
    ],
)
def test_what_fits_together(group: dict[str, Any]) -> None:
    assert problems_of(group) == []


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ({"jitter": 1}, "networks.n.jitter: is longer than `delay`"),
        ({"reorder": "1%"}, "networks.n.reorder: needs a `delay`"),
        ({"uplink": {"delay": 1, "jitter": 2}}, "networks.n.uplink.jitter: is longer"),
    ],
)
def test_what_no_network_does(network: dict[str, Any], problem: str) -> None:
    (found,) = problems_of({"watch": {}}, networks={"n": network})
    assert found.startswith(problem)


def test_all_that_does_not_fit_is_told_together() -> None:
    found = problems_of(
        {"publish": {}, "watch": {}, "chat": 1, "network": "a"},
        warm_up="2m",
        slo={"complaints": {}, "joined_percent": {"min": 3, "max": 2}},
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "warm_up",
        "slo.complaints",
        "slo.joined_percent",
        "groups.g.publish",
        "groups.g.chat",
        "groups.g.network",
    ]


def test_people_are_bounded_over_all_groups_together() -> None:
    group = {"watch": {}, "count": 60_000}
    with pytest.raises(ScenarioError, match="120000 people are too many; all together at most"):
        scenario_of_values({"groups": {"a": group, "b": group}}, "x")
