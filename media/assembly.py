"""From an agreed offer to a peer with its tracks or slots, and the answer that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from media.backlog import TURN_DELIVERIES
from media.certificate import Certificate
from media.codecs import Codec, red_blocks
from media.downlink import OutOptions
from media.ice import new_credentials
from media.layer import Layer, lowest_first
from media.media_clock import PublisherClock
from media.negotiation import (
    PlayedSection,
    PublishedSection,
    negotiate_play,
    negotiate_publish,
    twcc_id,
)
from media.publisher import PublishedTrack, Publisher
from media.sdp import (
    AnswerSection,
    LocalTransport,
    Offer,
    build_answer,
)
from media.sdp import OutStream as AnsweredStream
from media.seam import Answered, PlayOffer, PublishOffer, SlotInfo, TrackFormat, TrackInfo, track_id
from media.source_track import SourceOptions, SourceTrack
from media.transport import PeerTransport
from media.viewer import Viewer, ViewerSlot

PUBLISHER_CEILING_BPS = 4_000_000
"""What REMB allows a publisher without transport-wide feedback: 1080p of a talking host; more only
fills the viewers' links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneOptions:
    """`addresses` are the advertised (ip, port), the most preferred first. `wall_offset_s` is
    wall minus monotonic time. `randbits(n)` gives n unpredictable bits."""

    addresses: tuple[tuple[str, int], ...]
    certificate: Certificate
    wall_offset_s: float
    randbits: Callable[[int], int]
    max_peers: int = 20_000
    max_connecting: int = 2_000
    """Peers whose handshake is not done; bounds what strangers can make us keep."""
    turn_deliveries: int = TURN_DELIVERIES
    """Packets times viewers that one turn of the fan-out sends (`media/backlog.py`)."""


class Assembler:
    """Builds peers; keeps nothing but the next source id. Raises `OfferRefused`."""

    def __init__(self, options: PlaneOptions) -> None:
        self._options = options
        self._next_source_id = 1

    def publisher(
        self, command: PublishOffer, offer: Offer, now: float
    ) -> tuple[Publisher, Answered]:
        accepted = negotiate_publish(offer, command.sources, command.policy)
        local, transport = self._transport(offer, now)
        clock = PublisherClock()
        numbered = twcc_id(accepted)
        has_remb = numbered is None
        tracks = tuple(self._track(command, each, clock, has_remb) for each in accepted)
        publisher = Publisher(command.peer_id, transport, tracks, twcc_id=numbered)
        sections = {
            each.section.mid: AnswerSection(
                "recvonly", _answered(each), each.extensions, rids=each.rids
            )
            for each in accepted
        }
        return publisher, Answered(
            command.request_id,
            command.peer_id,
            self._answer(offer, local, sections),
            transport.ice_tag,
            tracks=tuple(track.info for track in tracks),
            formats=tuple(_format(track) for track in tracks),
        )

    def _track(
        self,
        command: PublishOffer,
        accepted: PublishedSection,
        clock: PublisherClock,
        has_remb: bool,
    ) -> PublishedTrack:
        """`has_remb` False: the publisher estimates by itself, and would take ours for a cap."""
        rids = lowest_first(accepted.rids)
        layers = tuple(
            Layer(rid, SourceTrack(self._source(command, accepted, rid, has_remb), clock))
            for rid in rids or ("",)
        )
        info = TrackInfo(
            track_id(command.owner, accepted.source),
            accepted.section.mid,
            accepted.kind,
            accepted.source,
            accepted.codec.name,
            rids,
        )
        return PublishedTrack(command.peer_id, info, accepted.codec, layers, command.owner)

    def _source(
        self, command: PublishOffer, accepted: PublishedSection, rid: str, has_remb: bool
    ) -> SourceOptions:
        section, codec = accepted.section, accepted.codec
        blocks = red_blocks(codec, section.codecs)
        # With simulcast the packets tell; what is announced is of no particular encoding.
        announced = section.ssrcs[0] if section.ssrcs and not rid else None
        options = SourceOptions(
            source_id=self._next_source_id,
            kind=accepted.kind,
            codec=codec.name,
            clock_rate=codec.clock_rate,
            payload_type=codec.payload_type,
            block_payload_type=blocks.payload_type if blocks is not None else None,
            rtx_payload_type=codec.rtx_payload_type,
            ssrc=announced.ssrc if announced else None,
            rtx_ssrc=announced.rtx_ssrc if announced else None,
            extension_ids={each.uri: each.id for each in accepted.extensions},
            can_nack="nack" in codec.feedback,
            can_pli="nack pli" in codec.feedback,
            remb_bps=PUBLISHER_CEILING_BPS if has_remb and "goog-remb" in codec.feedback else None,
            local_ssrc=self._options.randbits(32),
            cname=command.owner,
            wall_offset_s=self._options.wall_offset_s,
        )
        self._next_source_id += 1
        return options

    def viewer(self, command: PlayOffer, offer: Offer, now: float) -> tuple[Viewer, Answered]:
        accepted = negotiate_play(
            offer,
            max_audio=command.max_audio,
            max_video=command.max_video,
            policy=command.policy,
        )
        local, transport = self._transport(offer, now)
        viewer = Viewer(command.peer_id, transport)
        sections: dict[str, AnswerSection] = {}
        places = {"audio": 0, "video": 0}
        for each in accepted:
            sections[each.section.mid] = self._slot(viewer, each, places[each.kind])
            places[each.kind] += 1
        return viewer, Answered(
            command.request_id,
            command.peer_id,
            self._answer(offer, local, sections),
            transport.ice_tag,
            slots=tuple(
                SlotInfo(mid, slot.kind, tuple(dict.fromkeys(c.name for c in slot.codecs)))
                for mid, slot in viewer.slots.items()
            ),
        )

    def _slot(self, viewer: Viewer, accepted: PlayedSection, place: int) -> AnswerSection:
        randbits = self._options.randbits
        mid = accepted.section.mid
        options = OutOptions(
            mid=mid,
            kind=accepted.kind,
            # Odd for media and even for RTX: the two can never be the same number.
            ssrc=randbits(32) | 1,
            rtx_ssrc=randbits(32) & ~1 if accepted.has_rtx else None,
            # RFC 3711 §3.3.1: far from the wrap, or a lost first packet costs the rollover count.
            first_seq=randbits(15),
            first_timestamp=randbits(32),
            first_rtx_seq=randbits(15),
            extension_ids={each.uri: each.id for each in accepted.extensions},
            can_nack=accepted.can_nack,
        )
        stream = viewer.downlink.add_stream(options)
        viewer.slots[mid] = ViewerSlot(viewer, mid, accepted.kind, accepted.codecs, stream)
        # The n-th audio and the n-th video slot are one stream: browsers keep those in lip sync.
        answered = AnsweredStream(
            stream_id=f"slot-{place}",
            track_id=f"slot-{place}-{accepted.kind}",
            cname="lianmai",
            ssrc=options.ssrc,
            rtx_ssrc=options.rtx_ssrc,
        )
        return AnswerSection("sendonly", accepted.codecs, accepted.extensions, answered)

    def _transport(self, offer: Offer, now: float) -> tuple[LocalTransport, PeerTransport]:
        credentials = new_credentials()
        options = self._options
        local = LocalTransport(
            credentials.ufrag, credentials.pwd, options.certificate.fingerprint, options.addresses
        )
        transport = PeerTransport(
            local_ufrag=credentials.ufrag,
            local_pwd=credentials.pwd,
            remote=offer.remote,
            dtls_role=offer.dtls_role,
            certificate=options.certificate,
            now=now,
        )
        return local, transport

    def _answer(
        self, offer: Offer, local: LocalTransport, sections: dict[str, AnswerSection]
    ) -> str:
        return build_answer(
            offer,
            session_id=self._options.randbits(62) | 1,
            transport=local,
            sections=sections,
        )


def _format(track: PublishedTrack) -> TrackFormat:
    codec = track.codec
    return TrackFormat(
        codec.payload_type,
        codec.clock_rate,
        codec.channels,
        codec.parameters,
        track.layers[0].source.options.block_payload_type,
    )


def _answered(accepted: PublishedSection) -> tuple[Codec, ...]:
    """The formats a publisher is answered: the one, and after RED the Opus of its blocks."""
    blocks = red_blocks(accepted.codec, accepted.section.codecs)
    return (accepted.codec,) if blocks is None else (accepted.codec, blocks)
