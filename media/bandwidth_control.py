"""Bandwidth of all viewers: their reports in, layers of their slots and probes out.

    REMB, reports --> ViewerBandwidth --> budget --> SlotShares --> Switchboard.choose
                            '--> Probe --> handle_timeout, a portion every 10 ms

Nothing is done per packet. A viewer without a limit costs a look at a few numbers per report; only
for one with a limit are the slots' shares reckoned, once a second and when the budget changed.
"""

from __future__ import annotations

from typing import Final

from aiortc.rtp import RtcpReceiverInfo

from media import rtcp
from media.allocator import Option
from media.downlink import RESEND_BURST, RESENDS_PER_S, OutStream
from media.fanout import RunSender
from media.layer import Layer
from media.probe import Probe
from media.probe_sender import can_probe, send_probe
from media.slot_shares import SlotShares
from media.slot_wants import Thinnings, thinnings, wants_of
from media.switchboard import Switchboard
from media.viewer import UNLIMITED, Budget, Viewer, ViewerSlot
from media.viewer_bandwidth import ViewerBandwidth

PORTION_S: Final = 0.01
"""As for replays: a portion of 2 Mbit/s is two packets."""
MAX_PROBES: Final = 16
"""Probes at a time: of 2 Mbit/s each they cost 2 % of a core. Others wait for their turn."""
RESEND_SHARE: Final = 0.5
"""Of a budget, what is sent again at most: after a step down of the link that is nearly all of what
was sent, and it would fill the link for seconds (seen with Chromium: no picture for 4 s)."""
RESEND_BITS: Final = 8 * 1_150
LEAST_RESENDS_PER_S: Final = 10.0
MAX_REPORT_AGE_S: Final = 60.0
"""What seems older is nonsense, or was sent since this batch's time was taken and has wrapped."""
MEASURE_S: Final = 1.0
"""How long the measured bitrates of a layer's temporal layers hold for all its viewers."""


class _Steered:
    """What is known of one viewer. `applied_bps` is the budget that his slots have now, `reported`
    by SSRC the packets sent and the sender report named at his last receiver report."""

    __slots__ = ("applied_bps", "bandwidth", "noted_at", "reported", "shares")

    def __init__(self, now: float, sent_bytes: int) -> None:
        self.bandwidth = ViewerBandwidth(now, sent_bytes)
        self.shares = SlotShares()
        self.applied_bps: int | None = None
        self.reported: dict[int, tuple[int, int]] = {}
        self.noted_at = now

    @property
    def is_free(self) -> bool:
        return self.applied_bps is None and self.bandwidth.budget_bps is None


class BandwidthControl:
    """Part of `MediaPlane`. Feed `handle_report` and `handle_remb`, then `settle`; call `look`
    about once a second and `changed` after a command about a slot. Drive `handle_timeout` by
    `next_deadline`."""

    def __init__(
        self, switchboard: Switchboard, *, sender: RunSender, wall_offset_s: float
    ) -> None:
        self._switchboard = switchboard
        self._sender = sender
        self._wall_offset_s = wall_offset_s
        self._steered: dict[Viewer, _Steered] = {}
        self._probing: dict[Viewer, Probe] = {}
        self._due: float | None = None
        self._measured: dict[Layer, tuple[float, Thinnings]] = {}
        self._closed = [0, 0, 0]
        self._probe_packets = self._probe_bytes = 0
        self._lowered = self._raised = self._given_up = 0

    # --- reports --------------------------------------------------------------------------------

    def handle_remb(self, viewer: Viewer, bps: int, now: float) -> None:
        """A viewer's estimate."""
        self._bandwidth(viewer, now).handle_remb(bps, now)

    def handle_report(
        self,
        viewer: Viewer,
        stream: OutStream,
        report: RtcpReceiverInfo,
        compact_now: int,
        now: float,
    ) -> None:
        """A reception report block about `stream`, which has taken it already."""
        bandwidth = self._bandwidth(viewer, now)
        reported = self._steered[viewer].reported
        packets, last_lsr = reported.get(stream.ssrc, (0, 0))
        reported[stream.ssrc] = (stream.packets, report.lsr)
        if stream.kind == "video":
            bandwidth.handle_loss(stream.loss, stream.packets - packets, now)
        if report.lsr and report.lsr != last_lsr and stream.rtt_s is not None:
            age_s = ((compact_now - report.lsr) & 0xFFFFFFFF) / 65536
            if age_s < MAX_REPORT_AGE_S:
                bandwidth.handle_round_trip(stream.rtt_s, now - age_s, now)

    def _bandwidth(self, viewer: Viewer, now: float) -> ViewerBandwidth:
        steered = self._steered.get(viewer)
        if steered is None:
            steered = self._steered[viewer] = _Steered(now, _sent_bytes(viewer))
        elif steered.noted_at != now:  # a datagram brings a report for each stream, an estimate
            steered.noted_at = now
            steered.bandwidth.note_sent(_sent_bytes(viewer), now)
        return steered.bandwidth

    def wanted_source(self, viewer: Viewer, stream: OutStream) -> int | None:
        """The only source of which packets are sent again on the stream, None: any."""
        steered = self._steered.get(viewer)
        slot = viewer.slots.get(stream.mid)
        if steered is None or steered.is_free or slot is None or slot.layer is None:
            return None
        return slot.layer.source_id

    def settle(self, viewer: Viewer, now: float) -> None:
        """Carry out what the reports of one datagram led to."""
        steered = self._steered.get(viewer)
        if steered is None:
            return
        if steered.bandwidth.budget_bps != steered.applied_bps:
            self._share(viewer, steered, now)
        self._arm_probe(viewer, steered.bandwidth, now)

    # --- shares ---------------------------------------------------------------------------------

    def look(self, viewer: Viewer, now: float) -> None:
        """About once a second: bitrates and slots may have changed, probes become due."""
        steered = self._steered.get(viewer)
        if steered is None or steered.is_free:
            return
        self._bandwidth(viewer, now)
        for stream in viewer.downlink.streams.values():
            if stream.kind == "video":
                stream.report_due = now  # a round trip a second shows a queue in time
        self._share(viewer, steered, now)
        self._arm_probe(viewer, steered.bandwidth, now)

    def changed(self, viewer: Viewer, now: float) -> None:
        """His slots changed: another track, another size."""
        steered = self._steered.get(viewer)
        if steered is not None and not steered.is_free:
            self._share(viewer, steered, now)

    def _share(self, viewer: Viewer, steered: _Steered, now: float) -> None:
        bandwidth = steered.bandwidth
        budget_bps = steered.applied_bps = bandwidth.budget_bps
        slots = viewer.slots
        _limit_resends(viewer, budget_bps)
        if budget_bps is None:
            for slot in slots.values():
                self._choose(slot, UNLIMITED, now)
            steered.shares = SlotShares()
            return
        wants = wants_of(slots.values(), lambda layer: self._thinnings(layer, now))
        allocation = steered.shares.share(budget_bps, wants, now)
        for choice in allocation.choices:
            slot = slots[choice.mid]
            if slot.kind == "video":
                self._choose(slot, _budget(choice.option), now)
        bandwidth.demand(allocation, can_probe=self._prober(viewer) is not None, now=now)

    def _choose(self, slot: ViewerSlot, budget: Budget, now: float) -> None:
        if slot.budget == budget:
            return
        before = _height(slot)
        self._switchboard.choose(slot, budget.layer, budget.max_temporal, now)
        after = _height(slot)
        if after < 0 <= before:
            self._given_up += 1
        elif after < before:
            self._lowered += 1
        elif after > before:
            self._raised += 1

    def _thinnings(self, layer: Layer, now: float) -> Thinnings:
        measured = self._measured.get(layer)
        if measured is None or now - measured[0] >= MEASURE_S:
            if len(self._measured) > 1_000:
                self._measured.clear()  # of tracks long gone
            measured = self._measured[layer] = (now, thinnings(layer))
        return measured[1]

    # --- probes ---------------------------------------------------------------------------------

    def _prober(self, viewer: Viewer) -> ViewerSlot | None:
        """The slot to probe on: one that shows something if there is one."""
        found = None
        for slot in viewer.slots.values():
            codec, layer = slot.codec, slot.layer
            if slot.kind == "audio" or codec is None or layer is None:
                continue
            if can_probe(slot.stream, codec.rtx_payload_type) and len(layer.source.ring):
                found = slot
                if slot.shown is not None:
                    return slot
        return found

    def _arm_probe(self, viewer: Viewer, bandwidth: ViewerBandwidth, now: float) -> None:
        """Begin to send the viewer's probe if he has one now."""
        probe = bandwidth.probe
        if probe is None or self._probing.get(viewer) is probe or probe.is_sent(now):
            return
        if viewer not in self._probing and len(self._probing) >= MAX_PROBES:
            bandwidth.put_off_probe(now)
            return
        self._probing[viewer] = probe
        if self._due is None:
            self._due = now

    def next_deadline(self) -> float | None:
        """When the next portion of a probe is due; None without one."""
        return self._due

    def handle_timeout(self, now: float) -> None:
        """Send the next portion of every probe under way."""
        if self._due is None or now < self._due:
            return
        for viewer in list(self._probing):
            self._pump(viewer, now)
        self._due = now + PORTION_S if self._probing else None

    def _pump(self, viewer: Viewer, now: float) -> None:
        bandwidth = self._steered[viewer].bandwidth
        probe, slot = bandwidth.probe, self._prober(viewer)
        if probe is None or slot is None or probe.is_sent(now):
            del self._probing[viewer]
            return
        if probe.take_report_due(now):
            for stream in viewer.downlink.streams.values():
                stream.report_due = now
            self._switchboard.send_reports(viewer, now)
        wanted = probe.take_bytes(now)
        if wanted > 0:
            self._send_probe(slot, bandwidth, wanted, now)

    def _send_probe(
        self, slot: ViewerSlot, bandwidth: ViewerBandwidth, wanted_bytes: int, now: float
    ) -> None:
        layer = slot.shown or slot.layer
        assert layer is not None, "a prober has a layer"
        assert slot.codec is not None, "a prober has a codec"
        assert slot.codec.rtx_payload_type is not None, "a prober has RTX"
        packets, sent_bytes = send_probe(
            slot.stream,
            layer.source.ring,
            slot.codec.rtx_payload_type,
            wanted_bytes,
            sender=self._sender,
            stamp=rtcp.ntp24(now + self._wall_offset_s),
        )
        bandwidth.sent_probe(sent_bytes)
        self._probe_packets += packets
        self._probe_bytes += sent_bytes

    # --- the rest -------------------------------------------------------------------------------

    def budget_of(self, viewer: Viewer) -> int | None:
        """What the viewer is given at most, None: no limit is known."""
        steered = self._steered.get(viewer)
        return steered.bandwidth.budget_bps if steered is not None else None

    def remove(self, viewer: Viewer) -> None:
        """He is gone; his counts stay."""
        self._probing.pop(viewer, None)
        steered = self._steered.pop(viewer, None)
        if steered is not None:
            self._closed = [
                count + more
                for count, more in zip(self._closed, _counts(steered.bandwidth), strict=True)
            ]

    def totals(self) -> dict[str, int]:
        """Counters of all viewers there ever were, and how many have a limit now."""
        counts = self._closed
        limited = 0
        for steered in self._steered.values():
            counts = [
                count + more for count, more in zip(counts, _counts(steered.bandwidth), strict=True)
            ]
            limited += steered.bandwidth.budget_bps is not None
        congestions, probes, proven = counts
        return {
            "viewers_limited": limited,
            "congestions": congestions,
            "probes": probes,
            "probes_proven": proven,
            "probe_packets": self._probe_packets,
            "probe_bytes": self._probe_bytes,
            "layers_lowered": self._lowered,
            "layers_raised": self._raised,
            "pictures_given_up": self._given_up,
        }


def _sent_bytes(viewer: Viewer) -> int:
    sent_bytes = 0
    for stream in viewer.downlink.streams.values():
        sent_bytes += stream.payload_bytes + stream.resent_bytes
    return sent_bytes


def _limit_resends(viewer: Viewer, budget_bps: int | None) -> None:
    """What is sent again takes bandwidth, too, and most when there is least."""
    per_s, burst = RESENDS_PER_S, RESEND_BURST
    if budget_bps is not None:
        per_s = max(LEAST_RESENDS_PER_S, min(per_s, RESEND_SHARE * budget_bps / RESEND_BITS))
        burst = per_s / 2
    for stream in viewer.downlink.streams.values():
        if stream.kind == "video":
            stream.resend_budget.limit(per_s, burst)


def _counts(bandwidth: ViewerBandwidth) -> tuple[int, int, int]:
    return bandwidth.congestions, bandwidth.probes, bandwidth.proven


def _budget(option: Option | None) -> Budget:
    return Budget(None, None) if option is None else Budget(option.layer, option.temporal)


def _height(slot: ViewerSlot) -> int:
    """Which layer the slot gets, -1 for none."""
    if slot.track is None or slot.layer is None or slot.budget.layer is None:
        return -1
    return slot.track.layers.index(slot.layer)
