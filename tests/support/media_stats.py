"""Statistics of a transport, as media tells them: all zero but what a test names."""

from __future__ import annotations

import msgspec

from media.seam import LayerStats, PeerId, PeerStats, TrackId, TrackStats

_STILL = PeerStats(
    peer_id=PeerId(""),
    state="connected",
    srtp_profile="SRTP_AEAD_AES_128_GCM",
    packets_in=0,
    bytes_in=0,
    packets_out=0,
    bytes_out=0,
    nacks_in=0,
    nacks_out=0,
    plis_in=0,
    plis_out=0,
    twcc_out=0,
    retransmitted=0,
    resend_missing=0,
    recovered=0,
    lost_in=0,
    lost_out=0,
    loss=0.0,
    dropped={},
    rtt_ms=None,
    estimate_bps=None,
)


def peer_stats(peer_id: str, **fields: object) -> PeerStats:
    return msgspec.structs.replace(_STILL, peer_id=PeerId(peer_id), **fields)


def track_with(jitter_ms: float, bitrate_bps: int = 1_000) -> TrackStats:
    """A track of one layer."""
    layer = LayerStats(
        rid="",
        bitrate_bps=bitrate_bps,
        packets=1,
        lost=0,
        recovered=0,
        loss=0.0,
        jitter_ms=jitter_ms,
        nacks=0,
        plis=0,
        keyframes=1,
    )
    return TrackStats(TrackId("u/p/camera"), "vp8", (layer,))
