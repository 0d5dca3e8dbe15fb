"""What the publishers of a scenario send, encoded before anybody joins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from loadtest.clip.clip import Clip, make_clip
from loadtest.clip.spec import ClipSpec, clip_spec, simulcast_specs
from loadtest.crowd.broadcast import Layers
from loadtest.scenario.model import Publish, Scenario

RIDS: Final = ("q", "h", "f")
"""Quarter, half, full: the names that browsers' samples use."""
ON_MIC: Final = Publish(resolution="low")
"""What somebody on the mic sends whose group says nothing of it."""


async def layers_of(scenario: Scenario, say: Callable[[str], None]) -> dict[str, Layers]:
    """For each group that publishes, at once or on the mic. `say` is told what takes time.

    Raises `SourceError`, `ValueError` (one line)."""
    found: dict[str, Layers] = {}
    for name, group in scenario.groups.items():
        publish = group.publish or (ON_MIC if group.mic is not None else None)
        if publish is not None and group.count:
            found[name] = await _layers(publish, say)
    return found


async def _layers(publish: Publish, say: Callable[[str], None]) -> Layers:
    top = spec_of(publish)
    if not publish.simulcast:
        return ((None, await _clip(top, say)),)
    return tuple([(rid, await _clip(spec, say)) for rid, spec in simulcast_specs(top, RIDS)])


async def _clip(spec: ClipSpec, say: Callable[[str], None]) -> Clip:
    say(f"encoding a clip of {spec.seconds:g} s: {spec.codec} {spec.size_text} ...")
    return await make_clip(spec)


def spec_of(publish: Publish) -> ClipSpec:
    bitrate_bps = None if publish.bitrate_bps is None else round(publish.bitrate_bps)
    spec = clip_spec(publish.resolution, publish.codec, bitrate_bps=bitrate_bps)
    return replace(spec, fps=publish.fps or spec.fps, file=publish.file)
