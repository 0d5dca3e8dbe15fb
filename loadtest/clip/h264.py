"""H.264 access units as RTP payloads (RFC 6184, packetization-mode 1).

Parameter sets share a STAP-A (type 24, §5.7.1), large NAL units become FU-As (type 28, §5.8), the
rest go alone (§5.6).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from loadtest.clip.payload import MAX_PAYLOAD_BYTES, split

_SEI: Final = 6
_SPS: Final = 7
_PPS: Final = 8
_DROPPED: Final = frozenset((_SEI, 9, 12))
"""The encoder's advertisement of itself, access unit delimiters and filler: no decoder needs them
(ITU-T H.264 Table 7-1)."""
_STAP_A: Final = 24
_FU_A: Final = 28
_FU_HEADER_BYTES: Final = 2
_TYPE: Final = 0x1F
_NRI: Final = 0x60
_START_CODE: Final = re.compile(b"\0*\0\0\1")
_USER_DATA_UNREGISTERED: Final = 5


def nal_units(access_unit: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes and trailing zeros."""
    return [nal for nal in _START_CODE.split(access_unit.rstrip(b"\0")) if nal]


def payloads(access_unit: bytes) -> tuple[bytes, ...]:
    """What of an Annex B access unit is sent, packet by packet."""
    wanted = [nal for nal in nal_units(access_unit) if nal[0] & _TYPE not in _DROPPED]
    sets = [nal for nal in wanted if nal[0] & _TYPE in (_SPS, _PPS)]
    out = [_together(sets)] if sets else []
    for nal in wanted:
        if nal[0] & _TYPE not in (_SPS, _PPS):
            out += _alone_or_cut(nal)
    return tuple(out)


class H264Payloads:
    """Frames are told apart by their timestamps alone, so there is nothing to count."""

    def next_frame(self, cut: Sequence[bytes], mark: bytes | None) -> list[bytes]:
        """`cut`: its `payloads`. A mark goes in front of the slices, behind the parameter sets, as
        an SEI message (ITU-T H.264 §7.4.1.2.3)."""
        if mark is None:
            return list(cut)
        sei = _user_data(mark)
        first = cut[0]
        if first[0] & _TYPE == _STAP_A:
            joined = first + len(sei).to_bytes(2, "big") + sei
        elif first[0] & _TYPE == _FU_A:
            return [sei, *cut]
        else:
            joined = _together((sei, first))
        return [joined, *cut[1:]] if len(joined) <= MAX_PAYLOAD_BYTES else [sei, *cut]


def _user_data(mark: bytes) -> bytes:
    """An SEI NAL unit with one `user_data_unregistered` message, the first 16 bytes being its
    UUID (ITU-T H.264 §D.1.7). A mark has no zero byte, so nothing needs escaping."""
    return bytes((_SEI, _USER_DATA_UNREGISTERED, len(mark))) + mark + b"\x80"


def _together(nals: Sequence[bytes]) -> bytes:
    """A STAP-A; its NRI is the highest of what it holds."""
    nri = max(nal[0] & _NRI for nal in nals)
    sized = (len(nal).to_bytes(2, "big") + nal for nal in nals)
    return bytes((nri | _STAP_A,)) + b"".join(sized)


def _alone_or_cut(nal: bytes) -> Iterator[bytes]:
    if len(nal) <= MAX_PAYLOAD_BYTES:
        yield nal
        return
    indicator = nal[0] & _NRI | _FU_A
    pieces = split(nal[1:], MAX_PAYLOAD_BYTES - _FU_HEADER_BYTES)
    for place, piece in enumerate(pieces):
        start, end = place == 0, place == len(pieces) - 1
        yield bytes((indicator, start << 7 | end << 6 | nal[0] & _TYPE)) + piece
