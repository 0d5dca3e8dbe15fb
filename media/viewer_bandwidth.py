"""How much a viewer can take: a machine fed with his REMB, his receiver reports and our counters.

Only what speaks against a rate limits it. Without any such sign there is no budget at all (`FREE`):
an estimate that is merely low, or still rising, says what arrived so far and not what would. A sign
is an estimate that *fell below what we send*, loss that sending less makes go away, or a round trip
that grew. From then on a budget holds, and only what was really sent and arrived raises it again:
the media itself or a probe. See docs/bandwidth.md.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from media.allocator import Allocation
from media.probe import Probe

MIN_BUDGET_BPS: Final = 30_000
"""One voice. An estimate below that comes from a link that stood still."""
LOSS_FLOOR_BPS: Final = 150_000
"""Loss alone takes no more than this: a voice and the smallest picture."""

REMB_FALL: Final = 0.97
"""libwebrtc sends an estimate at once when it is below 97 % of the last one it sent."""
DECREASE: Final = 0.85
REMB_BELOW_SENT: Final = 0.9
"""On congestion libwebrtc says 0.85 times what arrives; what arrives is measured by both sides in
windows of about a second, hence the room."""

FIRST_REMB_BELOW_SENT: Final = 0.6
"""The first estimate has not fallen: libwebrtc begins with what arrived in its first seconds, while
the publisher's encoder was still rising (Chromium: 0.77 of what was sent by then)."""

MARK_S: Final = 0.5
"""What is sent is measured over one to two of these, as receivers do over a second."""

LOSS_LIMIT: Final = 0.10
"""Share beyond what is known to be the network's own. GCC's rule (draft-ietf-rmcat-gcc-02 §6)."""
WEATHER_GONE: Final = 0.03
LOSS_WINDOW_S: Final = 1.0
LOSS_WINDOW_PACKETS: Final = 20

QUEUE_S: Final = 0.15
"""A round trip longer than the usual by this, twice in a row, is a queue of ours."""

RTT_WANDER_S: Final = 0.05
"""A round trip is that much longer now and then on any Wi-Fi: what a probe may find before it."""

HELD_S: Final = 1.5
"""From the last sign of congestion until it counts as over: queues have drained."""
AFTER_CUT_S: Final = 1.5
"""Reports that come within this speak of what was sent before the cut: their loss does not count
a second time."""
OUTAGE_S: Final = 2.5
"""A viewer not heard for so long was cut off, not congested: receivers report once a second."""
NOT_THE_PROBE: Final = 0.6
"""A sign during a probe that leaves less than this share of the media is of the media itself."""
DEAF_S: Final = 1.0
"""For so long after an outage, or a probe of ours that failed, no sign counts: it tells of that."""

CONTENT_S: Final = 30.0
"""Everybody got everything for so long: the limit is forgotten."""

STAGE_FACTOR: Final = 3.0
"""A probe sends at most three times what is known to arrive: three from 200 kbit/s to 2 Mbit/s."""
FIRST_RETRY_S: Final = 2.0
MAX_RETRY_S: Final = 6.0
"""Between failed probes, doubling. With this and three stages of two seconds a viewer whose link
became wide again is back within 15 s."""
RELAPSE_S: Final = 10.0
"""Congestion so soon after a probe that had succeeded counts as its failure..."""
MAX_RELAPSE_RETRY_S: Final = 20.0
"""... with longer waits, so that nobody is sent up and down in turns."""
PUT_OFF_S: Final = 0.5
"""Until the next try of a probe for which there was no room: others take about two seconds."""
AGAIN_S: Final = 0.2
"""Between a probe that succeeded and the next stage: the new layer's key frame goes first."""


class Phase(Enum):
    """FREE: nothing speaks against sending everything. CONGESTED: something just did. STEADY: the
    budget holds. PROBING: more is being tried."""

    FREE = "free"
    CONGESTED = "congested"
    STEADY = "steady"
    PROBING = "probing"


class Sign(Enum):
    """What moves a viewer from phase to phase."""

    CONGESTION = "congestion"
    HELD = "held"
    PROBE = "probe"
    PROVEN = "proven"
    UNPROVEN = "unproven"
    CONTENT = "content"


TRANSITIONS: Final[dict[Phase, dict[Sign, Phase]]] = {
    Phase.FREE: {Sign.CONGESTION: Phase.CONGESTED},
    Phase.CONGESTED: {Sign.CONGESTION: Phase.CONGESTED, Sign.HELD: Phase.STEADY},
    Phase.STEADY: {
        Sign.CONGESTION: Phase.CONGESTED,
        Sign.PROBE: Phase.PROBING,
        Sign.CONTENT: Phase.FREE,
    },
    Phase.PROBING: {
        Sign.CONGESTION: Phase.CONGESTED,
        Sign.PROVEN: Phase.STEADY,
        Sign.UNPROVEN: Phase.STEADY,
    },
}


class ViewerBandwidth:
    """Reports in, `budget_bps` out (None: no limit is known). Costs nothing per packet.

    Before any other input say with `note_sent` what was sent so far. `demand` about once a second
    and after the budget changed; while `probe` is not None send what it says.
    `probes`, `proven` and `congestions` count since the viewer came.
    """

    __slots__ = (
        "_before_at",
        "_before_bytes",
        "_can_probe",
        "_content_since",
        "_deaf_until",
        "_failures",
        "_heard_at",
        "_hold_rise_until",
        "_loss",
        "_loss_count",
        "_loss_lost",
        "_loss_since",
        "_mark_at",
        "_mark_bytes",
        "_next_bps",
        "_no_loss_until",
        "_probe_due",
        "_probed_bytes",
        "_proven_at",
        "_proven_bps",
        "_queued",
        "_remb_bps",
        "_retry_s",
        "_rtt_s",
        "_sign_at",
        "_top_bps",
        "_total_bytes",
        "_trial",
        "_used_bps",
        "_usual_rtt_s",
        "_weather",
        "budget_bps",
        "congestions",
        "phase",
        "probe",
        "probes",
        "proven",
    )

    def __init__(self, now: float, sent_bytes: int) -> None:
        """`sent_bytes` was sent before there was anything to judge (see `note_sent`)."""
        self.budget_bps: int | None = None
        self.phase = Phase.FREE
        self.probe: Probe | None = None
        self.probes = self.proven = self.congestions = 0
        self._total_bytes = self._mark_bytes = self._before_bytes = sent_bytes
        self._probed_bytes = 0
        self._mark_at = self._before_at = self._heard_at = self._loss_since = now
        self._sign_at = self._deaf_until = self._no_loss_until = self._probe_due = now
        self._hold_rise_until = now
        self._remb_bps: int | None = None
        self._loss = self._weather = self._loss_lost = 0.0
        self._loss_count = 0
        self._trial: tuple[float, float] | None = None
        self._rtt_s: float | None = None
        self._usual_rtt_s: float | None = None
        self._queued = 0
        self._used_bps = 0
        self._can_probe = False
        self._next_bps: int | None = None
        self._top_bps: int | None = None
        self._content_since: float | None = None
        self._proven_at: float | None = None
        self._proven_bps = 0.0
        self._retry_s = FIRST_RETRY_S
        self._failures = 0

    # --- inputs ---------------------------------------------------------------------------------

    def note_sent(self, total_bytes: int, now: float) -> None:
        """Payload sent so far, probes left out: a counter that only grows."""
        self._total_bytes = total_bytes + self._probed_bytes
        if now - self._mark_at >= MARK_S:
            self._before_at, self._before_bytes = self._mark_at, self._mark_bytes
            self._mark_at, self._mark_bytes = now, self._total_bytes

    def sent_probe(self, count_bytes: int) -> None:
        """So much of what `probe` asked for went out."""
        self._probed_bytes += count_bytes
        if self.probe is not None:
            self.probe.sent(count_bytes)

    def handle_remb(self, bps: int, now: float) -> None:
        """The viewer's estimate (draft-alvestrand-rmcat-remb-03)."""
        self._heard(now)
        before, self._remb_bps = self._remb_bps, bps
        arriving_bps = self.sent_bps(now) * (1 - self._loss)
        if before is None:
            is_sign = bps < arriving_bps * FIRST_REMB_BELOW_SENT
        else:
            is_sign = bps < before * REMB_FALL and bps < arriving_bps * REMB_BELOW_SENT
        if is_sign and now >= self._deaf_until:
            self._congested(self._foreseen(bps, arriving_bps), now)
        elif self.probe is not None:
            self.probe.handle_remb(bps, now)
        self._look(now)

    def handle_loss(self, fraction: float, packets: int, now: float) -> None:
        """Share lost (0..1) of about so many packets: a report block of the viewer's."""
        self._heard(now)
        if now < self._no_loss_until or now < self._deaf_until:
            self._begin_loss_window(now)
            return
        self._loss_lost += fraction * packets
        self._loss_count += packets
        if now - self._loss_since >= LOSS_WINDOW_S and self._loss_count >= LOSS_WINDOW_PACKETS:
            loss = self._loss_lost / self._loss_count
            self._begin_loss_window(now)
            self._judge_loss(loss, now)
        self._look(now)

    def handle_round_trip(self, rtt_s: float, report_sent_at: float, now: float) -> None:
        """A round trip, measured by the sender report that was sent then (monotonic s)."""
        self._heard(now)
        self._rtt_s = rtt_s
        if self.probe is not None:
            self.probe.handle_round_trip(rtt_s, report_sent_at)
        else:
            self._judge_queue(rtt_s, now)
        self._look(now)

    def demand(self, allocation: Allocation, *, can_probe: bool, now: float) -> None:
        """What the slots get and would take. `can_probe`: there is a stream to probe on; without
        one the next better layer itself is the probe."""
        self._used_bps = allocation.used_bps
        self._next_bps, self._top_bps = allocation.next_bps, allocation.top_bps
        self._can_probe = can_probe
        if self._next_bps is not None or self.phase is not Phase.STEADY:
            self._content_since = None
        elif self._content_since is None:
            self._content_since = now
        self._look(now)

    def sent_bps(self, now: float) -> float:
        """What was sent over the last half to whole second, probes included; 0 at the start."""
        span_s = now - self._before_at
        return (self._total_bytes - self._before_bytes) * 8 / span_s if span_s > MARK_S / 2 else 0.0

    def _foreseen(self, bps: int, arriving_bps: float) -> float:
        """Where a fall will end. An estimate is of a mean over a second: the first one that is
        deeper than one decrease has further to fall, and a layer in between would fill the link
        with a key frame to no purpose."""
        if self.probe is not None or self.phase is Phase.CONGESTED:
            return bps
        depth = min(1.0, bps / (DECREASE * arriving_bps))
        return bps * depth * depth

    # --- signs ----------------------------------------------------------------------------------

    def _heard(self, now: float) -> None:
        if now - self._heard_at >= OUTAGE_S:
            self._deaf_until = now + DEAF_S
            self._begin_loss_window(now)
        self._heard_at = now

    def _judge_loss(self, loss: float, now: float) -> None:
        self._loss = loss
        if self._trial is not None:
            self._judge_trial(loss, *self._trial, now)
        if loss > self._weather + LOSS_LIMIT:
            # Half the loss (GCC), but not more than what arrives where most is lost.
            share = min(1 - loss / 2, 1.15 * (1 - loss))
            sent_bps = self.sent_bps(now)
            self._trial = (loss, sent_bps * (1 - loss))
            self._congested(max(LOSS_FLOOR_BPS, sent_bps * share), now)
        elif self._weather:
            self._weather += 0.3 * (loss - self._weather)
            if self._weather < WEATHER_GONE:
                self._weather = 0.0

    def _judge_trial(self, loss: float, before: float, arrived_bps: float, now: float) -> None:
        """Less is sent since a cut for loss. Were the link too narrow, little would be lost now;
        what is lost all the same is the network's weather, and no reason to send less."""
        self._trial = None
        expected = max(0.0, 1 - arrived_bps / max(self.sent_bps(now), 1.0))
        if loss >= (before + expected) / 2:
            self._weather = loss

    def _begin_loss_window(self, now: float) -> None:
        self._loss_since = now
        self._loss_lost = 0.0
        self._loss_count = 0

    def _judge_queue(self, rtt_s: float, now: float) -> None:
        usual = self._usual_rtt_s
        if usual is None or rtt_s < usual:
            self._usual_rtt_s = usual = rtt_s
        else:
            self._usual_rtt_s = usual + 0.02 * (rtt_s - usual)  # a new route is learnt in a minute
        if now < self._deaf_until or now < self._no_loss_until:
            return
        self._queued = self._queued + 1 if rtt_s > usual + QUEUE_S else 0
        if self._queued >= 2:
            self._queued = 0
            self._congested(0.85 * self.sent_bps(now) * (1 - self._loss), now)

    def _congested(self, bps: float, now: float) -> None:
        """Something speaks against what is being sent; `bps` is what seems to get through."""
        self.congestions += self.phase is not Phase.CONGESTED
        self._sign_at = now
        self._no_loss_until = now + AFTER_CUT_S
        self._queued = 0
        if self.probe is not None and bps > self.probe.base_bps * NOT_THE_PROBE:
            # What was sent without the probe was good before it.
            self._failed(now, MAX_RETRY_S)
            self._deaf_until = now + DEAF_S
        else:
            limit = round(max(bps, MIN_BUDGET_BPS))
            budget = self.budget_bps
            self.budget_bps = limit if budget is None else min(budget, limit)
            self._proven_bps = 0.0
            self.probe = None
            if self._proven_at is not None and now - self._proven_at < RELAPSE_S:
                self._failed(now, MAX_RELAPSE_RETRY_S)
            self._probe_due = max(self._probe_due, now + FIRST_RETRY_S)
        self._move(Sign.CONGESTION)

    # --- time -----------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        if self.phase is Phase.CONGESTED:
            if now - self._sign_at >= HELD_S:
                self._move(Sign.HELD)
        elif self.phase is Phase.STEADY:
            self._rise(now)
            if self._content_since is not None and now - self._content_since >= CONTENT_S:
                self._forget()
            elif self._next_bps is not None and now >= self._probe_due and not self._is_queueing:
                self._begin_probe(self._next_bps, now)
        elif self.phase is Phase.PROBING:
            self._judge_probe(now)

    def _rise(self, now: float) -> None:
        """What is sent and arrives, and at once, is proof, however low the estimate."""
        if now >= self._hold_rise_until and not self._is_queueing:
            arriving_bps = round(self.sent_bps(now) * (1 - self._loss))
            if self.budget_bps is not None and arriving_bps > self.budget_bps:
                self.budget_bps = arriving_bps
        if self._proven_at is not None and now - self._proven_at >= RELAPSE_S:
            self._proven_at = None
            self._retry_s = FIRST_RETRY_S
            self._failures = 0

    def _forget(self) -> None:
        self._move(Sign.CONTENT)
        self.budget_bps = None
        self._content_since = self._proven_at = None
        self._proven_bps = 0.0
        self._retry_s = FIRST_RETRY_S
        self._failures = 0

    # --- probes ---------------------------------------------------------------------------------

    @property
    def _is_queueing(self) -> bool:
        """Whether the round trip says that there is a queue already."""
        if self._rtt_s is None or self._usual_rtt_s is None:
            return False
        return self._rtt_s > self._usual_rtt_s + QUEUE_S

    def _begin_probe(self, next_bps: int, now: float) -> None:
        self._move(Sign.PROBE)
        self.probes += 1
        # What was just taken back may still be in what was measured.
        base_bps = min(self.sent_bps(now), self._used_bps)
        good_bps = max(base_bps, self._proven_bps, MIN_BUDGET_BPS)
        usual = self._usual_rtt_s
        self.probe = Probe(
            base_bps=base_bps,
            from_bps=good_bps,
            target_bps=self._target(next_bps, good_bps * STAGE_FACTOR),
            rtt_s=None if usual is None else min(self._rtt_s or usual, usual + RTT_WANDER_S),
            remb_bps=self._remb_bps,
            now=now,
        )
        if not self._can_probe:
            self._proven(now)

    def _target(self, next_bps: int, stage_bps: float) -> int:
        """Everything if that is near enough, else the next layer, else a stage on the way there.
        Where everything failed the next layer alone is tried, in turns."""
        if not self._can_probe:
            return next_bps
        top_bps = self._top_bps
        if top_bps is not None and top_bps <= stage_bps and self._failures % 2 == 0:
            return top_bps
        return min(next_bps, round(stage_bps))

    def put_off_probe(self, now: float) -> None:
        """It cannot be sent now; nothing is learnt from that."""
        self.probe = None
        self.probes -= 1
        self._probe_due = now + PUT_OFF_S
        self._move(Sign.UNPROVEN)

    def _judge_probe(self, now: float) -> None:
        verdict = self.probe.verdict(now) if self.probe is not None else None
        if verdict is True:
            self._proven(now)
        elif verdict is False:
            # What it sent may stand in a queue: no sign of what the media alone would do.
            self._hold_rise_until = now + HELD_S
            self._failed(now, MAX_RETRY_S)
            self._move(Sign.UNPROVEN)

    def _proven(self, now: float) -> None:
        probe, self.probe = self.probe, None
        assert probe is not None, "only a probe can be proven"
        self.proven += 1
        self._proven_at = now
        self._hold_rise_until = now + HELD_S  # the probe itself is in what was sent
        self._proven_bps = probe.target_bps
        self.budget_bps = max(self.budget_bps or 0, probe.target_bps)
        self._probe_due = now + AGAIN_S
        self._next_bps = None  # until the slots have been given what there is now
        self._move(Sign.PROVEN)

    def _failed(self, now: float, longest_s: float) -> None:
        self.probe = None
        self._proven_at = None
        self._failures += 1
        self._probe_due = now + self._retry_s
        self._retry_s = min(self._retry_s * 2, longest_s)

    def _move(self, sign: Sign) -> None:
        self.phase = TRANSITIONS[self.phase][sign]
