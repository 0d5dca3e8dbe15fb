"""A viewer behind a link that lasts as long as it is told to, in memory and counted time.

The server's side is real (`ViewerBandwidth`, `SlotShares`); the viewer's estimate is aiortc's port
of libwebrtc's estimator, sent as libwebrtc does: at once when it fell by 3 %, else once a second.
The link is the tester's `Impairment`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from aiortc.rate import BandwidthUsage, RemoteBitrateEstimator

from loadtest.network.conditions import Conditions
from loadtest.network.impairment import Impairment
from media.allocator import Option
from media.slot_shares import SlotShares, Want
from media.viewer_bandwidth import ViewerBandwidth

STEP_S: Final = 0.005
PACKET_BYTES: Final = 1_100
OVERHEAD_BYTES: Final = 68
"""IP, UDP, RTP, extensions, tag: the link carries them, the viewer's estimator does not."""
VOICE_BPS: Final = 48_000
LAYERS: Final = (150_000, 500_000, 1_700_000)
UPLINK_DELAY_S: Final = 0.02


def wide(rate_bps: float | None = 3e6, *, loss: float = 0.0, **more: float) -> Conditions:
    return Conditions(rate_bps=rate_bps, loss=loss, delay_ms=20, **more)


@dataclass(slots=True)
class _Packet:
    sent_at: float
    size: int
    slot: str | None
    """Which picture it belongs to; None: voice or probe."""
    is_report: bool = False


@dataclass(slots=True)
class Moment:
    """What was so at a step."""

    at: float
    layers: dict[str, int | None]
    budget_bps: int | None


@dataclass(slots=True)
class _Count:
    """One slot between two receiver reports."""

    sent: int = 0
    came: int = 0
    last_came: float = 0.0
    longest_gap_s: float = 0.0


@dataclass
class NarrowDownlink:
    """`run` seconds at a time; change `conditions` in between. `slots` maps a name to the bitrates
    of the layers it is offered."""

    conditions: Conditions
    slots: dict[str, tuple[int, ...]] = field(default_factory=lambda: {"big": LAYERS})
    seed: int = 1
    with_remb: bool = True
    can_probe: bool = True
    is_cut: bool = False
    now: float = 1_000.0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._links: list[Impairment[_Packet]] = []
        self._rate_of: Conditions | None = None
        self._estimator = RemoteBitrateEstimator()
        self._estimator.incoming_bitrate_initialized = False
        self.bandwidth = ViewerBandwidth(self.now, 0)
        self.shares = SlotShares()
        self.history: list[Moment] = []
        self.counts = {name: _Count() for name in (*self.slots, "voice")}
        self._chosen: dict[str, Option | None] = {}
        self._credit: dict[str, float] = dict.fromkeys((*self.slots, "voice"), 0.0)
        self._sent_bytes = 0
        self.probe_bytes = 0
        self._up: list[tuple[float, tuple[str, float, float]]] = []
        self._sent_remb: tuple[float, int] | None = None
        self._report_due = self.now + 1
        self._sender_report_due = self.now
        self._look_due = self.now
        self._pump_due = self.now
        self._last_report: tuple[float, float] | None = None
        self.longest_delay_s = 0.0

    # --- the test's side ---

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            self._step()

    def layer(self, slot: str = "big") -> int | None:
        option = self._chosen.get(slot)
        return option.layer if option is not None else None

    def switches(self, slot: str, since: float) -> int:
        layers = [moment.layers.get(slot) for moment in self.history if moment.at >= since]
        return sum(a != b for a, b in pairwise(layers))

    def share_at(self, slot: str, layer: int, since: float) -> float:
        """Share of the time since then that a slot was at a layer or above."""
        layers = [moment.layers.get(slot) for moment in self.history if moment.at >= since]
        return sum(each is not None and each >= layer for each in layers) / len(layers)

    # --- time ---

    def _step(self) -> None:
        if self.conditions is not self._rate_of:
            self._rate_of = self.conditions
            self._links.append(Impairment(self.conditions, random.Random(self._chance.random())))
        if self.now >= self._look_due:
            self._look_due += 1.0
            self._look()
        self._send_media()
        if self.now >= self._pump_due:
            self._pump_due = self.now + 0.01
            self._send_probe()
        if self.now >= self._sender_report_due:
            limited = self.bandwidth.budget_bps is not None
            self._sender_report_due = self.now + (1.0 if limited else 5.0)
            self._send(_Packet(self.now, 60, None, is_report=True))
        for link in self._links:
            for packet in link.due(self.now):
                self._arrived(packet)
        self._report()
        while self._up and self._up[0][0] <= self.now:
            self._hear(*self._up.pop(0)[1])

    def _look(self) -> None:
        bandwidth = self.bandwidth
        bandwidth.note_sent(self._sent_bytes, self.now)
        wants = [Want("voice", "audio", "big", (Option(0, None, VOICE_BPS),))]
        for order, (name, rates) in enumerate(self.slots.items()):
            options = tuple(Option(layer, None, rate) for layer, rate in enumerate(rates))
            wants.append(Want(name, "video", "small" if order else "big", options))
        allocation = self.shares.share(bandwidth.budget_bps, wants, self.now)
        self._chosen = {choice.mid: choice.option for choice in allocation.choices}
        bandwidth.demand(allocation, can_probe=self.can_probe, now=self.now)
        self.history.append(
            Moment(self.now, {name: self.layer(name) for name in self.slots}, bandwidth.budget_bps)
        )

    # --- down ---

    def _send_media(self) -> None:
        for name, option in self._chosen.items():
            if option is None:
                continue
            size = PACKET_BYTES if name != "voice" else 120
            # Pictures come 30 times a second, all packets of one together.
            self._credit[name] += option.bitrate_bps * STEP_S / 8
            if name != "voice" and round(self.now / STEP_S) % 7:
                continue
            while self._credit[name] >= size:
                self._credit[name] -= size
                self._sent_bytes += size
                self.counts[name].sent += 1
                self._send(_Packet(self.now, size, name))

    def _send_probe(self) -> None:
        probe = self.bandwidth.probe
        if probe is None:
            return
        if probe.take_report_due(self.now):
            self._send(_Packet(self.now, 60, None, is_report=True))
        wanted = probe.take_bytes(self.now)
        while wanted > 0:
            size = PACKET_BYTES
            self.bandwidth.sent_probe(size)
            self.probe_bytes += size
            self._send(_Packet(self.now, size, None))
            wanted -= size

    def _send(self, packet: _Packet) -> None:
        if not self.is_cut:
            self._links[-1].take(packet, packet.size + OVERHEAD_BYTES, self.now)

    # --- the viewer ---

    def _arrived(self, packet: _Packet) -> None:
        if packet.is_report:
            self._last_report = (packet.sent_at, self.now)
            return
        self.longest_delay_s = max(self.longest_delay_s, self.now - packet.sent_at)
        if packet.slot is not None:
            count = self.counts[packet.slot]
            count.came += 1
            count.longest_gap_s = max(count.longest_gap_s, self.now - (count.last_came or self.now))
            count.last_came = self.now
        stamp = int(packet.sent_at * 262144) & 0xFFFFFF
        control = self._estimator.rate_control
        before = control.current_bitrate
        said = self._estimator.add(int(self.now * 1000), stamp, packet.size, 1)
        if said is not None and self._estimator.detector.state() == BandwidthUsage.OVERUSING:
            # libwebrtc, unlike aiortc, never says more for being congested.
            control.current_bitrate = min(before, control.current_bitrate)
            said = (control.current_bitrate, said[1])
        if said is not None and self.with_remb:
            last = self._sent_remb
            if last is None or said[0] < last[1] * 0.97 or self.now - last[0] >= 1.0:
                self._sent_remb = (self.now, said[0])
                self._say("remb", said[0], 0.0)

    def _report(self) -> None:
        if self.now < self._report_due:
            return
        self._report_due = self.now + 0.5 + self._chance.random()
        for count in self.counts.values():
            if count.sent:
                self._say("loss", 1 - min(1.0, count.came / count.sent), count.sent)
            count.sent = count.came = 0
        if self._last_report is not None:
            sent_at, came_at = self._last_report
            # The round trip: down as it was, up as it is, the time it lay here taken out.
            self._last_report = None
            self._say("rtt", came_at - sent_at + UPLINK_DELAY_S, sent_at)

    def _say(self, kind: str, value: float, more: float) -> None:
        if not self.is_cut:
            self._up.append((self.now + UPLINK_DELAY_S, (kind, value, more)))

    def _hear(self, kind: str, value: float, more: float) -> None:
        bandwidth = self.bandwidth
        bandwidth.note_sent(self._sent_bytes, self.now)
        before = bandwidth.budget_bps
        if kind == "remb":
            bandwidth.handle_remb(int(value), self.now)
        elif kind == "loss":
            bandwidth.handle_loss(value, int(more), self.now)
        else:
            bandwidth.handle_round_trip(value, more, self.now)
        if bandwidth.budget_bps != before:
            self._look()
