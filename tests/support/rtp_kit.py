"""RTP for tests: packets made by hand, a viewer with real keys, a link that keeps datagrams."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from media.downlink import Downlink, OutOptions, OutStream
from media.forwarder import Feed
from media.ice import Address
from media.payload import inspect_untrusted
from media.payload.red import parse_red_untrusted
from media.rtp import SourcePacket
from media.srtp import AEAD_AES_128_GCM, SrtpProfile, SrtpReceiver, SrtpSender

VIDEO_TICKS = 3000
"""One frame at 30 fps on the 90 kHz clock."""
AUDIO_TICKS = 960
"""20 ms of Opus."""
SEQUENCE_STARTS = (0, 1, 127, 128, 32767, 32768, 65534, 65535)
"""Where counters go wrong, if they do."""


def rtp_bytes(
    seq: int,
    rtp_timestamp: int = 0,
    *,
    ssrc: int = 0x1111,
    payload_type: int = 96,
    payload: bytes = b"payload",
    marker: bool = False,
    csrcs: tuple[int, ...] = (),
    extensions: Mapping[int, bytes] | None = None,
    two_byte: bool = False,
    padding: int = 0,
) -> bytes:
    """One RTP packet as a sender writes it, independent of our own writer."""
    first = 0x80 | len(csrcs) | (0x10 if extensions is not None else 0) | (0x20 if padding else 0)
    data = struct.pack(
        "!BBHII",
        first,
        marker << 7 | payload_type,
        seq & 0xFFFF,
        rtp_timestamp & 0xFFFFFFFF,
        ssrc,
    )
    data += b"".join(struct.pack("!I", csrc) for csrc in csrcs)
    if extensions is not None:
        block = b""
        for identifier, value in extensions.items():
            if two_byte:
                block += bytes((identifier, len(value))) + value
            else:
                block += bytes((identifier << 4 | (len(value) - 1),)) + value
        block += bytes(-len(block) % 4)
        data += struct.pack("!HH", 0x1000 if two_byte else 0xBEDE, len(block) // 4) + block
    data += payload
    if padding:
        data += bytes(padding - 1) + bytes((padding,))
    return data


def vp8_payload(
    *,
    keyframe: bool = False,
    start: bool = True,
    picture_id: int | None = None,
    long_id: bool = True,
    tl0picidx: int | None = None,
    tid: int | None = None,
    sync: bool = False,
    keyidx: int | None = None,
    body: bytes = b"frame",
) -> bytes:
    """A VP8 payload with its descriptor (RFC 7741 §4.2) and the P bit of the frame header."""
    flags = 0
    fields = b""
    if picture_id is not None:
        flags |= 0x80
        long = struct.pack("!H", 0x8000 | picture_id & 0x7FFF)
        fields += long if long_id else bytes((picture_id & 0x7F,))
    if tl0picidx is not None:
        flags |= 0x40
        fields += bytes((tl0picidx & 0xFF,))
    if tid is not None or keyidx is not None:
        flags |= (0x20 if tid is not None else 0) | (0x10 if keyidx is not None else 0)
        fields += bytes(((tid or 0) << 6 | sync << 5 | ((keyidx or 0) & 0x1F),))
    first = (0x80 if flags else 0) | (0x10 if start else 0)
    head = bytes((first, flags)) + fields if flags else bytes((first,))
    return head + bytes((0x00 if keyframe else 0x01,)) + body


def red_payload(
    newest: bytes, older: Sequence[tuple[int, bytes]], *, payload_type: int = 111
) -> bytes:
    """A RED payload (RFC 2198 §3); `older` are (timestamp offset in ticks, data), oldest first."""
    heads = b"".join(
        struct.pack("!BHB", 0x80 | payload_type, ticks << 2 | len(data) >> 8, len(data) & 0xFF)
        for ticks, data in older
    )
    return heads + bytes((payload_type,)) + b"".join(data for _, data in older) + newest


def source_packet(
    ext_seq: int,
    *,
    source_id: int = 1,
    ext_timestamp: int | None = None,
    arrival: float = 0.0,
    payload: bytes = b"x" * 20,
    keyframe: bool = False,
    codec: str = "h264",
    marker: bool = False,
    audio_level: int | None = None,
    video_orientation: int | None = None,
    abs_capture_time: int | None = None,
) -> SourcePacket:
    """A received packet as `SourceTrack` would make it; VP8 and RED (of payload type 111) are
    read for real."""
    vp8 = inspect_untrusted(codec, payload)[1] if codec == "vp8" else None
    red = parse_red_untrusted(payload, 111) if codec == "red" else None
    return SourcePacket(
        source_id=source_id,
        ssrc=0x1000 + source_id,
        ext_seq=ext_seq,
        ext_timestamp=ext_seq * VIDEO_TICKS if ext_timestamp is None else ext_timestamp,
        arrival=arrival,
        payload=payload,
        marker=marker,
        is_keyframe_start=keyframe,
        vp8=vp8,
        red=red,
        audio_level=audio_level,
        video_orientation=video_orientation,
        abs_capture_time=abs_capture_time,
    )


def feed(source_id: int, *, clock_rate: int = 90_000, cname: str = "seat-0") -> Feed:
    """How the viewers of these tests get a source: payload type 102, RTX 103."""
    return Feed(source_id, 102, 103, clock_rate, cname)


class KeepingSender:
    """A `RunSender` that keeps every datagram, in order, with its address."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[Address, bytes]] = []
        self.runs: list[tuple[Address, int, int]] = []
        """Address, segment bytes and number of datagrams of each `send_run`."""

    def send(self, data: bytes | memoryview, address: Address, /) -> None:
        self.datagrams.append((address, bytes(data)))

    def send_run(self, view: memoryview, segment_bytes: int, address: Address, /) -> None:
        data = bytes(view)
        pieces = [data[at : at + segment_bytes] for at in range(0, len(data), segment_bytes)]
        self.runs.append((address, segment_bytes, len(pieces)))
        self.datagrams.extend((address, piece) for piece in pieces)

    def to(self, address: Address) -> list[bytes]:
        return [data for where, data in self.datagrams if where == address]


class Viewer:
    """One downlink with one stream, real SRTP keys, and the receiving end of them."""

    def __init__(
        self,
        number: int = 1,
        *,
        kind: str = "video",
        profile: SrtpProfile = AEAD_AES_128_GCM,
        extension_ids: Mapping[str, int] | None = None,
        rtx: bool = True,
        first_seq: int = 1000,
        first_timestamp: int = 500_000,
    ) -> None:
        key = bytes((number & 0xFF,)) * profile.master_bytes
        self.address: Address = ("192.0.2.1", number)
        self.downlink = Downlink(SrtpSender(profile, key), self.address)
        self.receiver = SrtpReceiver(profile, key)
        self.stream: OutStream = self.downlink.add_stream(
            OutOptions(
                mid="0",
                kind="audio" if kind == "audio" else "video",
                ssrc=0x20000 + number,
                rtx_ssrc=0x30000 + number if rtx else None,
                first_seq=first_seq,
                first_timestamp=first_timestamp,
                first_rtx_seq=7,
                extension_ids=extension_ids or {},
            )
        )

    def open(self, sender: KeepingSender) -> list[bytes]:
        """What arrived here, decrypted; anything forged or repeated would be missing."""
        opened = [self.receiver.unprotect_rtp(data) for data in sender.to(self.address)]
        return [data for data in opened if data is not None]
