"""A publisher's side: one transport, and the tracks that come in on it.

Routes a decrypted packet to its layer by SSRC. While the SSRC is new (offers of FFmpeg and of
simulcast name none) the payload type tells the track (within one bundle it belongs to one m-line),
and of a track with several layers the rid in the packet tells which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aiortc.rtp import RtcpSrPacket

from media.codecs import Codec
from media.errors import RemoteProtocolError
from media.layer import Layer
from media.peer import Peer
from media.rtcp import parse_compound_untrusted
from media.rtp import SourcePacket, peek_ssrc_untrusted
from media.sdp.extensions import REPAIRED_STREAM_ID, STREAM_ID
from media.seam import PeerId, TrackInfo
from media.stream_id import read_stream_id_untrusted
from media.transport import PeerTransport
from media.twcc import TwccReporter, peek_transport_seq_untrusted

MAX_SSRCS: Final = 16
"""SSRCs one publisher may use in its life: media and RTX of audio and of three layers of video,
with restarts."""


class PublishedTrack:
    """A track: what signaling knows of it, and its layers, lowest first (one without simulcast).
    Who follows them: `Switchboard`."""

    __slots__ = ("cname", "codec", "has_started", "info", "is_muted", "layers", "peer_id")

    def __init__(
        self,
        peer_id: PeerId,
        info: TrackInfo,
        codec: Codec,
        layers: tuple[Layer, ...],
        cname: str,
    ) -> None:
        self.peer_id = peer_id
        self.info = info
        self.codec = codec
        self.layers = layers
        self.cname = cname
        self.has_started = False
        self.is_muted = False
        for layer in layers:
            layer.track = self

    @property
    def is_video(self) -> bool:
        return self.info.kind == "video"

    def layer_of(self, source_id: int) -> Layer | None:
        """The layer with that source, None when it is none of this track."""
        return next((layer for layer in self.layers if layer.source_id == source_id), None)


class Publisher(Peer):
    """One publishing peer. Feed `receive_rtp` and `receive_rtcp`; poll `take_feedback`.

    `twcc_id` is the header extension under which it numbers all its packets (`media/twcc.py`).
    """

    def __init__(
        self,
        peer_id: PeerId,
        transport: PeerTransport,
        tracks: tuple[PublishedTrack, ...],
        *,
        twcc_id: int | None = None,
    ) -> None:
        super().__init__(peer_id, transport)
        self.tracks = tracks
        self._twcc_id = twcc_id or 0
        self._twcc = TwccReporter() if twcc_id is not None else None
        self._by_ssrc: dict[int, Layer] = {}
        self._by_payload_type: dict[int, PublishedTrack] = {}
        for layer in self.layers:
            options = layer.source.options
            self._by_payload_type[options.payload_type] = layer.track
            for other in (options.rtx_payload_type, options.block_payload_type):
                if other is not None:
                    self._by_payload_type[other] = layer.track
            for ssrc in (options.ssrc, options.rtx_ssrc):
                if ssrc is not None:
                    self._by_ssrc[ssrc] = layer

    @property
    def layers(self) -> Iterator[Layer]:
        """Of all tracks."""
        return (layer for track in self.tracks for layer in track.layers)

    def receive_rtp(  # hot path
        self, data: bytes, now: float
    ) -> tuple[Layer, SourcePacket] | None:
        """Open and take one SRTP packet; None when it was dropped (and counted)."""
        receiver = self.transport.srtp_in
        plain = receiver.unprotect_rtp(data) if receiver is not None else None
        if plain is None:
            self.drop("srtp")
            return None
        self.is_heard = True
        self.packets_in += 1
        self.bytes_in += len(plain)
        if self._twcc is not None:
            # Whatever becomes of it below: it crossed the network, and that is what is measured.
            transport_seq = peek_transport_seq_untrusted(plain, self._twcc_id)
            if transport_seq >= 0:
                self._twcc.receive(transport_seq, now)
        try:
            layer = self._by_ssrc.get(peek_ssrc_untrusted(plain)) or self._learn(plain)
            packet = layer.source.receive(plain, now) if layer is not None else None
        except RemoteProtocolError as error:
            self.drop(error.reason)
            return None
        if layer is None or packet is None:
            return None
        return layer, packet

    def _learn(self, plain: bytes) -> Layer | None:
        """Whose packet it is that comes with a new SSRC."""
        track = self._by_payload_type.get(plain[1] & 0x7F)
        layer = self._layer_named(plain, track) if track is not None else None
        if layer is None or len(self._by_ssrc) >= MAX_SSRCS:
            self.drop("unknown_ssrc")
            return None
        self._by_ssrc[peek_ssrc_untrusted(plain)] = layer
        return layer

    def _layer_named(self, plain: bytes, track: PublishedTrack) -> Layer | None:
        if len(track.layers) == 1:
            return track.layers[0]
        ids = track.layers[0].source.options.extension_ids
        named = read_stream_id_untrusted(
            plain, ids.get(STREAM_ID, 0), ids.get(REPAIRED_STREAM_ID, 0)
        )
        return next((layer for layer in track.layers if layer.rid == named.rid), None)

    def receive_rtcp(self, data: bytes, now: float) -> None:
        """Open and take one SRTCP datagram: sender reports matter, the rest is for viewers."""
        for packet in self.open_rtcp(data, parse_compound_untrusted) or ():
            if isinstance(packet, RtcpSrPacket):
                layer = self._by_ssrc.get(packet.ssrc)
                if layer is not None and layer.source.ssrc == packet.ssrc:
                    info = packet.sender_info
                    layer.source.handle_sender_report(info.ntp_timestamp, info.rtp_timestamp, now)

    def take_feedback(self, now: float) -> list[bytes]:
        """What is due for the publisher, protected and ready to send."""
        sender = self.transport.srtp_out
        if sender is None:
            return []
        due = [plain for layer in self.layers for plain in layer.source.poll_rtcp(now)]
        if self._twcc is not None and self._twcc.is_due(now):
            due += self._twcc.take_due(now, *self._feedback_ssrcs())
        datagrams = [sender.protect_rtcp(plain) for plain in due]
        return [datagram for datagram in datagrams if datagram]

    def _feedback_ssrcs(self) -> tuple[int, int]:
        """Ours, and one that the publisher knows for its own: what is said holds for all."""
        known = (layer.source for layer in self.layers if layer.source.ssrc is not None)
        source = next(known, self.tracks[0].layers[0].source)
        return source.options.local_ssrc, source.ssrc or 0

    @property
    def twcc_sent(self) -> int:
        """Transport-wide feedback packets since the peer began."""
        return 0 if self._twcc is None else self._twcc.sent

    def next_deadline(self) -> float | None:
        """The earliest of the transport's, the tracks' and the reports' deadlines; before the keys
        are there no feedback can be sent, so only the transport's counts."""
        due = self.transport.next_deadline()
        if not self.is_connected:
            return due
        for layer in self.layers:
            due = _earlier(due, layer.source.next_deadline())
        return due if self._twcc is None else _earlier(due, self._twcc.next_deadline())


def _earlier(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
