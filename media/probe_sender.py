"""What a probe is made of: recent packets once more on the RTX stream, else padding there.

A packet sent again may even mend a loss; a receiver drops it when it has it (RFC 4588 §4). While a
slot's picture is paused nothing of it is recent, and packets of padding alone (RFC 3550 §5.1) fill
the RTX stream: receivers measure them like any other. Either takes the next RTX number, so that no
number protects two plaintexts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from media.downlink import OutStream
from media.fanout import RunSender
from media.forwarder import Segment
from media.resend import again, has_rtx
from media.ring import RetransmissionRing
from media.rtp import EXTENSION_WORD, HEADER, VERSION_WORD, SourcePacket

RECENT_PACKETS: Final = 24
"""How far back packets are repeated: newer ones are likelier to be of use."""
MAX_PORTION_PACKETS: Final = 40
"""Of one portion (10 ms): 5 Mbit/s in padding, 35 in packets; what is more waits."""
_PADDING_WORD: Final = 0x2000
_PADDING: Final = bytes(254) + b"\xff"


def can_probe(stream: OutStream, rtx_payload_type: int | None) -> bool:
    """Whether there is a stream to send probes on."""
    return stream.rtx_ssrc is not None and rtx_payload_type is not None


def send_probe(
    stream: OutStream,
    ring: RetransmissionRing,
    rtx_payload_type: int,
    wanted_bytes: int,
    *,
    sender: RunSender,
    stamp: int,
) -> tuple[int, int]:
    """Send at least `wanted_bytes` of payload, if it can be; `(packets, bytes)` that were sent."""
    protector = stream.downlink.protector
    if protector is None:
        return 0, 0
    packets = sent_bytes = 0
    datagrams = _datagrams(stream, ring, rtx_payload_type, stamp)
    # One is made only to be sent: a number left out would look like a loss.
    while sent_bytes < wanted_bytes and packets < MAX_PORTION_PACKETS:
        plain, payload_bytes = next(datagrams, (b"", 0))
        data = protector.protect_rtp(plain) if plain else b""
        if not data:
            break
        sender.send(data, stream.downlink.address)
        packets += 1
        sent_bytes += payload_bytes
    return packets, sent_bytes


def _datagrams(
    stream: OutStream, ring: RetransmissionRing, rtx_payload_type: int, stamp: int
) -> Iterator[tuple[bytes, int]]:
    """Datagrams without end, each made when it is taken; none when nothing ever came."""
    newest = ring.newest(1)
    while newest:
        recent = list(_recent(stream, ring, newest[0]))
        for packet, segment in recent:
            yield again(packet, segment, stream, stamp), len(packet.payload)
        if not recent:
            yield _padding(newest[0], stream, rtx_payload_type, stamp), len(_PADDING)


def _recent(
    stream: OutStream, ring: RetransmissionRing, newest: SourcePacket
) -> Iterator[tuple[SourcePacket, Segment]]:
    """What of the ring was sent to this viewer of late, newest first."""
    forwarder = stream.forwarder
    now_open = forwarder.segment
    if now_open is None or now_open.source_id != newest.source_id:
        return
    last = newest.ext_seq + now_open.seq_offset
    for out_seq in range(last, last - RECENT_PACKETS, -1):
        found = forwarder.locate(out_seq & 0xFFFF)
        if found is None or found[0].source_id != newest.source_id or not has_rtx(found[0], stream):
            continue
        packet = ring.get(found[1])
        if packet is not None and packet.ext_seq >= found[0].source_start:
            yield packet, found[0]


def _padding(packet: SourcePacket, stream: OutStream, rtx_payload_type: int, stamp: int) -> bytes:
    block = stream.layout.block(packet, stamp)
    head = VERSION_WORD | _PADDING_WORD | rtx_payload_type
    if block:
        head |= EXTENSION_WORD
    seq = stream.rtx_seq
    stream.rtx_seq = (seq + 1) & 0xFFFF
    assert stream.rtx_ssrc is not None, "padding goes on the RTX stream"
    header = HEADER.pack(head, seq, packet.ext_timestamp & 0xFFFFFFFF, stream.rtx_ssrc)
    return header + block + _PADDING
