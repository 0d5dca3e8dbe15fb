"""Snapshots of one peer's counters, as they cross the seam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from media.peer import Peer
from media.publisher import Publisher
from media.rtp import HEADER_BYTES
from media.seam import PeerStats
from media.viewer import Viewer

TRAFFIC: Final = (
    "packets_in",
    "bytes_in",
    "packets_out",
    "bytes_out",
    "nacks_in",
    "nacks_out",
    "plis_in",
    "plis_out",
    "retransmitted",
    "lost",
)
"""Fields of `PeerStats` that add up over peers."""


class Traffic:
    """Sums over all peers there ever were: they only grow, as counters of `/metrics` must."""

    def __init__(self) -> None:
        self._closed = dict.fromkeys(TRAFFIC, 0)

    def close(self, peer: Peer) -> None:
        """Keep the last counters of a peer that goes."""
        self._add(self._closed, peer)

    def totals(self, living: Iterable[Peer]) -> dict[str, int]:
        """Of the closed and the living; costs one snapshot a peer."""
        totals = dict(self._closed)
        for peer in living:
            self._add(totals, peer)
        return totals

    @staticmethod
    def _add(totals: dict[str, int], peer: Peer) -> None:
        stats = peer_stats(peer)
        for name in TRAFFIC:
            totals[name] += getattr(stats, name)


def peer_stats(peer: Peer) -> PeerStats:
    """Counters since the peer was created; all numbers are copies."""
    if isinstance(peer, Publisher):
        return _publisher_stats(peer)
    if isinstance(peer, Viewer):
        return _viewer_stats(peer)
    raise TypeError(f"no statistics of {type(peer).__name__}")


def _publisher_stats(peer: Publisher) -> PeerStats:
    tracks = [track.source.stats() for track in peer.tracks]
    dropped = dict(peer.dropped)
    for track in tracks:
        for reason, count in track.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return PeerStats(
        peer_id=peer.peer_id,
        state=peer.transport.state,
        srtp_profile=peer.srtp_profile,
        packets_in=peer.packets_in,
        bytes_in=peer.bytes_in,
        packets_out=0,
        bytes_out=0,
        nacks_in=0,
        nacks_out=sum(track.nacks_sent for track in tracks),
        plis_in=0,
        plis_out=sum(track.plis_sent for track in tracks),
        retransmitted=sum(track.recovered for track in tracks),
        lost=sum(track.lost for track in tracks),
        dropped=dropped,
        rtt_ms=None,
        estimate_bps=None,
    )


def _viewer_stats(peer: Viewer) -> PeerStats:
    streams = [stream.stats() for stream in peer.downlink.streams.values()]
    packets = sum(stream.packets for stream in streams)
    rtts = [stream.rtt_s for stream in streams if stream.rtt_s is not None]
    return PeerStats(
        peer_id=peer.peer_id,
        state=peer.transport.state,
        srtp_profile=peer.srtp_profile,
        packets_in=peer.packets_in,
        bytes_in=peer.bytes_in,
        packets_out=packets,
        bytes_out=sum(stream.payload_bytes for stream in streams) + packets * HEADER_BYTES,
        nacks_in=peer.nacks_in,
        nacks_out=0,
        plis_in=peer.plis_in,
        plis_out=0,
        retransmitted=sum(stream.retransmitted for stream in streams),
        lost=sum(stream.resend_missing for stream in streams),
        dropped=peer.dropped,
        rtt_ms=min(rtts) * 1000 if rtts else None,
        estimate_bps=peer.downlink.estimate_bps,
    )
