"""What the publishers of a scenario send, encoded before anybody joins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from loadtest.clip.clip import Clip, make_clip
from loadtest.clip.spec import ClipSpec, clip_spec, simulcast_specs
from loadtest.crowd.broadcast import Layers
from loadtest.media_source import SourceError
from loadtest.scenario.model import Publish, Scenario

RIDS: Final = ("q", "h", "f")
"""Quarter, half, full: the names that browsers' samples use."""
ON_MIC: Final = Publish(resolution="low")
"""What somebody on the mic sends whose group says nothing of it."""


async def layers_of(scenario: Scenario, say: Callable[[str], None]) -> dict[str, Layers]:
    """For each group that publishes, at once or on the mic. `say` is told what takes time.

    Raises `SourceError`, one line."""
    specs = {
        name: _specs(publish)
        for name, group in scenario.groups.items()
        if group.count and (publish := group.publish or (ON_MIC if group.mic else None))
    }
    clips: dict[ClipSpec, Clip] = {}
    for spec in dict.fromkeys(spec for layers in specs.values() for _, spec in layers):
        say(f"encoding a clip of {spec.seconds:g} s: {spec.codec} {spec.size_text} ...")
        clips[spec] = await make_clip(spec)
    return {
        name: tuple((rid, clips[spec]) for rid, spec in layers) for name, layers in specs.items()
    }


def _specs(publish: Publish) -> tuple[tuple[str | None, ClipSpec], ...]:
    try:
        top = spec_of(publish)
    except ValueError as error:
        raise SourceError(str(error)) from error
    return simulcast_specs(top, RIDS) if publish.simulcast else ((None, top),)


def spec_of(publish: Publish) -> ClipSpec:
    bitrate_bps = None if publish.bitrate_bps is None else round(publish.bitrate_bps)
    spec = clip_spec(publish.resolution, publish.codec, bitrate_bps=bitrate_bps)
    return replace(spec, fps=publish.fps or spec.fps, file=publish.file)
