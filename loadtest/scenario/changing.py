"""A scenario changed by wishes. The result is not validated: the caller does that once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from loadtest.scenario.model import Group, Join, Mic, NetworkSpec, Publish, Scenario
from loadtest.scenario.wishes import LAYOUTS, Wishes

Groups = dict[str, Group]

NETWORK: Final = "flags"
"""Name of the network that flags make."""


def changed(scenario: Scenario, wishes: Wishes) -> Scenario:
    """Every wish that is not None, applied to the groups it concerns."""
    groups = dict(scenario.groups)
    groups = _with_publishers(groups, wishes.video_publishers, wishes.audio_publishers)
    groups = _with_counts(groups, wishes)
    groups = _with_rates(groups, wishes)
    groups = _with_media(groups, wishes)
    groups = _with_pace(groups, wishes.joins_per_s)
    if wishes.network is not None:
        behind = viewers_of(groups) or talkers_of(groups)
        groups = _each(groups, behind, lambda group: _but(group, network=NETWORK))
    update: dict[str, Any] = {
        "room": wishes.room,
        "seed": wishes.seed,
        "lines": wishes.lines,
        "slo": wishes.slo,
        "groups": groups,
        "networks": _networks(scenario, groups, wishes),
    }
    update = {key: value for key, value in update.items() if value is not None}
    scenario = scenario.model_copy(update=update)
    if wishes.duration_s is None:
        return scenario
    # A pace that was asked for is kept: if it is too slow, that is for the validation to say.
    return lasting(scenario, wishes.duration_s, may_cut=wishes.joins_per_s is None)


def viewers_of(groups: Groups) -> list[str]:
    """The groups that `--subscribers` counts."""
    return [name for name, group in groups.items() if group.role == "viewer" and group.watch]


def talkers_of(groups: Groups) -> list[str]:
    """The groups that `--sockets` counts: of those with a socket the ones that do not watch; all of
    them when each watches."""
    found = [name for name, group in groups.items() if group.role == "viewer" and group.socket]
    return [name for name in found if groups[name].watch is None] or found


def lasting(scenario: Scenario, duration_s: float, *, may_cut: bool) -> Scenario:
    """Of that length. Where joining or warm-up would not fit in, `may_cut` cuts them to its first
    half."""
    groups = scenario.groups
    latest_s = max([scenario.warm_up_s, *(group.join.ends_s for group in groups.values())])
    update: dict[str, Any] = {"duration_s": duration_s}
    if may_cut and latest_s >= duration_s:
        half_s = duration_s / 2
        update["warm_up_s"] = min(scenario.warm_up_s, half_s)
        update["groups"] = {
            name: _but(group, join=_within(group.join, half_s)) for name, group in groups.items()
        }
    return scenario.model_copy(update=update)


def _within(join: Join, end_s: float) -> Join:
    """Over by `end_s`; the first come when they did, if that leaves half of the time."""
    at_s = min(join.at_s, end_s / 2)
    steps = max(1, (join.bursts or 1) - 1)
    update = {
        "at_s": at_s,
        "over_s": min(join.over_s, end_s - at_s),
        # Shown and read in whole milliseconds; rounded up, bursts would pass the end.
        "every_s": min(join.every_s, math.floor((end_s - at_s) / steps * 1000) / 1000),
    }
    return join.model_copy(update=update)


def apportioned(total: int, weights: Sequence[float]) -> list[int]:
    """`total` whole people in the proportion of `weights`, by the largest remainders; evenly when
    all weights are zero."""
    shares = _shares(weights)
    counts = [math.floor(total * share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda n: counts[n] - total * shares[n])
    for place in by_remainder[: total - sum(counts)]:
        counts[place] += 1
    return counts


def _shares(weights: Sequence[float]) -> list[float]:
    whole = sum(weights)
    return [weight / whole if whole else 1 / len(weights) for weight in weights]


def _but(group: Group, **update: Any) -> Group:  # noqa: ANN401 -- any field of a group
    return group.model_copy(update=update)


def _each(groups: Groups, names: Iterable[str], change: Callable[[Group], Group]) -> Groups:
    chosen = set(names)
    return {name: change(group) if name in chosen else group for name, group in groups.items()}


def _with_publishers(groups: Groups, video: int | None, audio: int | None) -> Groups:
    """The first publisher is the host; others are guests who hold the mic to the end. None: as many
    as the host is."""
    if video is None and audio is None:
        return groups
    hosts = [name for name, group in groups.items() if group.role == "host"]
    name = hosts[0] if hosts else "host"
    host = groups.get(name, Group(role="host"))
    sends = host.publish or Publish()
    if video is None:
        video = 1 if host.publish and sends.video else 0
    if audio is None:
        audio = 1 if host.publish and sends.audio else 0

    def sending(with_video: bool, with_audio: bool) -> Publish | None:
        update = {"video": with_video, "audio": with_audio}
        return sends.model_copy(update=update) if with_video or with_audio else None

    host = _but(host, publish=sending(video > 0, audio > 0))
    both, more_video, more_audio = min(video, audio), video - audio, audio - video
    guests = {
        "publishers": (both - 1, True, True),
        # Where nobody sends both, the host is one of these.
        "video-publishers": (more_video - (both == 0), True, False),
        "audio-publishers": (more_audio - (both == 0), False, True),
    }
    result = {**groups, name: host}
    for group_name, (count, with_video, with_audio) in guests.items():
        if count > 0:
            result[name] = _but(result[name], socket=host.socket or "json", manages=True)
            result[group_name] = _guests(count, sending(with_video, with_audio))
    if result[name].publish is None and result[name].socket is None:
        del result[name]
    return result


def _guests(count: int, publish: Publish | None) -> Group:
    return Group(
        role="guest", count=count, join=Join(at_s=1.0), publish=publish, socket="json", mic=Mic()
    )


def _networks(scenario: Scenario, groups: Groups, wishes: Wishes) -> dict[str, NetworkSpec]:
    """People share a network's rate, so it grows with them: each keeps what they had. The rate of
    flags is for each."""
    networks = {}
    for name, spec in scenario.networks.items():
        before, after = _people_behind(name, scenario.groups), _people_behind(name, groups)
        networks[name] = _at_rate(spec, after / before) if before and after else spec
    if wishes.network is not None:
        spec = NetworkSpec().model_copy(update=wishes.network)
        networks[NETWORK] = _at_rate(spec, max(1, _people_behind(NETWORK, groups)))
    return networks


def _people_behind(network: str, groups: Groups) -> int:
    return sum(group.count for group in groups.values() if group.network == network)


def _at_rate(spec: NetworkSpec, factor: float) -> NetworkSpec:
    update: dict[str, Any] = {}
    if spec.rate_bps is not None:
        update["rate_bps"] = spec.rate_bps * factor
    if spec.uplink.rate_bps is not None:
        up = {"rate_bps": spec.uplink.rate_bps * factor}
        update["uplink"] = spec.uplink.model_copy(update=up)
    return spec.model_copy(update=update)


def _with_counts(groups: Groups, wishes: Wishes) -> Groups:
    wanted = ((wishes.subscribers, viewers_of(groups)), (wishes.sockets, talkers_of(groups)))
    for total, names in wanted:
        if total is None or not names:
            continue
        counts = apportioned(total, [groups[name].count for name in names])
        for name, count in zip(names, counts, strict=True):
            groups = {**groups, name: _but(groups[name], count=count)}
    return groups


def _with_rates(groups: Groups, wishes: Wishes) -> Groups:
    wanted = {
        "chat_per_s": wishes.chat_per_s,
        "ask_per_s": wishes.ask_per_s,
        "like_per_s": wishes.like_per_s,
    }
    for kind, per_s in wanted.items():
        if per_s is not None:
            groups = _with_rate(groups, kind, per_s)
    return groups


def _with_rate(groups: Groups, kind: str, per_s: float) -> Groups:
    """Divided as it was so far among those who do it; else by their number among the talkers."""
    names = [name for name, group in groups.items() if getattr(group, kind) is not None]
    weights = [getattr(groups[name], kind) for name in names]
    if not names:
        names = talkers_of(groups)
        weights = [groups[name].count for name in names]
    for name, share in zip(names, _shares(weights), strict=True):
        groups = {**groups, name: _but(groups[name], **{kind: per_s * share or None})}
    return groups


def _with_media(groups: Groups, wishes: Wishes) -> Groups:
    sent = {
        "resolution": wishes.resolution,
        "codec": wishes.codec,
        "simulcast": wishes.simulcast,
    }
    sent = {key: value for key, value in sent.items() if value is not None}

    def sending(group: Group) -> Group:
        if group.publish is None:
            return group
        return _but(group, publish=group.publish.model_copy(update=sent))

    def watching(group: Group) -> Group:
        if group.watch is None or wishes.layout is None:
            return group
        video = LAYOUTS[wishes.layout] if group.watch.video else 0
        return _but(group, watch=group.watch.model_copy(update={"video": video}))

    return {name: watching(sending(group)) for name, group in groups.items()}


def _with_pace(groups: Groups, joins_per_s: float | None) -> Groups:
    """Everybody but the host comes in a ramp; all groups together at that pace."""
    if joins_per_s is None:
        return groups
    names = [name for name, group in groups.items() if group.role != "host"]
    over_s = sum(groups[name].count for name in names) / joins_per_s

    def paced(group: Group) -> Group:
        ramp = {"over_s": over_s, "bursts": None, "every_s": 0.0}
        return _but(group, join=group.join.model_copy(update=ramp))

    return _each(groups, names, paced)
