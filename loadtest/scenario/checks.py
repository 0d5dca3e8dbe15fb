"""What the parts of a scenario demand of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from loadtest.scenario.errors import did_you_mean
from loadtest.scenario.units import format_duration

if TYPE_CHECKING:
    from loadtest.scenario.model import Group, Impairment, Limit, Scenario
    from loadtest.scenario.slo_names import SloName

MAX_PEOPLE: Final = 100_000
"""Of one scenario, all groups together."""
MIN_STAY_S: Final = 0.1
"""Shorter comings and goings would make a run's actions grow without sense."""


class DoesNotFit(ValueError):
    """Carries every problem, a line each, with its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def problems(scenario: Scenario) -> list[str]:
    """One line each; none when all fits together."""
    found = list(_of_scenario(scenario))
    for name, group in scenario.groups.items():
        place = f"groups.{name}"
        found += [f"{place}.{text}" for text in _of_group(group, scenario)]
    return found


def _of_scenario(scenario: Scenario) -> Iterator[str]:
    if scenario.warm_up_s >= scenario.duration_s:
        yield (
            f"warm_up: {format_duration(scenario.warm_up_s)} leaves nothing to measure of"
            f" {format_duration(scenario.duration_s)}"
        )
    if scenario.people > MAX_PEOPLE:
        yield f"groups: {scenario.people} people are too many; all together at most {MAX_PEOPLE}"
    if sum(group.count for group in scenario.groups.values() if group.role == "host") > 1:
        yield "groups: a room has one host; make the others guests"
    for name, network in scenario.networks.items():
        yield from (f"networks.{name}.{text}" for text in _of_direction(network))
        yield from (f"networks.{name}.uplink.{text}" for text in _of_direction(network.uplink))
    yield from limit_problems(scenario.slo)


def _of_direction(way: Impairment) -> Iterator[str]:
    if way.jitter_s > way.delay_s:
        yield "jitter: is longer than `delay`; nothing arrives before it was sent"
    if way.reorder and not way.delay_s:
        yield "reorder: needs a `delay`; else nobody is under way to be overtaken"


def limit_problems(limits: Mapping[SloName, Limit]) -> Iterator[str]:
    """Of the limits alone, one line each."""
    for name, limit in limits.items():
        if limit.at_least is None and limit.at_most is None:
            yield f"slo.{name}: give min, max, or both"
        elif (
            limit.at_least is not None
            and limit.at_most is not None
            and limit.at_least > limit.at_most
        ):
            yield f"slo.{name}: min {limit.at_least:g} is above max {limit.at_most:g}"


def _of_group(group: Group, scenario: Scenario) -> Iterator[str]:
    yield from _of_joining(group, scenario)
    yield from _of_media(group)
    yield from _of_messages(group)
    if group.network is not None and group.network not in scenario.networks:
        hint = did_you_mean(group.network, scenario.networks) or "; `networks` is empty"
        yield f"network: there is no network `{group.network}`{hint}"


def _of_joining(group: Group, scenario: Scenario) -> Iterator[str]:
    join = group.join
    if join.bursts is None and join.every_s:
        yield "join.every: needs `bursts`"
    if join.bursts is not None and join.over_s:
        yield "join.over: is for a ramp; with `bursts` use `every`"
    if join.bursts is not None and join.bursts > 1 and not join.every_s:
        yield "join.every: how long is it from one burst to the next?"
    if join.ends_s >= scenario.duration_s:
        yield (
            f"join: people come until {format_duration(join.ends_s)}, but the scenario ends"
            f" after {format_duration(scenario.duration_s)}"
        )
    if group.back_after_s is not None and group.stay_s is None:
        yield "back_after: nobody leaves; it needs `stay`"
    for key, bounds in (("stay", group.stay_s), ("back_after", group.back_after_s)):
        if bounds is not None and bounds[0] < MIN_STAY_S:
            yield f"{key}: must be {format_duration(MIN_STAY_S)} or longer"


def _of_media(group: Group) -> Iterator[str]:
    publish, watch = group.publish, group.watch
    if publish is None and watch is None and group.socket is None:
        yield "role: this group does nothing; give it publish, watch or socket"
    if publish is not None:
        if not (publish.audio or publish.video):
            yield "publish: neither audio nor video is sent"
        if publish.fps is not None and publish.size is not None and publish.size.fps is not None:
            yield "publish.fps: `resolution` says it already"
        if group.role != "host" and group.mic is None:
            yield "publish: others than the host send at the mic; add `mic: {}`"
    if watch is not None and not (watch.audio or watch.video):
        yield "watch: neither audio nor video is taken"


def _of_messages(group: Group) -> Iterator[str]:
    if group.socket is None:
        says = {
            "chat": group.chat_per_s,
            "ask": group.ask_per_s,
            "like": group.like_per_s,
            "mic": group.mic,
            "manages": group.manages or None,
        }
        for key in (key for key, value in says.items() if value is not None):
            yield f"{key}: needs `socket: json` or `socket: msgpack`"
    if group.mic is None:
        return
    if group.role == "host":
        yield "mic: the host is on stage already"
    if group.publish is None:
        yield "mic: there is nothing to send; add `publish`"
    if group.mic.hold_s is not None and group.mic.hold_s < MIN_STAY_S:
        yield f"mic.hold: must be {format_duration(MIN_STAY_S)} or longer"
    if group.mic.every_s is not None and group.mic.every_s < MIN_STAY_S:
        yield f"mic.every: must be {format_duration(MIN_STAY_S)} or longer"
