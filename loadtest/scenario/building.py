"""A scenario made of wishes alone."""

from __future__ import annotations

import dataclasses
from typing import Final

from loadtest.scenario.changing import changed
from loadtest.scenario.model import Group, Join, Publish, Scenario, Watch
from loadtest.scenario.wishes import LAYOUTS, Wishes

JOINS_PER_S: Final = 20.0
"""Unless asked otherwise."""
SOCKETS: Final = 100
"""When somebody is to talk and nobody said how many."""
HEARD: Final = 4
"""Voices that a viewer takes at most: more are not told apart."""
STREAM_IS_THERE_S: Final = 2.0
"""Viewers come after the host."""
SETTLING_S: Final = 2.0
"""From the last join to the first figure."""
MEASURED_S: Final = 30.0


def built(wishes: Wishes) -> Scenario:
    """Host, viewers and chatters as wished; not validated yet.

    Without a word about publishers, viewers get one host with picture and sound.
    """
    asked, wishes = wishes, _with_publishers(wishes)
    if wishes.joins_per_s is None:
        wishes = dataclasses.replace(wishes, joins_per_s=JOINS_PER_S)
    bare = Scenario.model_construct(
        name="custom", about="Made of flags.", groups=_groups(wishes), duration_s=0.0
    )
    scenario = changed(bare, dataclasses.replace(wishes, duration_s=None))
    warm_up_s = max(group.join.ends_s for group in scenario.groups.values()) + SETTLING_S
    times = {"warm_up_s": warm_up_s, "duration_s": warm_up_s + MEASURED_S}
    pace = Wishes(duration_s=asked.duration_s, joins_per_s=asked.joins_per_s)
    return changed(scenario.model_copy(update=times), pace)


def _with_publishers(wishes: Wishes) -> Wishes:
    """Who asks for publishers of one kind only gets no others, as with `lk load-test`."""
    video, audio = wishes.video_publishers, wishes.audio_publishers
    if video is None and audio is None:
        video = audio = 1 if wishes.subscribers else 0
    return dataclasses.replace(wishes, video_publishers=video or 0, audio_publishers=audio or 0)


def _groups(wishes: Wishes) -> dict[str, Group]:
    video, audio = wishes.video_publishers or 0, wishes.audio_publishers or 0
    # Guests ask the host for the mic.
    has_sockets = wishes.talks or max(video, audio) > 1
    groups: dict[str, Group] = {}
    if video or audio or has_sockets:
        groups["host"] = Group(
            role="host",
            publish=Publish() if video or audio else None,
            socket="json" if has_sockets else None,
            manages=has_sockets,
        )
    if wishes.subscribers:
        slots = LAYOUTS[wishes.layout or "speaker"]
        watch = Watch(audio=min(audio, HEARD), video=slots if video else 0)
        groups["viewers"] = Group(
            count=wishes.subscribers, join=Join(at_s=STREAM_IS_THERE_S), watch=watch
        )
    if wishes.talks:
        count = SOCKETS if wishes.sockets is None else wishes.sockets
        groups["chatters"] = Group(count=count, join=Join(at_s=1.0), socket="json")
    return groups
