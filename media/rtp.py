"""RTP packets (RFC 3550 §5.1) and their header extensions (RFC 8285).

Read: `parse_rtp_untrusted` splits received bytes, `ExtensionReader` picks the extensions we use.
Keep: `SourcePacket`, made once for each *received* packet and shared by every subscriber.
Write: `ExtensionLayout` makes the extension block of one outgoing stream; `HEADER` packs the rest.

     0                   1                   2                   3
    |V=2|P|X|  CC   |M|     PT      |       sequence number         |
    |                           timestamp                           |
    |                             SSRC                              |
    |                        CSRC (0..15 words)                     |
    |      defined by profile       |        length in words        |  if X
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from media.errors import RemoteProtocolError
from media.payload.red import RedLayout
from media.payload.vp8 import Vp8Descriptor

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
VIDEO_ORIENTATION_URI: Final = "urn:3gpp:video-orientation"
ABS_SEND_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
ABS_CAPTURE_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"

HEADER_BYTES: Final = 12
HEADER: Final = struct.Struct("!HHII")
"""V/P/X/CC and M/PT as one 16-bit word, sequence number, timestamp, SSRC."""

VERSION_WORD: Final = 0x8000
EXTENSION_WORD: Final = 0x1000
MARKER_WORD: Final = 0x0080

ONE_BYTE_PROFILE: Final = 0xBEDE
TWO_BYTE_PROFILE: Final = 0x1000

# Which extensions a packet carries; a batch of packets without any is the common video case.
HAS_AUDIO_LEVEL: Final = 1
HAS_VIDEO_ORIENTATION: Final = 2
HAS_ABS_CAPTURE_TIME: Final = 4

_FIXED = struct.Struct("!BBHII")
_WORD_PAIR = struct.Struct("!HH")


class RtpHeader:
    """Where things are in one received RTP packet; offsets count bytes from its start.

    `payload_end` is before the padding. `extension_profile` is 0 without an extension block.
    """

    __slots__ = (
        "extension_end",
        "extension_profile",
        "extension_start",
        "marker",
        "payload_end",
        "payload_start",
        "payload_type",
        "rtp_timestamp",
        "seq",
        "ssrc",
    )

    def __init__(
        self, marker: bool, payload_type: int, seq: int, rtp_timestamp: int, ssrc: int
    ) -> None:
        self.marker = marker
        self.payload_type = payload_type
        self.seq = seq
        self.rtp_timestamp = rtp_timestamp
        self.ssrc = ssrc
        self.extension_profile = 0
        self.extension_start = 0
        self.extension_end = 0
        self.payload_start = HEADER_BYTES
        self.payload_end = HEADER_BYTES


def peek_ssrc_untrusted(data: bytes) -> int:
    """The SSRC of an RTP packet, so that a demultiplexer need not parse it whole."""
    if len(data) < HEADER_BYTES:
        raise RemoteProtocolError("rtp_too_short")
    return int.from_bytes(data[8:12], "big")


def parse_rtp_untrusted(data: bytes) -> RtpHeader:
    """Split one decrypted RTP packet; raises `RemoteProtocolError` for any malformed bytes."""
    size = len(data)
    if size < HEADER_BYTES:
        raise RemoteProtocolError("rtp_too_short")
    first, second, seq, rtp_timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != 2:
        raise RemoteProtocolError("rtp_version")
    header = RtpHeader(second >= 0x80, second & 0x7F, seq, rtp_timestamp, ssrc)
    position = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if position + 4 > size:
            raise RemoteProtocolError("rtp_extension_truncated")
        header.extension_profile, words = _WORD_PAIR.unpack_from(data, position)
        header.extension_start = position + 4
        header.extension_end = position = position + 4 + 4 * words
    if position > size:
        raise RemoteProtocolError("rtp_header_truncated")
    end = size
    if first & 0x20:
        padding = data[-1]
        if padding == 0 or padding > size - position:
            raise RemoteProtocolError("rtp_padding")
        end -= padding
    header.payload_start = position
    header.payload_end = end
    return header


def read_extensions_untrusted(data: bytes, header: RtpHeader) -> dict[int, bytes]:
    """All header extension elements by id (the last one wins); {} for an unknown profile.

    RFC 8285 §4.2 (one byte: id 0 pads, id 15 ends the list) and §4.3 (two bytes).
    Raises `RemoteProtocolError` where an element reaches beyond its block.
    """
    profile = header.extension_profile
    position, end = header.extension_start, header.extension_end
    elements: dict[int, bytes] = {}
    if profile == ONE_BYTE_PROFILE:
        while position < end:
            first = data[position]
            position += 1
            if first == 0:
                continue
            if first >> 4 == 15:
                break
            stop = position + (first & 0x0F) + 1
            if stop > end:
                raise RemoteProtocolError("rtp_extension_truncated")
            elements[first >> 4] = data[position:stop]
            position = stop
    elif profile & 0xFFF0 == TWO_BYTE_PROFILE:
        while position < end:
            identifier = data[position]
            position += 1
            if identifier == 0:
                continue
            if position >= end:
                raise RemoteProtocolError("rtp_extension_truncated")
            stop = position + 1 + data[position]
            if stop > end:
                raise RemoteProtocolError("rtp_extension_truncated")
            elements[identifier] = data[position + 1 : stop]
            position = stop
    return elements


class ExtensionValues:
    """The extensions of one packet that we understand; None where absent or of a wrong length.

    `audio_level` is the byte of RFC 6464 §3 (V bit and -dBov), `video_orientation` that of 3GPP
    TS 26.114 §7.4.5, `abs_capture_time` the capture instant as 64-bit NTP of the *sender's* clock.
    """

    __slots__ = ("abs_capture_time", "audio_level", "mid", "video_orientation")

    def __init__(self) -> None:
        self.mid: bytes | None = None
        self.audio_level: int | None = None
        self.video_orientation: int | None = None
        self.abs_capture_time: int | None = None


class ExtensionReader:
    """Reads the extensions we use, given the ids negotiated for an m-line (`{uri: id}`)."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._mid = ids.get(MID_URI, 0)
        self._audio_level = ids.get(AUDIO_LEVEL_URI, 0)
        self._video_orientation = ids.get(VIDEO_ORIENTATION_URI, 0)
        self._abs_capture_time = ids.get(ABS_CAPTURE_TIME_URI, 0)

    def read_untrusted(self, data: bytes, header: RtpHeader) -> ExtensionValues:
        """Raises `RemoteProtocolError` for a malformed block; wrong lengths are left out."""
        values = ExtensionValues()
        if not header.extension_profile:
            return values
        elements = read_extensions_untrusted(data, header)
        values.mid = elements.get(self._mid)
        level = elements.get(self._audio_level)
        if level is not None and len(level) == 1:
            values.audio_level = level[0]
        orientation = elements.get(self._video_orientation)
        if orientation is not None and len(orientation) == 1:
            values.video_orientation = orientation[0]
        capture = elements.get(self._abs_capture_time)
        if capture is not None and len(capture) in (8, 16):
            values.abs_capture_time = int.from_bytes(capture[:8], "big")
        return values


class SourcePacket:
    """One received packet, as all its subscribers share it; never changed after `SourceTrack`.

    `ext_seq` and `ext_timestamp` are unwrapped on arrival; `peak_timestamp` is the highest
    `ext_timestamp` of the source so far (B-frames may be below it). `arrival` is monotonic
    seconds. `is_keyframe_start` marks the first packet of a key frame. `abs_capture_time` is
    64-bit NTP on *our* wall clock. `extension_flags` tells which extension values are present.
    `payload` is without padding and may be empty (a padding-only probe). `red` is set when it is a
    RED payload; a source that sends RED may send plain Opus between. `vp8_before` of a VP8 packet
    without payload is the descriptor before it, so that counters can go on over a switch after it.
    """

    __slots__ = (
        "abs_capture_time",
        "arrival",
        "audio_level",
        "ext_seq",
        "ext_timestamp",
        "extension_flags",
        "is_keyframe_start",
        "marker",
        "payload",
        "payload_type",
        "peak_timestamp",
        "red",
        "source_id",
        "ssrc",
        "video_orientation",
        "vp8",
        "vp8_before",
    )

    def __init__(
        self,
        *,
        source_id: int,
        ssrc: int,
        ext_seq: int,
        ext_timestamp: int,
        arrival: float,
        payload: bytes,
        payload_type: int = 0,
        marker: bool = False,
        peak_timestamp: int | None = None,
        is_keyframe_start: bool = False,
        vp8: Vp8Descriptor | None = None,
        vp8_before: Vp8Descriptor | None = None,
        red: RedLayout | None = None,
        audio_level: int | None = None,
        video_orientation: int | None = None,
        abs_capture_time: int | None = None,
    ) -> None:
        self.source_id = source_id
        self.ssrc = ssrc
        self.ext_seq = ext_seq
        self.ext_timestamp = ext_timestamp
        self.peak_timestamp = ext_timestamp if peak_timestamp is None else peak_timestamp
        self.arrival = arrival
        self.payload = payload
        self.payload_type = payload_type
        self.marker = marker
        self.is_keyframe_start = is_keyframe_start
        self.vp8 = vp8
        self.vp8_before = vp8_before
        self.red = red
        self.audio_level = audio_level
        self.video_orientation = video_orientation
        self.abs_capture_time = abs_capture_time
        self.extension_flags = (
            (HAS_AUDIO_LEVEL if audio_level is not None else 0)
            | (HAS_VIDEO_ORIENTATION if video_orientation is not None else 0)
            | (HAS_ABS_CAPTURE_TIME if abs_capture_time is not None else 0)
        )

    @property
    def seq(self) -> int:
        """The sequence number as it was on the wire."""
        return self.ext_seq & 0xFFFF

    @property
    def rtp_timestamp(self) -> int:
        """The timestamp as it was on the wire."""
        return self.ext_timestamp & 0xFFFFFFFF


class ExtensionLayout:
    """The header extension block of one outgoing stream: which elements, with which ids.

    Streams of different viewers with the same ids and `mid` share one layout (see
    `extension_layout`), so that the fan-out builds a block once a batch for all of them.
    """

    __slots__ = (
        "_abs_capture_time",
        "_abs_send_time",
        "_audio_level",
        "_fixed",
        "_two_byte",
        "_video_orientation",
        "is_stamped",
    )

    def __init__(self, ids: Mapping[str, int], mid: str | None) -> None:
        used = [identifier for uri, identifier in ids.items() if uri in _WRITABLE]
        self._two_byte = any(identifier > 14 for identifier in used) or len(mid or "") > 16
        self._abs_send_time = ids.get(ABS_SEND_TIME_URI, 0)
        self._audio_level = ids.get(AUDIO_LEVEL_URI, 0)
        self._video_orientation = ids.get(VIDEO_ORIENTATION_URI, 0)
        self._abs_capture_time = ids.get(ABS_CAPTURE_TIME_URI, 0)
        mid_id = ids.get(MID_URI, 0)
        self._fixed = self._element(mid_id, mid.encode()) if mid_id and mid else b""
        self.is_stamped = self._abs_send_time != 0

    def block(self, packet: SourcePacket, stamp: int) -> bytes:
        """The whole block with its 4-byte head, or b"" when there is nothing to say.

        `stamp` is the time of our sending as 24-bit abs-send-time (6.18 fixed point seconds).
        """
        parts = self._fixed
        if self._abs_send_time:
            parts = self._element(self._abs_send_time, stamp.to_bytes(3, "big")) + parts
        if packet.extension_flags:
            parts += self._packet_elements(packet)
        if not parts:
            return b""
        parts += bytes(-len(parts) & 3)
        profile = TWO_BYTE_PROFILE if self._two_byte else ONE_BYTE_PROFILE
        return _WORD_PAIR.pack(profile, len(parts) >> 2) + parts

    def _packet_elements(self, packet: SourcePacket) -> bytes:
        parts = b""
        if self._audio_level and packet.audio_level is not None:
            parts += self._element(self._audio_level, bytes((packet.audio_level,)))
        if self._video_orientation and packet.video_orientation is not None:
            parts += self._element(self._video_orientation, bytes((packet.video_orientation,)))
        if self._abs_capture_time and packet.abs_capture_time is not None:
            parts += self._element(
                self._abs_capture_time, packet.abs_capture_time.to_bytes(8, "big")
            )
        return parts

    def _element(self, identifier: int, value: bytes) -> bytes:
        if self._two_byte:
            return bytes((identifier, len(value))) + value
        return bytes((identifier << 4 | len(value) - 1,)) + value


_WRITABLE: Final = frozenset(
    (MID_URI, AUDIO_LEVEL_URI, VIDEO_ORIENTATION_URI, ABS_SEND_TIME_URI, ABS_CAPTURE_TIME_URI)
)


def extension_layout(ids: Mapping[str, int], mid: str | None) -> ExtensionLayout:
    """The layout for negotiated `{uri: id}`; equal arguments give the same object."""
    known = tuple(sorted((uri, number) for uri, number in ids.items() if uri in _WRITABLE))
    return _shared_layout(known, mid)


@lru_cache(maxsize=4096)
def _shared_layout(ids: tuple[tuple[str, int], ...], mid: str | None) -> ExtensionLayout:
    # A pure function's memo: viewers with the same client have the same ids and mids.
    return ExtensionLayout(dict(ids), mid)


class Unwrapper:
    """Unwraps a counter of `bits` bits to the value nearest to the highest one seen.

    The first value is lifted by one cycle, so that what came just before it stays positive.
    """

    __slots__ = ("_half", "_mask", "highest")

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << (bits - 1)
        self.highest = -1

    def unwrap(self, value: int) -> int:
        """Unwrap and remember; a value half a cycle or more back counts as ahead."""
        if self.highest < 0:
            self.highest = value + self._mask + 1
            return self.highest
        unwrapped = self.nearest(value)
        if unwrapped > self.highest:
            self.highest = unwrapped
        return unwrapped

    def nearest(self, value: int) -> int:
        """Unwrap without remembering."""
        base = max(self.highest, 0)
        return base + ((value - base + self._half) & self._mask) - self._half


MAX_DROPOUT: Final = 3000
"""Packets a sequence may jump ahead at once (RFC 3550 A.1)."""
MAX_MISORDER: Final = 3000
"""Packets one may be late; wider than RFC 3550's 100 because retransmissions come late."""


class SequenceUnwrapper:
    """Sequence numbers to `ext_seq`, with the restart rule of RFC 3550 A.1.

    A number far from the others is dropped (None); a second one right after it means that the
    sender restarted: the count goes on at the next higher `ext_seq` with the new low 16 bits, and
    `restarts` grows. `ext_seq` therefore never goes back and always ends in the wire number.
    """

    __slots__ = ("_suspect", "highest", "restarts")

    def __init__(self) -> None:
        self.highest = -1
        self.restarts = 0
        self._suspect = -1

    def unwrap(self, seq: int) -> int | None:
        highest = self.highest
        if highest < 0:
            self.highest = seq + 0x10000
            return self.highest
        delta = ((seq - highest + 0x8000) & 0xFFFF) - 0x8000
        if 0 < delta <= MAX_DROPOUT:
            self._suspect = -1
            self.highest = highest + delta
            return self.highest
        if -MAX_MISORDER <= delta <= 0:
            return highest + delta
        if seq != self._suspect:
            self._suspect = (seq + 1) & 0xFFFF
            return None
        self._suspect = -1
        self.restarts += 1
        self.highest = highest + ((seq - highest) & 0xFFFF)
        return self.highest

    def nearest(self, seq: int) -> int:
        """The `ext_seq` nearest to the highest, without remembering it (retransmissions)."""
        base = max(self.highest, 0)
        return base + ((seq - base + 0x8000) & 0xFFFF) - 0x8000
