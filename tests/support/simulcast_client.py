"""A publisher of simulcast for the world in memory: each encoding a stream of its own.

Its packets are labelled `name-rid`, so that a viewer can tell which layer he was given.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from media import rtcp
from media.rtp import parse_rtp_untrusted
from tests.support.plane_client import CLIENTS_WALL_OFFSET_S, Publisher, Surroundings
from tests.support.plane_offer import (
    REPAIRED_RID_ID,
    RID_ID,
    VP8_PT,
    VP8_RTX_PT,
    OfferText,
)
from tests.support.plane_world import World
from tests.support.rtp_kit import rtp_bytes, vp8_payload

TIDS: Final = (0, 2, 1, 2)
SYNCS: Final = (False, True, True, False, False, False, False, False)
"""L1T3 as libvpx sends it: eight pictures, the first of each upper layer needs the base alone."""


@dataclass(slots=True, kw_only=True)
class Encoding:
    """One layer: `packets` of `packet_bytes` a picture. Names itself by rid while `names_rid`."""

    rid: str
    ssrc: int
    rtx_ssrc: int
    seq: int
    rtp_origin: int
    picture_id: int
    packets: int
    is_on: bool = True
    is_asked: bool = True
    listens: bool = True
    keyframe_every_s: float = 1000.0
    keyframe_at: float = 0.0
    names_rid: bool = True
    packet_bytes: int = 400
    rtx_seq: int = 7
    tl0picidx: int = 0
    position: int = 0
    plis: int = 0
    nacked: list[int] = field(default_factory=list)
    captured: dict[int, float] = field(default_factory=dict)
    tid: dict[int, int] = field(default_factory=dict)
    kept: dict[int, bytes] = field(default_factory=dict)


class SimulcastPublisher(Publisher):
    """Captures at 30 fps; all encodings that are on encode the same instants."""

    def __init__(self, world: Surroundings, name: str, text: OfferText) -> None:
        super().__init__(world, name, text)
        chance = random.Random(name)
        self.encodings = {
            rid: Encoding(
                rid=rid,
                ssrc=0x2000 + 16 * index,
                rtx_ssrc=0x2001 + 16 * index,
                seq=chance.getrandbits(16),
                rtp_origin=chance.getrandbits(32),
                picture_id=chance.getrandbits(15),
                packets=index + 1,
            )
            for index, rid in enumerate(text.rids)
        }
        self.tids: tuple[int, ...] = TIDS
        self._next_at = world.now
        self._origin = world.now

    def act(self, now: float) -> None:
        self.camera.is_on = False  # the encodings below are the camera
        super().act(now)
        if self.srtp_out is None or now < self._next_at:
            return
        self._next_at += 1 / 30
        if self._next_at < now:
            self._next_at = now + 1 / 30
        for encoding in self.encodings.values():
            if encoding.is_on:
                for packet in self._picture(encoding, now):
                    self.send_rtp(packet)

    def _picture(self, encoding: Encoding, now: float) -> Iterator[bytes]:
        is_key = now >= encoding.keyframe_at or (encoding.is_asked and encoding.listens)
        if is_key:
            encoding.is_asked = False
            encoding.position = 0
            encoding.keyframe_at = now + encoding.keyframe_every_s
        tid = self.tids[encoding.position % len(self.tids)]
        sync = SYNCS[encoding.position % len(SYNCS)]
        encoding.position += 1
        encoding.picture_id += 1
        encoding.tl0picidx += tid == 0
        for index in range(encoding.packets):
            label = f"{self.name}-{encoding.rid}:{encoding.seq}:".encode()
            payload = vp8_payload(
                keyframe=is_key,
                start=index == 0,
                picture_id=encoding.picture_id,
                tl0picidx=encoding.tl0picidx,
                tid=tid,
                sync=sync,
                body=label.ljust(encoding.packet_bytes, b"."),
            )
            rid = {RID_ID: encoding.rid.encode()} if encoding.names_rid else {}
            packet = rtp_bytes(
                encoding.seq,
                self.timestamp(encoding, now),
                ssrc=encoding.ssrc,
                payload_type=VP8_PT,
                payload=payload,
                marker=index + 1 == encoding.packets,
                extensions=self._extensions(rid),
            )
            encoding.captured[encoding.seq] = now
            encoding.tid[encoding.seq] = tid
            encoding.kept[encoding.seq] = packet
            encoding.seq = (encoding.seq + 1) & 0xFFFF
            yield packet

    def timestamp(self, encoding: Encoding, captured: float) -> int:
        return (encoding.rtp_origin + round((captured - self._origin) * 90_000)) & 0xFFFFFFFF

    def probe(self, encoding: Encoding, count: int) -> None:
        """Padding on the retransmission stream, as a browser probes before its first picture."""
        for _ in range(count):
            encoding.rtx_seq += 1
            extensions = self._extensions({REPAIRED_RID_ID: encoding.rid.encode()})
            packet = rtp_bytes(
                encoding.rtx_seq,
                0,
                ssrc=encoding.rtx_ssrc,
                payload_type=VP8_RTX_PT,
                payload=b"",
                padding=200,
                extensions=extensions,
            )
            self.send_rtp(packet)

    def _send_reports(self, now: float) -> None:
        ntp = rtcp.ntp64(now + CLIENTS_WALL_OFFSET_S)
        compound = rtcp.build_sender_report(self.AUDIO_SSRC, ntp, self.audio_timestamp(now), 1, 1)
        for encoding in self.encodings.values():
            if encoding.is_on:
                stamp = self.timestamp(encoding, now)
                compound += rtcp.build_sender_report(encoding.ssrc, ntp, stamp, 1, 1)
        self.send_rtcp(compound)

    def take_feedback(self, packets: list[rtcp.AnyRtcpPacket], now: float) -> None:
        of_ssrc = {encoding.ssrc: encoding for encoding in self.encodings.values()}
        for packet in packets:
            ssrc = getattr(packet, "media_ssrc", None)
            encoding = of_ssrc.get(ssrc) if isinstance(ssrc, int) else None
            if encoding is None:
                continue
            if rtcp.is_pli(packet):
                encoding.plis += 1
                encoding.is_asked = True
            elif rtcp.is_nack(packet):
                assert isinstance(packet, rtcp.RtcpRtpfbPacket)
                self._resend(encoding, packet.lost)

    def _resend(self, encoding: Encoding, seqs: list[int]) -> None:
        encoding.nacked += seqs
        for seq in seqs:
            packet = encoding.kept[seq & 0xFFFF]
            header = parse_rtp_untrusted(packet)
            encoding.rtx_seq += 1
            again = rtp_bytes(
                encoding.rtx_seq,
                header.rtp_timestamp,
                ssrc=encoding.rtx_ssrc,
                payload_type=VP8_RTX_PT,
                payload=(seq & 0xFFFF).to_bytes(2, "big") + packet[header.payload_start :],
                marker=header.marker,
                extensions=self._extensions({REPAIRED_RID_ID: encoding.rid.encode()}),
            )
            self.send_rtp(again)


def publish_simulcast(
    world: World, name: str = "host", rids: tuple[str, ...] = ("q", "h", "f"), **changes: object
) -> SimulcastPublisher:
    """Offer and start to connect; `run` a moment for the rest."""
    text = OfferText(direction="sendonly", rids=rids, announces=False, **changes)  # type: ignore[arg-type]  # a table of settings
    publisher = SimulcastPublisher(world, name, text)
    publisher.offer()
    return publisher
