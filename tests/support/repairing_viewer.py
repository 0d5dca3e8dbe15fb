"""A viewer that asks for what it lost, as libwebrtc's receivers do, and for a key frame where that
is of no use. See `plane_client`."""

from __future__ import annotations

from collections import Counter
from typing import Final

from media.nack import NackLimits, NackTracker
from media.rtp import SequenceUnwrapper
from media.seam import Answered
from tests.support.plane_client import Received, Surroundings, Viewer
from tests.support.plane_offer import OfferText

_LIKE_LIBWEBRTC: Final = NackLimits(max_tries=10, max_age_s=2.0, max_holes=1000)
_KEY_FRAME_AGAIN_S: Final = 1.0


class RepairingViewer(Viewer):
    """`asked` counts the requests for each packet, by mid; `plis` those for key frames."""

    def __init__(self, world: Surroundings, name: str, rtt_s: float, **changes: object) -> None:
        text = OfferText(direction="recvonly", audio_nack=True, **changes)  # type: ignore[arg-type]  # a table of settings
        super().__init__(world, name, text)
        self.asked: dict[str, Counter[int]] = {}
        self.plis = 0
        self._rtt_s = rtt_s
        self._trackers: dict[str, tuple[SequenceUnwrapper, NackTracker]] = {}
        self._looked: Counter[str] = Counter()
        self._pli_at: dict[str, float] = {}

    def offer(self, max_video: int = 4) -> Answered:
        answer = super().offer(max_video)
        for slot in answer.slots:
            tracker = NackTracker(_LIKE_LIBWEBRTC)
            tracker.learn_rtt(self._rtt_s)
            self._trackers[slot.mid] = (SequenceUnwrapper(), tracker)
            self.asked[slot.mid] = Counter()
        return answer

    def act(self, now: float) -> None:
        super().act(now)
        if not self.is_connected:
            return
        for mid, (unwrapper, tracker) in self._trackers.items():
            for packet in self.received[mid][self._looked[mid] :]:
                self._note(mid, packet, unwrapper, tracker)
            self._looked[mid] = len(self.received[mid])
            given_up = tracker.given_up
            due = tracker.take_due(now)
            if due:
                self.asked[mid].update(due)
                self.send_nack(mid, [ext_seq & 0xFFFF for ext_seq in due])
            if tracker.given_up > given_up:
                self._pli_at.setdefault(mid, now)
            self._ask_for_key_frame(mid, now)

    def _note(
        self, mid: str, packet: Received, unwrapper: SequenceUnwrapper, tracker: NackTracker
    ) -> None:
        if packet.original is None:
            ext_seq = unwrapper.unwrap(packet.header.seq)
            assert ext_seq is not None, "we send numbers in order, or nearly"
        else:
            ext_seq = unwrapper.nearest(packet.original)
        if tracker.receive(ext_seq, packet.at):
            self._pli_at.setdefault(mid, packet.at)
        if packet.is_keyframe_start:
            self._pli_at.pop(mid, None)

    def _ask_for_key_frame(self, mid: str, now: float) -> None:
        if mid in self._pli_at and now >= self._pli_at[mid]:
            self._pli_at[mid] = now + _KEY_FRAME_AGAIN_S
            self.plis += 1
            self.send_pli(mid)
