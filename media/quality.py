"""Quality of one connection over windows of time, for `QualitySample`."""

from __future__ import annotations

from typing import Final

from media.peer import Peer
from media.publisher import Publisher
from media.seam import QualitySample
from media.viewer import Viewer

WINDOW_S: Final = 10.0
"""As long as the retention store's `qoe.sample`."""


class QualityMeter:
    """`poll` about once a second; gives a sample when a window is over."""

    __slots__ = ("_bytes", "_lost", "_packets", "_started")

    def __init__(self, now: float) -> None:
        self._started = now
        self._bytes = 0
        self._packets = 0
        self._lost = 0

    def poll(self, peer: Peer, now: float) -> QualitySample | None:
        window_s = now - self._started
        if window_s < WINDOW_S:
            return None
        self._started = now
        if isinstance(peer, Publisher):
            return self._uplink(peer, window_s)
        if isinstance(peer, Viewer):
            return self._downlink(peer, window_s)
        return None

    def _uplink(self, peer: Publisher, window_s: float) -> QualitySample:
        stats = [layer.source.stats() for layer in peer.layers]
        lost = sum(each.lost for each in stats)
        packets = sum(each.packets for each in stats)
        new_lost, new_packets = max(0, lost - self._lost), packets - self._packets
        bitrate = self._bitrate(peer.bytes_in, window_s)
        self._lost, self._packets = lost, packets
        expected = new_lost + new_packets
        rtts = [each.rtt_s for each in stats if each.rtt_s is not None]
        jitters = [each.jitter_s for each in stats if each.packets]
        return QualitySample(
            peer.peer_id,
            "uplink",
            window_s,
            bitrate,
            new_lost / expected if expected else 0.0,
            rtt_ms=min(rtts) * 1000 if rtts else None,
            jitter_ms=max(jitters) * 1000 if jitters else None,
        )

    def _downlink(self, peer: Viewer, window_s: float) -> QualitySample:
        streams = peer.downlink.streams.values()
        sent = [stream for stream in streams if stream.packets]
        rtts = [stream.rtt_s for stream in sent if stream.rtt_s is not None]
        return QualitySample(
            peer.peer_id,
            "downlink",
            window_s,
            self._bitrate(sum(stream.payload_bytes for stream in sent), window_s),
            max((stream.loss for stream in sent), default=0.0),
            rtt_ms=min(rtts) * 1000 if rtts else None,
            estimate_bps=peer.downlink.estimate_bps,
        )

    def _bitrate(self, total_bytes: int, window_s: float) -> int:
        bits = (total_bytes - self._bytes) * 8
        self._bytes = total_bytes
        return round(bits / window_s)
