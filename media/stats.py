"""Snapshots of one peer's counters, as they cross the seam."""

from __future__ import annotations

from collections.abc import Iterable
from operator import add
from typing import Final

from media.layer import Layer, layer_name
from media.layer_choice import wanted_layers
from media.peer import Peer
from media.publisher import PublishedTrack, Publisher
from media.rtp import HEADER_BYTES
from media.seam import LayerStats, PeerStats, SlotStats, TrackStats
from media.viewer import Viewer, ViewerSlot

TRAFFIC: Final = (
    "packets_in",
    "bytes_in",
    "packets_out",
    "bytes_out",
    "nacks_in",
    "nacks_out",
    "plis_in",
    "plis_out",
    "twcc_out",
    "retransmitted",
    "recovered",
    "lost_in",
    "lost_out",
    "switches",
)
"""Fields of `PeerStats` that add up over peers, and the `switches` of their slots."""


class Traffic:
    """Sums over all peers there ever were: they only grow, as counters of `/metrics` must."""

    def __init__(self) -> None:
        self._closed = [0] * len(TRAFFIC)

    def close(self, peer: Peer) -> None:
        """Keep the last counters of a peer that goes."""
        self._closed = list(map(add, self._closed, _traffic(peer)))

    def totals(self, living: Iterable[Peer]) -> dict[str, int]:
        """Of the closed and the living; a few microseconds a peer, because packets wait."""
        sums = self._closed
        for peer in living:
            sums = list(map(add, sums, _traffic(peer)))
        return dict(zip(TRAFFIC, sums, strict=True))


def _traffic(peer: Peer) -> tuple[int, ...]:
    """The fields of `TRAFFIC`; a viewer's without the rest of the snapshot."""
    if not isinstance(peer, Viewer):
        stats = peer_stats(peer)
        return tuple(getattr(stats, name, 0) for name in TRAFFIC)
    packets = payload_bytes = retransmitted = lost = switches = 0
    for stream in peer.downlink.streams.values():
        packets += stream.packets
        payload_bytes += stream.payload_bytes
        retransmitted += stream.retransmitted
        lost += stream.lost
        switches += stream.switches
    bytes_out = payload_bytes + packets * HEADER_BYTES
    return (
        peer.packets_in, peer.bytes_in, packets, bytes_out, peer.nacks_in, 0, peer.plis_in, 0, 0,
        retransmitted, 0, 0, lost, switches,
    )  # fmt: skip


def peer_stats(peer: Peer) -> PeerStats:
    """Counters since the peer was created; all numbers are copies."""
    if isinstance(peer, Publisher):
        return _publisher_stats(peer)
    if isinstance(peer, Viewer):
        return _viewer_stats(peer)
    raise TypeError(f"no statistics of {type(peer).__name__}")


def _publisher_stats(peer: Publisher) -> PeerStats:
    layers = [layer.source.stats() for layer in peer.layers]
    rtts = [layer.rtt_s for layer in layers if layer.rtt_s is not None]
    dropped = dict(peer.dropped)
    for layer in layers:
        for reason, count in layer.dropped.items():
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
        nacks_out=sum(layer.nacks_sent for layer in layers),
        plis_in=0,
        plis_out=sum(layer.plis_sent for layer in layers),
        twcc_out=peer.twcc_sent,
        retransmitted=0,
        resend_missing=0,
        recovered=sum(layer.recovered for layer in layers),
        lost_in=sum(layer.lost for layer in layers),
        lost_out=0,
        loss=max((layer.loss for layer in layers), default=0.0),
        dropped=dropped,
        rtt_ms=min(rtts) * 1000 if rtts else None,
        estimate_bps=None,
        tracks=tuple(_track_stats(track) for track in peer.tracks),
    )


def _track_stats(track: PublishedTrack) -> TrackStats:
    layers = tuple(_layer_stats(layer) for layer in track.layers)
    return TrackStats(track.info.track_id, track.codec.name, layers)


def _layer_stats(layer: Layer) -> LayerStats:
    stats = layer.source.stats()
    return LayerStats(
        rid=layer.rid,
        bitrate_bps=layer.rate.bps,
        packets=stats.packets,
        lost=stats.lost,
        recovered=stats.recovered,
        loss=stats.loss,
        jitter_ms=stats.jitter_s * 1000,
        nacks=stats.nacks_sent,
        plis=stats.plis_sent,
        keyframes=stats.keyframes,
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
        twcc_out=0,
        retransmitted=sum(stream.retransmitted for stream in streams),
        resend_missing=sum(stream.resend_missing for stream in streams),
        recovered=0,
        lost_in=0,
        lost_out=sum(stream.lost for stream in streams),
        loss=max((stream.loss for stream in streams), default=0.0),
        dropped=peer.dropped,
        rtt_ms=min(rtts) * 1000 if rtts else None,
        estimate_bps=peer.downlink.estimate_bps,
        slots=tuple(_slot_stats(slot) for slot in peer.slots.values()),
    )


def _slot_stats(slot: ViewerSlot) -> SlotStats:
    stats = slot.stream.stats()
    track, shown = slot.track, slot.shown
    layer = temporal = None
    if track is not None and shown is not None:
        layer = layer_name(track.layers.index(shown), len(track.layers))
        temporal = slot.stream.forwarder.max_temporal
    return SlotStats(
        mid=slot.mid,
        track_id=track.info.track_id if track is not None else None,
        size=slot.size,
        layer=layer,
        temporal=temporal,
        limited_by=wanted_layers(slot).limited_by,
        bitrate_bps=slot.rate.bps,
        packets=stats.packets,
        lost=stats.lost,
        loss=stats.loss,
        jitter_ms=stats.jitter_ticks * 1000 / (slot.codec.clock_rate if slot.codec else 90_000),
        rtt_ms=None if stats.rtt_s is None else stats.rtt_s * 1000,
        nacks=stats.nacked,
        retransmitted=stats.retransmitted,
        switches=stats.switches,
    )
