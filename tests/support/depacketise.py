"""The receiving end of a sent stream: packets to frames by aiortc's depacketisers, frames to
pictures by FFmpeg's decoders."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import av
from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rtp import RtpPacket
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

DECODERS = {"VP8": "libvpx", "H264": "h264"}


class ReceivedFrame(NamedTuple):
    rtp_timestamp: int
    picture_id: int | None
    data: bytes
    """As a decoder takes it: a VP8 frame, or an access unit in Annex B format."""
    payloads: tuple[bytes, ...]


def parsed(packets: Iterable[bytes]) -> list[RtpPacket]:
    return [RtpPacket.parse(packet) for packet in packets]


def of_ssrc(packets: Iterable[bytes], ssrc: int) -> list[RtpPacket]:
    return [packet for packet in parsed(packets) if packet.ssrc == ssrc]


def frames_of(packets: Sequence[RtpPacket], codec: str) -> list[ReceivedFrame]:
    """Of one SSRC, in the order sent. Asserts that the marker bit ends every frame, and only
    there, and that a VP8 frame is one picture id and starts its partition once."""
    frames = []
    for timestamp, group in itertools.groupby(packets, lambda packet: packet.timestamp):
        members = list(group)
        assert [packet.marker for packet in members] == [0] * (len(members) - 1) + [1]
        payloads = tuple(packet.payload for packet in members)
        picture_id, data = _vp8(payloads) if codec == "VP8" else (None, _h264(payloads))
        frames.append(ReceivedFrame(timestamp, picture_id, data, payloads))
    return frames


def _vp8(payloads: Sequence[bytes]) -> tuple[int | None, bytes]:
    cut = [VpxPayloadDescriptor.parse(payload) for payload in payloads]
    descriptors = [descriptor for descriptor, _ in cut]
    assert [one.partition_start for one in descriptors] == [1] + [0] * (len(cut) - 1)
    assert {one.partition_id for one in descriptors} == {0}
    assert len({one.picture_id for one in descriptors}) == 1
    return descriptors[0].picture_id, b"".join(rest for _, rest in cut)


def _h264(payloads: Sequence[bytes]) -> bytes:
    return b"".join(H264PayloadDescriptor.parse(payload)[1] for payload in payloads)


class PictureDecoder:
    """One decoder that never saw anything but what it is given; wrong data raises."""

    def __init__(self, codec: str, name: str | None = None) -> None:
        """`name` is FFmpeg's of the decoder, if it is not to be the usual one."""
        context = av.CodecContext.create(name or DECODERS[codec], "r")
        assert isinstance(context, VideoCodecContext)
        # Errors must be seen, not concealed; one thread gives every picture at once.
        context.options = {"err_detect": "explode", "flags": "+low_delay"}
        context.thread_count = 1
        self._context = context

    def decode(self, frame: bytes) -> bytes:
        """The luma plane of the picture that this frame makes."""
        pictures = self._context.decode(Packet(frame))
        assert len(pictures) == 1, "one frame is one picture, at once"
        return _luma(pictures[0])


def _luma(picture: VideoFrame) -> bytes:
    plane = picture.planes[0]
    rows, stride = bytes(plane), plane.line_size
    return b"".join(rows[y * stride : y * stride + picture.width] for y in range(picture.height))
