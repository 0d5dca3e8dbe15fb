"""A scenario: who comes when, what they do, over which network, and what must hold.

One strict, frozen model. In files and messages its keys have no unit (`duration: 10s`); in code
the same fields do (`duration_s`), as plain numbers. docs/scenarios.md is made from the descriptions
written here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from loadtest.scenario import checks
from loadtest.scenario.checks import MAX_PEOPLE
from loadtest.scenario.slo_names import SloName
from loadtest.scenario.units import (
    BitsPerSecond,
    DelaySeconds,
    PerSecond,
    RunSeconds,
    Seconds,
    Share,
    VideoBitsPerSecond,
)

MAX_SLOTS: Final = 25
"""Tracks of one kind that one viewer watches (a 5x5 layout)."""
MAX_WIDTH: Final = 3840
MAX_HEIGHT: Final = 2160
MAX_FPS: Final = 60
NAMED_RESOLUTIONS: Final = ("high", "medium", "low")

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
_SIZE: Final = re.compile(r"(\d{2,4})x(\d{2,4})(?:@(\d{1,2}))?")

Name = Annotated[str, Field(pattern=rf"^{_NAME}$")]
Count = Annotated[int, Field(ge=0, le=MAX_PEOPLE, strict=True)]
Slots = Annotated[int, Field(ge=0, le=MAX_SLOTS, strict=True)]
Switch = Annotated[bool, Field(strict=True)]


class Size(NamedTuple):
    """Pixels; `fps` None leaves the frame rate open."""

    width: int
    height: int
    fps: int | None


def parse_size(text: str) -> Size | None:
    """Of "1280x720" or "1280x720@25"; None for a named resolution. Raises `ValueError`."""
    if text in NAMED_RESOLUTIONS:
        return None
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is none of high, medium, low, nor like 1280x720@25")
    width, height, fps = int(found[1]), int(found[2]), int(found[3]) if found[3] else None
    if width % 2 or height % 2:
        raise ValueError(f"{text!r} must have even sides")
    if not (16 <= width <= MAX_WIDTH and 16 <= height <= MAX_HEIGHT):
        raise ValueError(f"{text!r} must be 16x16 to {MAX_WIDTH}x{MAX_HEIGHT}")
    if fps is not None and not 1 <= fps <= MAX_FPS:
        raise ValueError(f"{text!r} must have 1 to {MAX_FPS} frames a second")
    return Size(width, height, fps)


def _resolution(text: str) -> str:
    parse_size(text)
    return text


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the first of the two must not be the longer one")
    return bounds


Resolution = Annotated[str, AfterValidator(_resolution)]
Between = Annotated[tuple[Seconds, Seconds], AfterValidator(_in_order)]
"""Drawn evenly from between the two, seconds."""
FilePath = Annotated[Path, PlainSerializer(str, return_type=str, when_used="json")]


# Typed as pydantic's own `Field` is: the field's annotation is what counts.
def _key(default: Any, text: str, unit: str = "", *, key: str | None = None, **limits: Any) -> Any:  # noqa: ANN401
    """A field with what its reader must know: meaning and unit; `key` is its name in files."""
    make: dict[str, Any] = {"default_factory": default} if callable(default) else {}
    if not make:
        make = {"default": default}
    if key is not None:
        make["alias"] = key
    return Field(**make, description=text, json_schema_extra={"unit": unit}, **limits)


class Part(BaseModel):
    """Strict and frozen. Code may use the fields' own names, files use the keys only."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_by_name=True,
        validate_by_alias=True,
    )


class Join(Part):
    """When a group comes in: evenly spread over a ramp, or in bursts."""

    at_s: Seconds = _key(0.0, "When the first one comes, from the start.", "duration", key="at")
    over_s: Seconds = _key(
        0.0, "How long the ramp takes; 0s: all at once. Not with bursts.", "duration", key="over"
    )
    bursts: int | None = _key(
        None, "In how many equal bursts they come instead of a ramp.", "bursts", ge=1, le=10_000
    )
    every_s: Seconds = _key(0.0, "From one burst to the next.", "duration", key="every")

    @property
    def ends_s(self) -> float:
        """When the last one comes for the first time."""
        return self.at_s + (self.every_s * (self.bursts - 1) if self.bursts else self.over_s)


class Publish(Part):
    """What somebody sends: a generated clip, or a file, encoded once and looped."""

    codec: Literal["VP8", "H264"] = _key("VP8", "Video codec.")
    resolution: Resolution = _key(
        "medium",
        "high (1280x720), medium (640x360), low (320x180), or like 1280x720@25.",
        "resolution",
    )
    bitrate_bps: VideoBitsPerSecond | None = _key(
        None, "Video bitrate; null: as the resolution needs.", "bitrate", key="bitrate"
    )
    fps: int | None = _key(
        None, "Frames a second; null: as the resolution has it.", "frames/s", ge=1, le=MAX_FPS
    )
    simulcast: Switch = _key(False, "Send three layers, the largest as above.")
    audio: Switch = _key(True, "Send Opus.")
    video: Switch = _key(True, "Send video.")
    file: FilePath | None = _key(
        None, "Media file to send, beside the scenario file; null: a generated clip.", "path"
    )

    @property
    def size(self) -> Size | None:
        """None for a named resolution; a clip's table has those."""
        return parse_size(self.resolution)


class Watch(Part):
    """What somebody receives."""

    audio: Slots = _key(1, "Audio tracks each one takes.", "tracks")
    video: Slots = _key(1, "Video tracks each one takes.", "tracks")
    feedback: Switch = _key(
        False, "Answer as a browser does: NACK, PLI, REMB, receiver reports, and repair by RTX."
    )
    sample: Count = _key(
        5, "How many of the group have their latency measured; that costs the tester.", "people"
    )


class Mic(Part):
    """Turns at the mic, one person of the group after another; needs `publish` and `socket`."""

    every_s: Seconds | None = _key(
        None,
        "From one turn's start to the next, the first that long after the group's first join;"
        " null: everybody takes it on joining.",
        "duration",
        key="every",
    )
    hold_s: Seconds | None = _key(
        None, "How long a turn lasts; null: until that person leaves.", "duration", key="hold"
    )


class Group(Part):
    """People who do the same."""

    role: Literal["host", "guest", "viewer", "staff"] = _key("viewer", "What they are in the room.")
    count: Count = _key(1, "How many they are.", "people")
    join: Join = _key(Join, "When they come in.")
    stay_s: Between | None = _key(
        None, "How long one stays, from [shortest, longest]; null: to the end.", "durations",
        key="stay",
    )  # fmt: skip
    back_after_s: Between | None = _key(
        None, "After how long one who left comes back, from [shortest, longest]; null: never.",
        "durations", key="back_after",
    )  # fmt: skip
    publish: Publish | None = _key(
        None, "What they send; the host from joining on, others during their turns at the mic."
    )
    watch: Watch | None = _key(None, "What they receive; null: no media.")
    socket: Literal["json", "msgpack"] | None = _key(
        None, "Encoding of their room socket; null: they open none."
    )
    manages: Switch = _key(False, "Grant mic requests and answer questions, by the socket.")
    chat_per_s: PerSecond | None = _key(
        None, "Chat messages of the whole group, while all of it is there.", "rate", key="chat"
    )
    ask_per_s: PerSecond | None = _key(
        None, "Questions of the whole group, while all of it is there.", "rate", key="ask"
    )
    like_per_s: PerSecond | None = _key(
        None, "Like messages (1-5 likes each) of the whole group.", "rate", key="like"
    )
    mic: Mic | None = _key(None, "Their turns at the mic; null: none.")
    network: str | None = _key(
        None, "One of `networks`, which they are behind; null: nothing is in the way.", "name"
    )


class Impairment(Part):
    """What goes wrong in one direction."""

    loss: Share = _key(0.0, "Packets lost at random.", "percent")
    delay_s: DelaySeconds = _key(0.0, "Added to each packet.", "duration", key="delay")
    jitter_s: DelaySeconds = _key(
        0.0, "How far the delay sways; `delay` at most.", "duration", key="jitter"
    )
    rate_bps: BitsPerSecond | None = _key(
        None,
        "Most that passes, shared by all who are behind it; null: no limit.",
        "bitrate",
        key="rate",
    )
    duplicate: Share = _key(0.0, "Packets that come twice.", "percent")
    reorder: Share = _key(0.0, "Packets that skip `delay` and overtake others.", "percent")

    @property
    def delay_ms(self) -> float:
        return self.delay_s * 1000

    @property
    def jitter_ms(self) -> float:
        return self.jitter_s * 1000


class NetworkSpec(Impairment):
    """A network that a group is behind, seen by them: the keys are the downlink."""

    uplink: Impairment = _key(Impairment, "The same for what they send; nothing by default.")


class Limit(Part):
    """Bounds of one figure, in the unit that its name ends in."""

    at_least: float | None = _key(
        None, "The figure must not be below.", "number", key="min", allow_inf_nan=False
    )
    at_most: float | None = _key(
        None, "The figure must not be above.", "number", key="max", allow_inf_nan=False
    )


class Scenario(Part):
    """One load test as data."""

    name: Name = _key("custom", "Short name; reports carry it.", "name")
    about: str = _key("", "What it proves, in a sentence.", max_length=500)
    duration_s: RunSeconds = _key(60.0, "How long it runs.", "duration", key="duration")
    warm_up_s: Seconds = _key(
        0.0, "Left out of the figures at the start (but not of joining).", "duration", key="warm_up"
    )
    seed: int = _key(
        1, "Of all that is drawn by chance; the same seed, the same run.", "whole number", ge=0
    )
    room: Name = _key("loadtest", "Room that everybody comes to.", "name")
    lines: FilePath | None = _key(
        None,
        "Danmaku file, beside the scenario file; null: the sample that comes with the tool.",
        "path",
    )
    groups: dict[Name, Group] = _key(
        dict, "Who comes, by the name of the group.", min_length=1, max_length=100
    )
    networks: dict[Name, NetworkSpec] = _key(
        dict, "Networks that groups are behind, by name.", max_length=100
    )
    slo: dict[SloName, Limit] = _key(
        dict, "Limits that make the run pass or fail, by the name of the figure."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Scenario:
        if problems := checks.problems(self):
            raise checks.DoesNotFit(problems)
        return self

    @property
    def people(self) -> int:
        return sum(group.count for group in self.groups.values())
