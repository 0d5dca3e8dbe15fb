"""What we must know of a payload without decoding it: does a key frame start here?

`inspect_untrusted` is the one door; each codec has its file. Everything here is read once per
received packet, never per subscriber.
"""

from __future__ import annotations

from media.payload import av1, h264, vp8, vp9
from media.payload.vp8 import Vp8Descriptor

__all__ = ["Vp8Descriptor", "inspect_untrusted"]


def inspect_untrusted(codec: str, payload: bytes) -> tuple[bool, Vp8Descriptor | None]:
    """`(is_keyframe_start, vp8 descriptor)` of one payload; `codec` is the lower-case name.

    Only a VP8 descriptor that cannot be read raises `RemoteProtocolError`, because it has to be
    rewritten. Other malformed payloads are simply no key frame: the viewer's decoder judges them.
    Audio and unknown codecs have no key frames, so every packet is as good a start as any.
    """
    if not payload:
        return False, None
    match codec:
        case "vp8":
            descriptor = vp8.parse_descriptor_untrusted(payload)
            return descriptor.is_keyframe_start, descriptor
        case "h264":
            return h264.is_keyframe_start(payload), None
        case "vp9":
            return vp9.is_keyframe_start(payload), None
        case "av1":
            return av1.is_keyframe_start(payload), None
        case _:
            return False, None
