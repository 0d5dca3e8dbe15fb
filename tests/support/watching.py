"""What somebody sees and hears who watches a room by Chromium, measured in the page.

`requestVideoFrameCallback` tells of every picture that is shown: the longest time between two is
what a person calls a freeze, whoever is to blame. `getStats` tells the rest four times a second.
What the machine is to blame for is measured beside it: when the host gave no picture at all, and
when the viewer's page came to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from playwright.async_api import Page

SAMPLE_S: Final = 0.25
USUAL_SOURCE_GAP_S: Final = 0.3
"""At 12 pictures a second, looked at ten times a second."""

BEGIN: Final = """
() => {
  const watching = window.watching = {samples: [], began: performance.now(), gaps: []};
  const video = document.querySelector('[data-testid=stage-video-0]');
  let last = performance.now();
  const shown = at => {
    if (window.watching !== watching) return;
    watching.gaps.push([last, at - last]);
    last = at;
    video.requestVideoFrameCallback(shown);
  };
  video.requestVideoFrameCallback(shown);
  watching.end = () => watching.gaps.push([last, performance.now() - last]);
  const none = {id: '', frames: 0, freezes: 0, frozen: 0, height: 0, nacks: 0, again: 0, plis: 0,
                bytes: 0, lost: 0, packets: 0, heard: 0, concealed: 0, heardLost: 0,
                heardPackets: 0, buffered: 0, emitted: 0, rtt: 0};
  const read = async () => {
    const pc = window.lianmaiRoom.media.downlink;
    const now = {...none, at: performance.now(), id: window.lianmaiRoom.media.playback.link.peerId};
    for (const report of pc ? (await pc.getStats()).values() : []) {
      if (report.type === 'candidate-pair' && report.nominated)
        now.rtt = report.currentRoundTripTime ?? 0;
      if (report.type !== 'inbound-rtp') continue;
      now.bytes += report.bytesReceived + report.headerBytesReceived;
      if (report.kind === 'video') {
        now.frames += report.framesDecoded ?? 0;
        now.freezes += report.freezeCount ?? 0;
        now.frozen += report.totalFreezesDuration ?? 0;
        now.height = Math.max(now.height, report.frameHeight ?? 0);
        now.nacks += report.nackCount ?? 0;
        now.again += report.retransmittedPacketsReceived ?? 0;
        now.plis += report.pliCount ?? 0;
        now.lost += report.packetsLost;
        now.packets += report.packetsReceived;
        now.buffered += report.jitterBufferDelay ?? 0;
        now.emitted += report.jitterBufferEmittedCount ?? 0;
      } else {
        now.heard += report.totalSamplesReceived ?? 0;
        now.concealed += report.concealedSamples ?? 0;
        now.heardLost += report.packetsLost;
        now.heardPackets += report.packetsReceived;
      }
    }
    return now;
  };
  const sample = async () => {
    if (window.watching !== watching) return;
    watching.samples.push(await read());
    setTimeout(sample, 250);
  };
  watching.read = read;
  return sample();
}
"""
SOURCE_BEGIN: Final = """
() => {
  const source = window.source = {longest: 0};
  let encoded = -1, last = performance.now();
  const look = async () => {
    if (window.source !== source) return;
    let frames = 0;
    for (const report of (await window.lianmaiRoom.media.uplink.getStats()).values())
      if (report.type === 'outbound-rtp' && report.kind === 'video')
        frames += report.framesEncoded ?? 0;
    const now = performance.now();
    if (frames !== encoded) {
      source.longest = Math.max(source.longest, now - last);
      [encoded, last] = [frames, now];
    }
    setTimeout(look, 100);
  };
  look();
}
"""
"""In the host's page: the longest time without a picture encoded."""
SOURCE_END: Final = (
    "() => { const {longest} = window.source; window.source = null; return longest; }"
)

END: Final = """
async () => {
  const {samples, began, gaps, end, read} = window.watching;
  end();
  samples.push(await read());
  window.watching = null;
  return {samples, began, gaps};
}
"""


@dataclass(frozen=True, slots=True, repr=False)
class Seen:
    """What was seen and heard from `begin` to `end`. Shares are 0..1."""

    seconds: float
    samples: list[dict[str, Any]]
    """Counters of `getStats` and `at`, in s since the beginning."""
    gaps: list[tuple[float, float]]
    """Each picture's beginning (in s since ours) and how long it stood; the last stood till the
    end."""
    source_gap_s: float
    """The longest time in which the host encoded nothing."""

    @property
    def pictures(self) -> int:
        return len(self.gaps) - 1

    @property
    def longest_gap_s(self) -> float:
        return self.longest_gap_from(0.0)

    def longest_gap_from(self, since_s: float) -> float:
        """Of the pictures that were still there at that time."""
        return max(
            (end - max(began, since_s) for began, end in self._stands() if end >= since_s),
            default=0.0,
        )

    def _stands(self) -> list[tuple[float, float]]:
        return [(began, began + stood) for began, stood in self.gaps]

    @property
    def freeze_s(self) -> float:
        """The longest time without a new picture, both shown and decoded: one that is decoded but
        not shown is this machine's doing."""
        return min(self.longest_gap_s, self._longest_still_s())

    def _longest_still_s(self) -> float:
        longest = 0.0
        last = self.samples[0]
        for sample in self.samples[1:]:
            if (sample["id"], sample["frames"]) != (last["id"], last["frames"]):
                longest, last = max(longest, sample["at"] - last["at"]), sample
        return max(longest, self.seconds - float(last["at"]))

    @property
    def machine_s(self) -> float:
        """How much of a freeze the machine may have made: nothing was encoded, or the viewer's
        page stood still. Near 0 where two cores have nothing else to do."""
        times = [float(sample["at"]) for sample in self.samples]
        late_s = max(later - earlier for earlier, later in pairwise(times)) - SAMPLE_S
        return max(0.0, self.source_gap_s - USUAL_SOURCE_GAP_S) + max(0.0, late_s)

    def first_picture_after(self, at_s: float) -> float | None:
        """When the next one came, s after that; None: none did."""
        return next((end - at_s for _, end in self._stands()[:-1] if end > at_s), None)

    def grown(self, name: str) -> float:
        """How much a counter grew. A transport that took the place of another counts from 0."""
        total, last = 0.0, self.samples[0]
        for sample in self.samples[1:]:
            total += sample[name] - (last[name] if sample["id"] == last["id"] else 0)
            last = sample
        return total

    @property
    def bitrate_bps(self) -> float:
        return self.grown("bytes") * 8 / self.seconds

    @property
    def concealed(self) -> float:
        """Of the sound played, the share that was made up."""
        return self.grown("concealed") / max(1.0, self.grown("heard"))

    @property
    def heard_loss(self) -> float:
        """Of the packets of sound, the share that never came."""
        lost = self.grown("heardLost")
        return lost / max(1.0, lost + self.grown("heardPackets"))

    @property
    def jitter_buffer_ms(self) -> float:
        """How long pictures were held back in the mean."""
        return 1000 * self.grown("buffered") / max(1.0, self.grown("emitted"))

    @property
    def transports(self) -> int:
        """How many served: 1, unless one had to be replaced."""
        return len({sample["id"] for sample in self.samples if sample["id"]})

    def heights(self, since_s: float = 0.0) -> list[int]:
        """Of the pictures decoded, by the samples."""
        return [each["height"] for each in self.samples if each["at"] >= since_s and each["height"]]

    def __repr__(self) -> str:
        return (
            f"{self.pictures} pictures in {self.seconds:.1f} s, longest stood"
            f" {self.longest_gap_s:.2f} s (the machine's share: {self.machine_s:.2f} s),"
            f" {self.grown('freezes'):.0f} freezes of {self.grown('frozen'):.1f} s;"
            f" concealed {self.concealed:.1%}; lines {sorted(set(self.heights()))};"
            f" {self.bitrate_bps / 1000:.0f} kbit/s; {self.grown('nacks'):.0f} NACKs"
        )

    def first_at(self, holds: Callable[[dict[str, Any]], bool], since_s: float) -> float | None:
        """When a sample of that kind first came, s after `since_s`; None: never."""
        return next(
            (
                each["at"] - since_s
                for each in self.samples
                if each["at"] >= since_s and holds(each)
            ),
            None,
        )


async def begin(viewer: Page, host: Page) -> None:
    """Measure from now on. The viewer's page shows seat 0."""
    await host.evaluate(SOURCE_BEGIN)
    await viewer.evaluate(BEGIN)


async def end(viewer: Page, host: Page) -> Seen:
    """What was measured since `begin`."""
    found = await viewer.evaluate(END)
    source_gap_s = await host.evaluate(SOURCE_END) / 1000
    began = found["began"]
    samples = [{**each, "at": (each["at"] - began) / 1000} for each in found["samples"]]
    gaps = [((at - began) / 1000, stood / 1000) for at, stood in found["gaps"]]
    return Seen(samples[-1]["at"], samples, gaps, source_gap_s)
