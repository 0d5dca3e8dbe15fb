"""What crosses between two media workers: RTP in the clear, clocks, and requests for key frames.

Frames follow each other on a Unix stream socket; all numbers are big-endian.

     0               2       3               7       8
    | length (16)   | kind  | channel (32)  | layer | body ...
      of all after

    HELLO      exporter -> importer    none: this link is the way back
    PACKET     exporter -> importer    one RTP packet with the ids of `RELAYED_IDS`
    REPORT     exporter -> importer    NTP time (64), RTP timestamp of then (32)
    KEYFRAME   importer -> exporter    none: somebody needs a key frame
    DEAF       exporter -> importer    none: the publisher ignores such requests

`channel` numbers the crossing of one track to one worker (the front chose it), `layer` its
encodings, lowest first. Sequence numbers and timestamps are the publisher's; retransmissions that
mended a loss come as the packets they carried.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from media.errors import RemoteProtocolError
from media.rtp import (
    ABS_CAPTURE_TIME_URI,
    AUDIO_LEVEL_URI,
    EXTENSION_WORD,
    HEADER,
    MARKER_WORD,
    VERSION_WORD,
    VIDEO_ORIENTATION_URI,
    SourcePacket,
    extension_layout,
)

RELAYED_IDS: Final = {AUDIO_LEVEL_URI: 1, VIDEO_ORIENTATION_URI: 2, ABS_CAPTURE_TIME_URI: 3}
"""Header extensions that viewers may be sent, under ids of our own; the publisher's others (mid,
rid, transport numbers) were for us."""
_LAYOUT: Final = extension_layout(RELAYED_IDS, None)
_LENGTH: Final = struct.Struct("!H")
_HEAD: Final = struct.Struct("!HBIB")
_AFTER_LENGTH: Final = struct.Struct("!BIB")
_REPORT: Final = struct.Struct("!QI")


class Kind(IntEnum):
    """See the module's text."""

    HELLO = 0
    PACKET = 1
    REPORT = 2
    KEYFRAME = 3
    DEAF = 4


class Frame(NamedTuple):
    """One frame; `body` as its kind says."""

    kind: int
    channel: int
    layer: int
    body: bytes


def frame(kind: Kind, channel: int, layer: int = 0, body: bytes = b"") -> bytes:
    return _HEAD.pack(_AFTER_LENGTH.size + len(body), kind, channel, layer) + body


def packet_frames(
    channel: int, layer: int, packets: Iterable[SourcePacket], block_payload_type: int | None
) -> bytes:
    """One frame for each packet. `block_payload_type`: of Opus outside RED, for tracks of RED."""
    parts: list[bytes] = []
    for packet in packets:
        payload_type = packet.payload_type
        if block_payload_type is not None and packet.red is None:
            payload_type = block_payload_type
        block = _LAYOUT.block(packet, 0)
        word = VERSION_WORD | payload_type
        if packet.marker:
            word |= MARKER_WORD
        if block:
            word |= EXTENSION_WORD
        size = _AFTER_LENGTH.size + HEADER.size + len(block) + len(packet.payload)
        parts += (
            _HEAD.pack(size, Kind.PACKET, channel, layer),
            HEADER.pack(
                word, packet.ext_seq & 0xFFFF, packet.ext_timestamp & 0xFFFFFFFF, packet.ssrc
            ),
            block,
            packet.payload,
        )
    return b"".join(parts)


def report_body(ntp: int, rtp_timestamp: int) -> bytes:
    return _REPORT.pack(ntp, rtp_timestamp & 0xFFFFFFFF)


def read_report_untrusted(body: bytes) -> tuple[int, int]:
    """(NTP, RTP timestamp)."""
    if len(body) != _REPORT.size:
        raise RemoteProtocolError("relay_report")
    ntp, rtp_timestamp = _REPORT.unpack(body)
    return ntp, rtp_timestamp


class FrameReader:
    """Cuts a stream into frames. Bytes that are none end the link: raises
    `RemoteProtocolError`."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def read_untrusted(self, data: bytes) -> list[Frame]:
        """The frames that are whole now."""
        data = self._rest + data
        position, end = 0, len(data)
        frames: list[Frame] = []
        while end - position >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, position)
            if length < _AFTER_LENGTH.size:
                raise RemoteProtocolError("relay_length")
            start = position + _LENGTH.size
            if start + length > end:
                break
            kind, channel, layer = _AFTER_LENGTH.unpack_from(data, start)
            body = data[start + _AFTER_LENGTH.size : start + length]
            frames.append(Frame(kind, channel, layer, body))
            position = start + length
        self._rest = data[position:]
        return frames
