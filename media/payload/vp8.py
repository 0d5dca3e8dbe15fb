"""VP8 payload descriptor (RFC 7741 §4.2): read, and rewrite for another numbering.

    0 1 2 3 4 5 6 7
   |X|R|N|S|R| PID |  S: a partition starts here
X: |I|L|T|K| RSV   |
I: |M| PictureID   |  7 bits, 15 when M
M: |   PictureID   |
L: |   TL0PICIDX   |
T/K:|TID|Y| KEYIDX |
"""

from __future__ import annotations

from media.errors import RemoteProtocolError


class Vp8Descriptor:
    """One descriptor. Absent fields are -1. `size_bytes` is its length on the wire.

    `ext_picture_id` is the picture id unwrapped by the source's track (as received until then).
    `starts_picture`: the first packet of a picture. `is_layer_sync` is the Y bit: the picture needs
    none but the base layer, so a decoder may begin its temporal layer (`tid`) here.
    """

    __slots__ = (
        "ext_picture_id",
        "is_keyframe_start",
        "is_layer_sync",
        "keyidx",
        "picture_id",
        "picture_id_bits",
        "size_bytes",
        "starts_picture",
        "tid",
        "tl0picidx",
    )

    def __init__(self) -> None:
        self.size_bytes = 1
        self.picture_id = -1
        self.picture_id_bits = 0
        self.ext_picture_id = -1
        self.tl0picidx = -1
        self.tid = -1
        self.keyidx = -1
        self.is_keyframe_start = False
        self.starts_picture = False
        self.is_layer_sync = False


def parse_descriptor_untrusted(payload: bytes) -> Vp8Descriptor:
    """Read the descriptor; raises `RemoteProtocolError` where the payload ends inside it."""
    descriptor = Vp8Descriptor()
    try:
        first = payload[0]
        position = 1
        if first & 0x80:
            flags = payload[1]
            position = 2
            if flags & 0x80:
                position = _read_picture_id(payload, descriptor)
            if flags & 0x40:
                descriptor.tl0picidx = payload[position]
                position += 1
            if flags & 0x30:
                layers = payload[position]
                position += 1
                if flags & 0x20:
                    descriptor.tid = layers >> 6
                    descriptor.is_layer_sync = layers & 0x20 != 0
                if flags & 0x10:
                    descriptor.keyidx = layers & 0x1F
    except IndexError:
        raise RemoteProtocolError("vp8_descriptor_truncated") from None
    descriptor.size_bytes = position
    # S bit, partition 0, and the P bit of the frame header (RFC 7741 §4.3) clear: a key frame.
    if first & 0x17 == 0x10 and position < len(payload):
        descriptor.starts_picture = True
        descriptor.is_keyframe_start = payload[position] & 0x01 == 0
    return descriptor


def _read_picture_id(payload: bytes, descriptor: Vp8Descriptor) -> int:
    value = payload[2]
    if value & 0x80:
        descriptor.picture_id = (value & 0x7F) << 8 | payload[3]
        descriptor.picture_id_bits = 15
        position = 4
    else:
        descriptor.picture_id = value
        descriptor.picture_id_bits = 7
        position = 3
    descriptor.ext_picture_id = descriptor.picture_id
    return position


def renumber(
    payload: bytes,
    descriptor: Vp8Descriptor,
    picture_id_offset: int,
    tl0picidx_offset: int,
    keyidx_offset: int,
) -> bytes:
    """The payload with the three counters shifted; the same object when nothing changes.

    A 7-bit picture id becomes a 15-bit one (one byte more), so that sources of either width
    join into one numbering.
    """
    is_shifted = picture_id_offset or tl0picidx_offset or keyidx_offset
    if not is_shifted and descriptor.picture_id_bits != 7:
        return payload
    if descriptor.size_bytes == 1:
        return payload
    head = bytearray(payload[:2])
    position = 2
    if descriptor.picture_id_bits:
        number = (descriptor.ext_picture_id + picture_id_offset) & 0x7FFF
        head += (0x8000 | number).to_bytes(2, "big")
        position += 2 if descriptor.picture_id_bits == 15 else 1
    if descriptor.tl0picidx >= 0:
        head.append((descriptor.tl0picidx + tl0picidx_offset) & 0xFF)
        position += 1
    if position < descriptor.size_bytes:
        layers = payload[position]
        if descriptor.keyidx >= 0:
            layers = layers & 0xE0 | (descriptor.keyidx + keyidx_offset) & 0x1F
        head.append(layers)
    return bytes(head) + payload[descriptor.size_bytes :]
