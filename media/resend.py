"""Answering a viewer's NACK (RFC 4585 §6.2.1), by RTX (RFC 4588) where it was negotiated.

Outgoing number -> segment and source packet (forwarder) -> ring of that source -> sent again.
Without RTX the resend is bit-identical to the first transmission (DESIGN 3.7): it is computed from
the same packet and segment, and such streams carry no send time (see `OutStream`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from media.downlink import OutStream
from media.fanout import RunSender, outgoing_payload, plain_datagram
from media.forwarder import Segment
from media.payload.red import primary
from media.ring import RetransmissionRing
from media.rtp import EXTENSION_WORD, HEADER, MARKER_WORD, VERSION_WORD, SourcePacket

RingOf = Callable[[int], RetransmissionRing | None]
"""The ring of a source by its id, None when it is gone."""


def answer_nack(
    stream: OutStream,
    seqs: Iterable[int],
    *,
    ring_of: RingOf,
    sender: RunSender,
    stamp: int,
    now: float,
    only_source: int | None = None,
) -> int:
    """Send again what can be; returns how many. `seqs` are 16-bit outgoing sequence numbers.

    Limited by the stream's budget. A packet lost on its way to us is sent when it came by now.
    With `only_source` packets of no other source are: that of a layer that is being left, for
    being too much, would hold up the key frame of the next.
    """
    protector = stream.downlink.protector
    sent = 0
    for seq in seqs:
        stream.nacked += 1
        if protector is None or not stream.can_resend:
            continue
        found = stream.forwarder.locate(seq)
        ring = None if found is None else ring_of(found[0].source_id)
        packet = None if found is None or ring is None else ring.get(found[1])
        if found is not None and stream.layout.is_stamped and not has_rtx(found[0], stream):
            packet = None  # a plain resend would carry another stamp under the same number
        if found is None or packet is None or packet.ext_seq < found[0].source_start:
            stream.resend_missing += 1
            continue
        is_left = only_source is not None and packet.source_id != only_source
        if is_left or not stream.resend_budget.take(now):
            stream.resend_refused += 1
            continue
        data = protector.protect_rtp(again(packet, found[0], stream, stamp))
        if data:
            sender.send(data, stream.downlink.address)
            sent += 1
            stream.resent_bytes += len(packet.payload)
    stream.retransmitted += sent
    return sent


def is_past_mending(stream: OutStream, seqs: Sequence[int], ring_of: RingOf) -> bool:
    """Whether the first of `seqs` belongs to what the slot shows now and is kept no more: then it
    stands still until a key frame, which some viewers ask for only after seconds of waiting."""
    found = stream.forwarder.locate(seqs[0]) if seqs else None
    if found is None or found[0] is not stream.forwarder.segment:
        return False
    ring = ring_of(found[0].source_id)
    return ring is not None and ring.has_forgotten(found[1])


def has_rtx(segment: Segment, stream: OutStream) -> bool:
    """Whether packets of the segment are sent again on a stream of their own."""
    return stream.rtx_ssrc is not None and segment.feed.rtx_payload_type is not None


def again(packet: SourcePacket, segment: Segment, stream: OutStream, stamp: int) -> bytes:
    """The packet as it is sent again, before protection; takes the next RTX number."""
    if stream.rtx_ssrc is None or segment.feed.rtx_payload_type is None:
        return plain_datagram(packet, segment, stream, stamp)
    block = stream.layout.block(packet, stamp)
    head = VERSION_WORD | segment.feed.rtx_payload_type
    if packet.marker:
        head |= MARKER_WORD
    if block:
        head |= EXTENSION_WORD
    seq = stream.rtx_seq
    stream.rtx_seq = (seq + 1) & 0xFFFF
    header = HEADER.pack(
        head,
        seq,
        (packet.ext_timestamp + segment.timestamp_offset) & 0xFFFFFFFF,
        stream.rtx_ssrc,
    )
    original = (packet.ext_seq + segment.seq_offset) & 0xFFFF
    if packet.red is not None:
        # The RTX format repeats the viewer's Opus; what RED repeats has missed its time by now.
        payload = primary(packet.payload, packet.red)
    else:
        payload = outgoing_payload(packet, segment)
    return header + block + original.to_bytes(2, "big") + payload
