"""The fan-out: (packets that arrived together) x (subscribers) -> protected datagrams.

This is the hot path (DESIGN 3.9). What is the same for many viewers is computed once per batch: a
`Plan` holds, for one extension layout, payload types and VP8 numbering, the ready bodies (extension
block + payload) already cut into GSO runs. Viewers with the same client and the same history share
one plan, so per (packet, viewer) three steps remain: write header and body with one `pack_into`,
protect in place, and a share of one send.

    packets ----> plan: runs of (pack, head, ext_seq, ext_timestamp, body, length)
                    |
    streams ----> forwarder's offsets --> buffer | hdr body tag | hdr body tag | --> send_run

`fan_out_plain` does the same one packet at a time from the words of the RFC; tests compare bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from media.downlink import OutStream
from media.forwarder import Segment
from media.ice import Address
from media.payload.red import primary, retype
from media.payload.vp8 import renumber
from media.rtp import (
    EXTENSION_WORD,
    HEADER,
    HEADER_BYTES,
    MARKER_WORD,
    VERSION_WORD,
    ExtensionLayout,
    SourcePacket,
)
from media.srtp import OutBuffer

MAX_RUN_SEGMENTS: Final = 64
"""UDP_MAX_SEGMENTS of Linux."""
MAX_RUN_BYTES: Final = 65_507 - MAX_RUN_SEGMENTS * 16
"""Before protection: the largest UDP datagram less the tags of a full run."""


class RunSender(Protocol):
    """The shared UDP port; `media.udp.UdpPort`. Neither call blocks or raises."""

    def send(self, data: bytes | memoryview, address: Address, /) -> object: ...

    def send_run(self, view: memoryview, segment_bytes: int, address: Address, /) -> object:
        """Send `view` as datagrams of `segment_bytes`, the last of which may be shorter."""
        ...


class FanOutCounters:
    """Plain totals of all fan-outs, added once per (batch, viewer).

    `runs` counts `send_run` calls, `refused` packets that SRTP would not protect.
    """

    __slots__ = ("batches", "bytes", "packets", "refused", "runs")

    def __init__(self) -> None:
        self.batches = 0
        self.packets = 0
        self.bytes = 0
        self.runs = 0
        self.refused = 0


Entry = tuple[Callable[..., None], int, int, int, bytes, int]
"""pack_into, first 16 bits of the header, ext_seq, ext_timestamp, body, length with header."""


class Plan:
    """The bodies of one batch for all viewers who get them alike, cut into GSO runs.

    A run is `(plain bytes of its segments, entries)`; all entries are that long, only the last may
    be shorter.
    """

    __slots__ = ("packets", "payload_bytes", "runs")

    def __init__(self, entries: Sequence[Entry], payload_bytes: int) -> None:
        self.packets = len(entries)
        self.payload_bytes = payload_bytes
        self.runs = _cut_runs(entries)


def _cut_runs(entries: Sequence[Entry]) -> list[tuple[int, list[Entry]]]:
    runs: list[tuple[int, list[Entry]]] = []
    run: list[Entry] = []
    size = total = 0
    is_open = False
    for entry in entries:
        length = entry[5]
        if (
            not is_open
            or length > size
            or len(run) >= MAX_RUN_SEGMENTS
            or (total + length > MAX_RUN_BYTES)
        ):
            run = []
            runs.append((length, run))
            size, total = length, 0
        run.append(entry)
        total += length
        is_open = length == size  # a shorter one is the last of its run
    return runs


_PACKERS: Final[dict[int, Callable[..., None]]] = {}
"""Memo of `pack_into` by body length; bounded by the longest datagram."""


def _packer(body_bytes: int) -> Callable[..., None]:
    pack_into = _PACKERS.get(body_bytes)
    if pack_into is None:
        pack_into = _PACKERS[body_bytes] = struct.Struct(f"!HHII{body_bytes}s").pack_into
    return pack_into


def _entry(packet: SourcePacket, segment: Segment, layout: ExtensionLayout, stamp: int) -> Entry:
    head, body = head_and_body(packet, segment, layout, stamp)
    return (
        _packer(len(body)),
        head,
        packet.ext_seq,
        packet.ext_timestamp,
        body,
        HEADER_BYTES + len(body),
    )


def head_and_body(
    packet: SourcePacket, segment: Segment, layout: ExtensionLayout, stamp: int
) -> tuple[int, bytes]:
    """First 16 bits of the header, and all that follows the fixed header, for one segment."""
    block = layout.block(packet, stamp)
    feed = segment.feed
    head = VERSION_WORD | feed.payload_type
    if packet.red is not None and feed.red_payload_type is not None:
        head = VERSION_WORD | feed.red_payload_type
    if packet.marker:
        head |= MARKER_WORD
    if block:
        head |= EXTENSION_WORD
    return head, block + outgoing_payload(packet, segment)


def outgoing_payload(packet: SourcePacket, segment: Segment) -> bytes:
    """The payload as this segment's viewers take it: VP8 counters moved to the segment's
    numbering, RED with their payload types or unwrapped; others untouched."""
    if packet.red is not None:
        if segment.feed.red_payload_type is None:
            return primary(packet.payload, packet.red)
        return retype(packet.payload, packet.red, segment.feed.payload_type)
    if packet.vp8 is None:
        return packet.payload
    return renumber(
        packet.payload,
        packet.vp8,
        segment.picture_id_offset,
        segment.tl0picidx_offset,
        segment.keyidx_offset,
    )


def _payload_bytes(packet: SourcePacket, segment: Segment) -> int:
    """What a sender report counts (RFC 3550 §6.4.1)."""
    if packet.red is not None and segment.feed.red_payload_type is None:
        return len(packet.payload) - packet.red.primary_start
    return len(packet.payload)


def fan_out(  # hot path
    packets: Sequence[SourcePacket],
    streams: Sequence[OutStream],
    *,
    sender: RunSender,
    buffer: OutBuffer,
    stamp: int,
    counters: FanOutCounters,
) -> list[OutStream]:
    """Send a batch of one source's packets, in order of arrival, to all its subscribers.

    `streams` are those whose forwarder `wants` the source. `stamp` is `rtcp.ntp24` of now.
    Returns the streams that opened a new segment: they went live or switched, and want a sender
    report. A stream without keys yet is skipped.
    """
    if not packets:
        return []
    plans: dict[tuple[object, ...], Plan] = {}
    switched: list[OutStream] = []
    is_run = _is_consecutive(packets)
    source_id = packets[0].source_id
    for stream in streams:
        if stream.downlink.protector is None:
            continue
        replay = stream.replay
        if replay is not None and replay.source_id == source_id:
            continue  # these packets are in the cache: the replay will come to them
        forwarder = stream.forwarder
        segment = forwarder.admit_run(packets) if is_run else None
        if segment is not None:
            _send_batch(packets, (), stream, segment, plans, sender, buffer, stamp, counters)
            continue
        before = forwarder.openings
        for segment, admitted in _admit_singly(packets, stream):
            chosen = tuple(packet.ext_seq for packet in admitted)
            _send_batch(admitted, chosen, stream, segment, plans, sender, buffer, stamp, counters)
        if forwarder.openings != before and forwarder.segment is not None:
            stream.switches += 1
            switched.append(stream)
    counters.batches += 1
    return switched


def _send_batch(  # hot path
    packets: Sequence[SourcePacket],
    chosen: tuple[int, ...],
    stream: OutStream,
    segment: Segment,
    plans: dict[tuple[object, ...], Plan],
    sender: RunSender,
    buffer: OutBuffer,
    stamp: int,
    counters: FanOutCounters,
) -> None:
    layout = stream.layout
    key = (
        layout,
        segment.formats,
        segment.picture_id_offset,
        segment.tl0picidx_offset,
        segment.keyidx_offset,
        chosen,
    )
    plan = plans.get(key)
    if plan is None:
        entries = [_entry(packet, segment, layout, stamp) for packet in packets]
        payload_bytes = sum(_payload_bytes(packet, segment) for packet in packets)
        plan = plans[key] = Plan(entries, payload_bytes)
    downlink = stream.downlink
    protector = downlink.protector
    assert protector is not None, "streams without keys are skipped before"
    protect, tag_bytes, address = protector.protect_into, protector.tag_bytes, downlink.address
    view, send_run = buffer.view, sender.send_run
    seq_offset, timestamp_offset, ssrc = segment.seq_offset, segment.timestamp_offset, stream.ssrc
    sent_bytes = 0
    for segment_bytes, run in plan.runs:
        end = 0
        for pack_into, head, ext_seq, ext_timestamp, body, length in run:
            pack_into(
                view,
                end,
                head,
                (ext_seq + seq_offset) & 0xFFFF,
                (ext_timestamp + timestamp_offset) & 0xFFFFFFFF,
                ssrc,
                body,
            )
            protected = protect(buffer, end, length)
            if not protected:
                counters.refused += 1
            end += protected
        if end:
            send_run(view[:end], segment_bytes + tag_bytes, address)
            sent_bytes += end
    stream.packets += plan.packets
    stream.payload_bytes += plan.payload_bytes
    counters.packets += plan.packets
    counters.bytes += sent_bytes
    counters.runs += len(plan.runs)


def fan_out_replay(
    stream: OutStream,
    max_packets: int,
    *,
    sender: RunSender,
    buffer: OutBuffer,
    stamp: int,
    counters: FanOutCounters,
) -> list[OutStream]:
    """Send a newcomer the next packets of the cached group; `stream.replay` is None at its end.

    Call it before the fan-out of what just arrived. Returns what `fan_out` returns.
    """
    replay = stream.replay
    if replay is None:
        return []
    packets = replay.take(max_packets)
    stream.replay = None  # so that the fan-out lets these through
    switched = fan_out(
        packets, [stream], sender=sender, buffer=buffer, stamp=stamp, counters=counters
    )
    if not replay.is_done:
        stream.replay = replay
    return switched


def _is_consecutive(packets: Sequence[SourcePacket]) -> bool:
    first = packets[0]
    source_id, expected = first.source_id, first.ext_seq
    for packet in packets:
        if packet.ext_seq != expected or packet.source_id != source_id:
            return False
        expected += 1
    return True


def _admit_singly(
    packets: Sequence[SourcePacket], stream: OutStream
) -> list[tuple[Segment, list[SourcePacket]]]:
    """What the forwarder lets through, grouped by segment: the way of losses and switches."""
    groups: list[tuple[Segment, list[SourcePacket]]] = []
    for packet in packets:
        segment = stream.forwarder.admit(packet)
        if segment is None:
            continue
        if not groups or groups[-1][0] is not segment:
            groups.append((segment, []))
        groups[-1][1].append(packet)
    return groups


def fan_out_plain(
    packets: Sequence[SourcePacket],
    streams: Sequence[OutStream],
    *,
    sender: RunSender,
    stamp: int,
) -> None:
    """The oracle of `fan_out`: the same datagrams in the same order for each viewer, simply."""
    for stream in streams:
        protector = stream.downlink.protector
        if protector is None:
            continue
        for packet in packets:
            segment = stream.forwarder.admit(packet)
            if segment is None:
                continue
            data = protector.protect_rtp(plain_datagram(packet, segment, stream, stamp))
            if data:
                sender.send(data, stream.downlink.address)


def plain_datagram(packet: SourcePacket, segment: Segment, stream: OutStream, stamp: int) -> bytes:
    """One outgoing RTP packet before protection; the same arguments give the same bytes."""
    head, body = head_and_body(packet, segment, stream.layout, stamp)
    header = HEADER.pack(
        head,
        (packet.ext_seq + segment.seq_offset) & 0xFFFF,
        (packet.ext_timestamp + segment.timestamp_offset) & 0xFFFFFFFF,
        stream.ssrc,
    )
    return header + body
