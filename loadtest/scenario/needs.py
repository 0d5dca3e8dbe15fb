"""What a scenario demands of a server."""

from __future__ import annotations

from loadtest.scenario.model import Group, Scenario
from loadtest.targets.target import Capability


def needs(scenario: Scenario) -> frozenset[Capability]:
    """Of all groups that have people."""
    groups = [group for group in scenario.groups.values() if group.count]
    return frozenset(need for group in groups for need in _of_group(group))


def _of_group(group: Group) -> set[Capability]:
    wanted = {
        Capability.MEDIA: group.publish or group.watch,
        # To receive is to use chat, too.
        Capability.CHAT: group.socket,
        Capability.QUESTIONS: group.ask_per_s,
        Capability.LIKES: group.like_per_s,
        Capability.MIC: group.mic,
    }
    return {capability for capability, reason in wanted.items() if reason is not None}
