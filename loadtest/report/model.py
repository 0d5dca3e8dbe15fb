"""The report of a run as values: what the JSON file holds (`lianmai loadtest --json`).

Units are in the names. `None` means "not measured", never zero. Fields are only ever added;
`version` grows when one changes its meaning.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

VERSION: Final = 1


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the tester ran, and what it ran with."""

    processor: str
    cores: int
    kernel: str
    python: str
    commit: str
    """Short; `unknown` outside a checkout."""


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Nearest rank. `samples` says how much they rest on."""

    samples: int
    p50: float
    p95: float
    p99: float
    worst: float


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """People of one kind who came in: `publish`, `watch`, `socket` or `mic`."""

    kind: str
    tried: int
    succeeded: int
    ms: Percentiles | None
    """From the first byte sent to: connected (publish), first RTP packet (watch), welcome (socket),
    connected in the seat (mic)."""


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """Of what viewers should have received. `holes` were never filled, by a resend neither."""

    packets: int
    bytes: int
    holes: int
    duplicates: int
    reordered: int
    percent: float
    """holes / (packets - duplicates + holes), in percent."""


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What viewers sent back, and what publishers were asked for."""

    nacks: int
    plis: int
    receiver_reports: int
    rembs: int
    resent: int
    """Packets that came by RTX."""
    key_frames_asked: int
    """PLI and FIR that reached publishers."""


class LaneTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one lane. `expected` is messages sent x sockets that were there; None when the
    server decides who gets them."""

    lane: str
    sent: int
    refused: int
    delivered: int
    expected: int | None
    shed: int
    """What the server said that it withheld."""
    delay_ms: Percentiles | None
    lost: int | None = None
    """Accepted by the server, and never shown to who they were for; None: nobody watched. What
    limits on lost questions are held against."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """One second of the run; counters hold what happened in it."""

    at_s: float
    """End of the interval, from the start of the run."""
    publishers: int
    viewers: int
    sockets: int
    packets: int
    bits_per_s: float
    holes: int
    latency_ms: Percentiles | None
    lanes: dict[str, int]
    """Messages delivered, by lane."""
    lane_delay_ms: dict[str, Percentiles]
    server_cpu_cores: float | None
    server_memory_bytes: int | None
    tester_cpu_cores: float
    tester_lag_ms: float
    """The longest that the tester's event loop was late in it."""


class ProcessCost(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the server over the measured part. `role` is its name without arguments."""

    pid: int
    role: str
    user_s: float
    system_s: float
    memory_bytes: int


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the server used while the figures were measured, all its processes together."""

    seconds: float
    user_s: float
    system_s: float
    cpu_us_per_packet: float | None
    """All CPU over all delivered packets; None when no media was watched."""
    cpu_us_per_message: float | None
    """All CPU over all delivered messages; None when no socket received any."""
    is_mixed: bool
    """Both packets and messages were delivered: each figure bears the cost of the other, too."""
    memory_kib_per_viewer: float | None
    """Growth of resident memory from before the first viewer to the end, per viewer."""
    memory_kib_per_socket: float | None
    memory_bytes: int
    processes: tuple[ProcessCost, ...]


class Tester(msgspec.Struct, frozen=True, kw_only=True):
    """The tester about itself."""

    cpu_cores: float
    """Mean over the measured part; it is one process with one event loop."""
    lag_ms: Percentiles | None
    receive_overflows: int
    """Datagrams that the kernel dropped because the tester did not read in time (SO_RXQ_OVFL)."""
    is_bottleneck: bool
    why: str
    """Empty unless it is."""


class SloResult(msgspec.Struct, frozen=True, kw_only=True):
    """One limit. `value` None: it could not be measured, which is a miss."""

    name: str
    limit: str
    """As a person reads it: `>= 99`, `<= 200`."""
    value: float | None
    met: bool
    why: str = ""
    """Why there is no value; empty when there is one."""


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """A failure that happened `count` times; `text` has no names in it."""

    text: str
    count: int


class TargetInfo(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    url: str
    version: str = ""
    settings: str = ""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The measured part: from the end of the warm-up to the end of the run."""

    joined: tuple[Joined, ...]
    """Over the whole run: joining is not waited for."""
    media: Lost | None
    latency_ms: Percentiles | None
    """From a packet's sending to the kernel's receiving it at a sampled viewer."""
    feedback: Feedback | None
    lanes: tuple[LaneTotals, ...]
    """Over the whole run: what was sent last is waited for."""


class Report(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="report"):
    """One run of one scenario against one target."""

    version: int = VERSION
    command: str
    started: str
    """RFC 3339, UTC."""
    machine: Machine
    target: TargetInfo
    scenario: str
    about: str
    definition: dict[str, Any]
    """The scenario as it ran, with every default and flag filled in."""
    seconds: float
    """Length of the measured part."""
    interrupted: bool
    totals: Totals
    cost: Cost | None
    tester: Tester
    slo: tuple[SloResult, ...]
    series: tuple[Interval, ...]
    complaints: tuple[Complaint, ...]
    notes: tuple[str, ...]
    """What a reader must know before believing a figure."""


class CostPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a growth run."""

    viewers: int
    sockets: int
    cpu_us_per_packet: float | None
    cpu_us_per_message: float | None
    memory_kib_per_viewer: float | None
    memory_kib_per_socket: float | None
    latency_ms: Percentiles | None
    lost_percent: float | None
    tester_is_bottleneck: bool


class Growth(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="growth"):
    """The same scenario at growing size (`--grow`)."""

    version: int = VERSION
    points: tuple[CostPoint, ...]
    reports: tuple[Report, ...]


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """`figure` of `other` over that of the first target, pair by pair in time (A B A B ...)."""

    figure: str
    other: str
    pairs: tuple[float, ...]
    median: float
    lowest: float
    highest: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="comparison"):
    """The same scenario against several targets in turn; the first is what others are held to."""

    version: int = VERSION
    targets: tuple[TargetInfo, ...]
    rounds: int
    reports: tuple[Report, ...]
    """In the order they ran: all targets of round 1, then of round 2 ..."""
    ratios: tuple[Ratio, ...]
    notes: tuple[str, ...]
