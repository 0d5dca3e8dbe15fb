"""What one peer counted, as plain numbers that can be added up over peers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class PeerCounts:
    """Since the peer was made. All but `holes` only grow; a late packet closes a hole."""

    packets: int = 0
    """RTP packets that arrived, retransmissions included."""
    bytes: int = 0
    """Their datagrams, as on the wire."""
    holes: int = 0
    """Numbers of media streams that never came."""
    duplicates: int = 0
    reordered: int = 0
    recovered: int = 0
    """Holes filled by a retransmission."""
    overflows: int = 0
    """Datagrams that the kernel dropped because the tester was too slow to read: its own loss."""
    unopened: int = 0
    """Packets that were to be decrypted and did not authenticate."""
    rtx_received: int = 0
    nacks_sent: int = 0
    """NACK packets, each with one or more numbers."""
    plis_sent: int = 0
    rrs_sent: int = 0
    rembs_sent: int = 0
    keyframe_requests: int = 0
    """PLI and FIR that arrived for what this peer sends."""
    nacks_received: int = 0
    resent: int = 0
    """Packets sent again because a NACK asked for them."""
