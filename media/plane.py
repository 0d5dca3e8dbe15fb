"""The media plane: every peer of this process, as one machine without I/O.

    commands --> handle_command ---.                           .--> poll_event (to signaling)
    datagrams -> handle_datagrams -+--> peers, tracks, slots --+--> poll_transmit (control)
    time ------> handle_timeout ---'                           '--> fan-out (media, at once)

One input, then drain `poll_event` and `poll_transmit`, then re-arm one timer at `next_deadline`.
The fan-out alone writes straight to the `RunSender` it was given: its datagrams live in a shared
buffer that the next run overwrites.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from media import rtcp
from media.certificate import Certificate
from media.codecs import find_match
from media.demux import is_dtls, is_stun
from media.downlink import OutOptions, OutStream
from media.errors import OfferRefused, RemoteProtocolError
from media.fanout import FanOutCounters, RunSender, fan_out
from media.gop_cache import GopReplay
from media.ice import Address, new_credentials, stun_local_ufrag_untrusted
from media.media_clock import MediaClock, PublisherClock
from media.negotiation import PlayedSection, PublishedSection, negotiate_play, negotiate_publish
from media.peer import Peer
from media.publisher import PublishedTrack, Publisher
from media.quality import QualityMeter
from media.resend import answer_nack
from media.ring import RetransmissionRing
from media.rtp import SourcePacket
from media.sdp import (
    AnswerSection,
    LocalTransport,
    Offer,
    build_answer,
    candidate_values,
    parse_offer_untrusted,
)
from media.sdp import OutStream as AnsweredStream
from media.seam import (
    Answered,
    ClosePeer,
    Command,
    Event,
    IceRestarted,
    MuteTrack,
    PauseSlot,
    PeerClosed,
    PeerConnected,
    PeerHeard,
    PeerId,
    PeerSilent,
    PlayOffer,
    PointSlot,
    PublishOffer,
    QueryStats,
    Refused,
    RestartIce,
    SlotInfo,
    SlotLive,
    SlotUnsupported,
    Stats,
    TrackEnded,
    TrackId,
    TrackInfo,
    TrackStarted,
    track_id,
)
from media.source_track import SourceOptions, SourceTrack
from media.srtp import OutBuffer
from media.stats import peer_stats
from media.transport import AddressChanged, Closed, Connected, Heard, PeerTransport, Silent
from media.viewer import Viewer, ViewerSlot

SWEEP_INTERVAL_S: Final = 1.0
"""Viewers' transports, sender reports and quality are looked at once a second, all in one go: a
timer for each of ten thousand viewers would cost more than the work."""
REPLAY_INTERVAL_S: Final = 0.01
REPLAY_PACKETS: Final = 48
"""Per interval: 1.1 kB x 48 / 10 ms = 42 Mbit/s, a GOP of 2 s at 1.5 Mbit/s in 70 ms."""
PUBLISHER_CEILING_BPS: Final = 4_000_000
"""What REMB allows a publisher: 1080p of a talking host; more only fills the viewers' links."""


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


class MediaPlane:
    """See the module's text. Never raises for what a peer sent; every drop is counted."""

    def __init__(self, options: PlaneOptions, sender: RunSender) -> None:
        self._options = options
        self._sender = sender
        self._buffer = OutBuffer()
        self._counters = FanOutCounters()
        self._peers: dict[PeerId, Peer] = {}
        self._publishers: dict[PeerId, Publisher] = {}
        self._by_ufrag: dict[str, Peer] = {}
        self._by_address: dict[Address, Peer] = {}
        self._connecting: dict[PeerId, Peer] = {}
        self._tracks: dict[TrackId, PublishedTrack] = {}
        self._sources: dict[int, PublishedTrack] = {}
        self._replaying: dict[ViewerSlot, None] = {}
        self._slot_of_stream: dict[OutStream, ViewerSlot] = {}
        self._quality: dict[PeerId, QualityMeter] = {}
        self._next_source_id = 1
        self._sweep_due: float | None = None
        self._replay_due: float | None = None
        self._events: deque[Event] = deque()
        self._transmits: deque[tuple[bytes, Address]] = deque()
        self._totals = {"opened": 0, "closed": 0, "refused": 0, "ignored": 0}
        self._dropped: dict[str, int] = {}

    # --- commands -------------------------------------------------------------------------------

    def handle_command(self, command: Command, now: float) -> None:
        """Carry out one command of signaling."""
        if self._sweep_due is None:
            self._sweep_due = now + SWEEP_INTERVAL_S
        match command:
            case PublishOffer() | PlayOffer():
                self._answer(command, now)
            case RestartIce():
                self._restart_ice(command)
            case PointSlot():
                self._point(command, now)
            case PauseSlot():
                self._pause(command, now)
            case MuteTrack():
                self._mute(command, now)
            case ClosePeer():
                self._close_commanded(command, now)
            case QueryStats():
                self._report(command)
            case _:
                assert_never(command)

    def _answer(self, command: PublishOffer | PlayOffer, now: float) -> None:
        try:
            self._check_room()
            offer = parse_offer_untrusted(command.sdp)
            if isinstance(command, PublishOffer):
                answered = self._publish(command, offer, now)
            else:
                answered = self._play(command, offer, now)
        except OfferRefused as error:
            self._refuse(command, error.code, error.message)
        except RemoteProtocolError as error:
            self._refuse(command, "bad_sdp", str(error))
        else:
            self._totals["opened"] += 1
            self._events.append(answered)

    def _check_room(self) -> None:
        options = self._options
        if len(self._peers) >= options.max_peers or len(self._connecting) >= options.max_connecting:
            raise OfferRefused("too_many_peers")

    def _refuse(
        self, command: PublishOffer | PlayOffer | RestartIce, code: str, message: str
    ) -> None:
        self._totals["refused"] += 1
        self._events.append(Refused(command.request_id, command.peer_id, code, message))

    def _publish(self, command: PublishOffer, offer: Offer, now: float) -> Answered:
        accepted = negotiate_publish(offer, command.sources, command.policy)
        local, transport = self._new_transport(offer, now)
        clock = PublisherClock()
        tracks = tuple(self._new_track(command, each, clock) for each in accepted)
        publisher = Publisher(command.peer_id, transport, tracks)
        self._add_peer(publisher, local.ufrag)
        self._publishers[command.peer_id] = publisher
        for track in tracks:
            self._tracks[track.info.track_id] = track
            self._sources[track.source_id] = track
        sections = {
            each.section.mid: AnswerSection("recvonly", (each.codec,), each.extensions)
            for each in accepted
        }
        return Answered(
            command.request_id,
            command.peer_id,
            self._write_answer(offer, local, sections),
            transport.ice_tag,
            tracks=tuple(track.info for track in tracks),
        )

    def _new_track(
        self, command: PublishOffer, accepted: PublishedSection, clock: PublisherClock
    ) -> PublishedTrack:
        section, codec = accepted.section, accepted.codec
        announced = section.ssrcs[0] if section.ssrcs else None
        options = SourceOptions(
            source_id=self._next_source_id,
            kind=accepted.kind,
            codec=codec.name,
            clock_rate=codec.clock_rate,
            payload_type=codec.payload_type,
            rtx_payload_type=codec.rtx_payload_type,
            ssrc=announced.ssrc if announced else None,
            rtx_ssrc=announced.rtx_ssrc if announced else None,
            extension_ids={each.uri: each.id for each in accepted.extensions},
            can_nack="nack" in codec.feedback,
            can_pli="nack pli" in codec.feedback,
            remb_bps=PUBLISHER_CEILING_BPS if accepted.kind == "video" else None,
            local_ssrc=self._options.randbits(32),
            cname=command.owner,
            wall_offset_s=self._options.wall_offset_s,
        )
        self._next_source_id += 1
        info = TrackInfo(
            track_id(command.owner, accepted.source),
            section.mid,
            accepted.kind,
            accepted.source,
            codec.name,
        )
        return PublishedTrack(info, codec, SourceTrack(options, clock), command.owner)

    def _play(self, command: PlayOffer, offer: Offer, now: float) -> Answered:
        accepted = negotiate_play(
            offer,
            max_audio=command.max_audio,
            max_video=command.max_video,
            policy=command.policy,
        )
        local, transport = self._new_transport(offer, now)
        viewer = Viewer(command.peer_id, transport)
        sections: dict[str, AnswerSection] = {}
        places = {"audio": 0, "video": 0}
        for each in accepted:
            sections[each.section.mid] = self._new_slot(viewer, each, places[each.kind])
            places[each.kind] += 1
        self._add_peer(viewer, local.ufrag)
        return Answered(
            command.request_id,
            command.peer_id,
            self._write_answer(offer, local, sections),
            transport.ice_tag,
            slots=tuple(
                SlotInfo(mid, slot.kind, tuple(dict.fromkeys(c.name for c in slot.codecs)))
                for mid, slot in viewer.slots.items()
            ),
        )

    def _new_slot(self, viewer: Viewer, accepted: PlayedSection, place: int) -> AnswerSection:
        randbits = self._options.randbits
        mid = accepted.section.mid
        options = OutOptions(
            mid=mid,
            kind=accepted.kind,
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
        slot = ViewerSlot(viewer, mid, accepted.kind, accepted.codecs, stream)
        viewer.slots[mid] = slot
        self._slot_of_stream[stream] = slot
        # The n-th audio and the n-th video slot are one stream: browsers keep those in lip sync.
        answered = AnsweredStream(
            stream_id=f"slot-{place}",
            track_id=f"slot-{place}-{accepted.kind}",
            cname="lianmai",
            ssrc=options.ssrc,
            rtx_ssrc=options.rtx_ssrc,
        )
        return AnswerSection("sendonly", accepted.codecs, accepted.extensions, answered)

    def _new_transport(self, offer: Offer, now: float) -> tuple[LocalTransport, PeerTransport]:
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

    def _write_answer(
        self, offer: Offer, local: LocalTransport, sections: dict[str, AnswerSection]
    ) -> str:
        return build_answer(
            offer,
            session_id=self._options.randbits(62) | 1,
            transport=local,
            sections=sections,
        )

    def _add_peer(self, peer: Peer, ufrag: str) -> None:
        self._peers[peer.peer_id] = peer
        self._connecting[peer.peer_id] = peer
        self._by_ufrag[ufrag] = peer
        peer.ufrags.append(ufrag)

    def _restart_ice(self, command: RestartIce) -> None:
        peer = self._peers.get(command.peer_id)
        if peer is None:
            self._refuse(command, "unknown_peer", "There is no such peer (any more).")
            return
        credentials = peer.transport.restart_ice(command.ufrag, command.pwd)
        self._by_ufrag[credentials.ufrag] = peer
        peer.ufrags.append(credentials.ufrag)
        self._events.append(
            IceRestarted(
                command.request_id,
                command.peer_id,
                peer.transport.ice_tag,
                credentials.ufrag,
                credentials.pwd,
                candidate_values(self._options.addresses),
            )
        )

    # --- slots ----------------------------------------------------------------------------------

    def _slot(self, peer_id: PeerId, mid: str) -> ViewerSlot | None:
        """A race of a command with a departure is normal: counted, otherwise ignored."""
        peer = self._peers.get(peer_id)
        slot = peer.slots.get(mid) if isinstance(peer, Viewer) else None
        if slot is None:
            self._totals["ignored"] += 1
        return slot

    def _point(self, command: PointSlot, now: float) -> None:
        slot = self._slot(command.peer_id, command.mid)
        if slot is None or command.generation < slot.generation:
            return
        track = self._tracks.get(command.track_id) if command.track_id is not None else None
        if command.track_id is not None and track is None:
            self._totals["ignored"] += 1
        codec = find_match(track.codec, slot.codecs) if track is not None else None
        before = slot.track
        slot.point(track, codec, command.generation)
        self._stop_replay(slot)
        if before is not None and slot.track is not before and not _still_needs(slot, before):
            before.slots.pop(slot, None)
        if track is not None and codec is None:
            self._events.append(
                SlotUnsupported(command.peer_id, slot.mid, command.generation, track.codec.name)
            )
        elif track is not None:
            track.slots[slot] = None
            if slot.is_waiting:
                self._awake(slot, now)
            else:
                self._went_live(slot, None)

    def _awake(self, slot: ViewerSlot, now: float) -> None:
        """Get a waiting slot its first packet: a key frame asked for, or the cached pictures."""
        track = slot.track
        if track is None or not slot.viewer.is_connected or not slot.is_waiting:
            return
        if not track.source.is_video:
            return
        if track.source.keyframes.ignores_pli and track.source.gop.packets and not track.is_muted:
            slot.replay = GopReplay(track.source.gop)
            self._replaying[slot] = None
            self._pump(slot, now)
            self._arm_replay(now)
        else:
            track.source.request_keyframe()

    def _pause(self, command: PauseSlot, now: float) -> None:
        slot = self._slot(command.peer_id, command.mid)
        if slot is None:
            return
        slot.is_paused = command.paused
        slot.apply_pause()
        if slot.is_waiting:
            self._awake(slot, now)

    def _mute(self, command: MuteTrack, now: float) -> None:
        track = self._tracks.get(command.track_id)
        if track is None:
            self._totals["ignored"] += 1
            return
        track.is_muted = command.muted
        # What was captured while muted must reach nobody, not even out of the cache.
        track.source.gop.clear()
        track.source.ring.clear()
        for slot in list(track.slots):
            slot.apply_pause()
            if slot.is_waiting:
                self._awake(slot, now)

    # --- datagrams ------------------------------------------------------------------------------

    def handle_datagrams(self, batch: Sequence[tuple[bytes, Address]], now: float) -> None:
        """Take what the socket had, in order of arrival, and fan it out. # hot path"""
        if self._sweep_due is None:
            self._sweep_due = now + SWEEP_INTERVAL_S
        arrived: dict[PublishedTrack, list[SourcePacket]] = {}
        touched: dict[Peer, None] = {}
        by_address = self._by_address
        for data, address in batch:
            if len(data) < 12:
                self._drop("too_short")
                continue
            if 128 <= data[0] < 192:
                peer = by_address.get(address)
                if peer is None:
                    self._drop("unknown_address")
                elif 192 <= data[1] <= 223:
                    self._receive_rtcp(peer, data, now)
                    touched[peer] = None
                elif isinstance(peer, Publisher):
                    received = peer.receive_rtp(data, now)
                    if received is not None:
                        arrived.setdefault(received[0], []).append(received[1])
                        touched[peer] = None
                else:
                    peer.drop("viewer_rtp")
            else:
                self._receive_handshake(data, address, touched, now)
        for track, packets in arrived.items():
            self._forward(track, packets, now)
        for peer in touched:
            self._settle(peer, now)

    def _receive_handshake(
        self, data: bytes, address: Address, touched: dict[Peer, None], now: float
    ) -> None:
        if is_stun(data):
            ufrag = stun_local_ufrag_untrusted(data)
            peer = self._by_ufrag.get(ufrag) if ufrag is not None else None
            if peer is None:
                self._drop("unknown_ufrag")
                return
            peer.transport.handle_stun(data, address, now)
        elif is_dtls(data):
            peer = self._by_address.get(address)
            if peer is None:
                self._drop("unknown_address")
                return
            peer.transport.handle_dtls(data, address, now)
        else:
            self._drop("unknown_protocol")
            return
        touched[peer] = None

    def _receive_rtcp(self, peer: Peer, data: bytes, now: float) -> None:
        if isinstance(peer, Publisher):
            peer.receive_rtcp(data, now)
        elif isinstance(peer, Viewer):
            wall_s = now + self._options.wall_offset_s

            def resend(stream: OutStream, seqs: list[int]) -> None:
                answer_nack(
                    stream,
                    seqs,
                    ring_of=self._ring_of,
                    sender=self._sender,
                    stamp=rtcp.ntp24(wall_s),
                    now=now,
                )

            peer.receive_rtcp(
                data,
                compact_now=rtcp.compact_ntp(rtcp.ntp64(wall_s)),
                on_nack=resend,
                on_keyframe=self._request_keyframe,
            )

    def _ring_of(self, source_id: int) -> RetransmissionRing | None:
        track = self._sources.get(source_id)
        return track.source.ring if track is not None else None

    def _clock_of(self, source_id: int) -> MediaClock | None:
        track = self._sources.get(source_id)
        return track.source.clock if track is not None else None

    def _request_keyframe(self, slot: ViewerSlot) -> None:
        if slot.track is not None:
            slot.track.source.request_keyframe()

    def _forward(  # hot path
        self, track: PublishedTrack, packets: list[SourcePacket], now: float
    ) -> None:
        if not track.has_started:
            self._start_track(track)
        streams = [slot.stream for slot in track.slots if slot.replay is None]
        if streams:
            self._send(packets, streams, now)

    def _send(self, packets: list[SourcePacket], streams: list[OutStream], now: float) -> None:
        switched = fan_out(
            packets,
            streams,
            sender=self._sender,
            buffer=self._buffer,
            stamp=rtcp.ntp24(now + self._options.wall_offset_s),
            counters=self._counters,
        )
        for stream in switched:
            self._switched(self._slot_of_stream[stream], packets, now)

    def _start_track(self, track: PublishedTrack) -> None:
        track.has_started = True
        publisher = next(peer for peer in self._publishers.values() if track in peer.tracks)
        self._events.append(TrackStarted(publisher.peer_id, track.info))
        # Learn before the first newcomer comes whether this source answers PLIs at all.
        track.source.request_keyframe()

    def _switched(self, slot: ViewerSlot, packets: list[SourcePacket], now: float) -> None:
        """The slot's stream opened a new segment: leave the old track, tell, report the clock."""
        segment = slot.stream.forwarder.segment
        track = slot.track
        if segment is None or track is None or segment.source_id != track.source_id:
            return
        first = next((each for each in packets if each.ext_seq == segment.source_start), None)
        if first is not None:
            self._leave_others(slot, track)
            if not slot.is_live:
                self._went_live(slot, first)
        self._send_reports(slot.viewer, now)

    def _leave_others(self, slot: ViewerSlot, track: PublishedTrack) -> None:
        for other in self._sources.values():
            if other is not track and slot in other.slots:
                del other.slots[slot]

    def _went_live(self, slot: ViewerSlot, first: SourcePacket | None) -> None:
        """`first` is the packet it went live with; None when it never stopped being fed."""
        track, segment = slot.track, slot.stream.forwarder.segment
        if track is None or segment is None:
            return
        slot.is_live = True
        timestamp = first.ext_timestamp if first is not None else None
        media_time_ms = None
        if timestamp is not None and track.source.clock.is_exact:
            captured = track.source.clock.capture_time(timestamp)
            if captured is not None:
                media_time_ms = round((captured + self._options.wall_offset_s) * 1000)
        outgoing = 0 if timestamp is None else timestamp + segment.timestamp_offset
        self._events.append(
            SlotLive(
                slot.viewer.peer_id,
                slot.mid,
                slot.generation,
                outgoing & 0xFFFFFFFF,
                media_time_ms,
            )
        )

    def _send_reports(self, viewer: Viewer, now: float) -> None:
        sender, address = viewer.transport.srtp_out, viewer.transport.address
        if sender is None or address is None:
            return
        plain = viewer.downlink.poll_reports(now, self._options.wall_offset_s, self._clock_of)
        if plain is not None:
            protected = sender.protect_rtcp(plain)
            if protected:
                self._transmits.append((protected, address))

    # --- replay of a cached group of pictures ---------------------------------------------------

    def _arm_replay(self, now: float) -> None:
        if self._replaying and self._replay_due is None:
            self._replay_due = now + REPLAY_INTERVAL_S

    def _pump(self, slot: ViewerSlot, now: float) -> None:
        replay = slot.replay
        if replay is None:
            self._replaying.pop(slot, None)
            return
        packets = replay.take(REPLAY_PACKETS)
        if packets:
            self._send(packets, [slot.stream], now)
        if replay.is_done:
            self._stop_replay(slot)

    def _stop_replay(self, slot: ViewerSlot) -> None:
        slot.replay = None
        self._replaying.pop(slot, None)

    # --- peers ----------------------------------------------------------------------------------

    def _settle(self, peer: Peer, now: float) -> None:
        """Carry out what an input did to a peer's transport."""
        transport = peer.transport
        if isinstance(peer, Publisher) and transport.address is not None:
            for datagram in peer.take_feedback(now):
                self._transmits.append((datagram, transport.address))
        while (transmit := transport.poll_transmit()) is not None:
            self._transmits.append(transmit)
        while (event := transport.poll_event()) is not None:
            match event:
                case AddressChanged(address):
                    self._bind(peer, address)
                case Connected(profile):
                    self._connected(peer, profile, now)
                case Silent():
                    self._events.append(PeerSilent(peer.peer_id))
                case Heard():
                    self._events.append(PeerHeard(peer.peer_id))
                case Closed(reason):
                    self._remove(peer, reason)
                case _:
                    assert_never(event)

    def _bind(self, peer: Peer, address: Address) -> None:
        """Media from `address` is this peer's from now on, unless a living peer has it: an
        authenticated check proves who sends it, not whose source address it carries."""
        holder = self._by_address.get(address)
        if holder is not None and holder is not peer and holder.is_connected:
            peer.drop("address_taken")
            return
        self._by_address[address] = peer
        peer.addresses.append(address)
        if isinstance(peer, Viewer):
            peer.downlink.address = address

    def _connected(self, peer: Peer, profile: str, now: float) -> None:
        self._connecting.pop(peer.peer_id, None)
        peer.srtp_profile = profile
        self._quality[peer.peer_id] = QualityMeter(now)
        self._events.append(PeerConnected(peer.peer_id, profile))
        if isinstance(peer, Viewer):
            peer.downlink.protector = peer.transport.srtp_out
            for slot in peer.slots.values():
                if slot.is_waiting:
                    self._awake(slot, now)

    def _close_commanded(self, command: ClosePeer, now: float) -> None:
        peer = self._peers.get(command.peer_id)
        if peer is None:
            self._totals["ignored"] += 1
            return
        peer.transport.close(now, command.reason)
        self._settle(peer, now)

    def close(self, now: float, reason: str) -> None:
        """Close every peer; the events and goodbyes are there to be drained."""
        for peer in list(self._peers.values()):
            peer.transport.close(now, reason)
            self._settle(peer, now)

    def _remove(self, peer: Peer, reason: str) -> None:
        if self._peers.pop(peer.peer_id, None) is None:
            return
        self._totals["closed"] += 1
        self._connecting.pop(peer.peer_id, None)
        self._quality.pop(peer.peer_id, None)
        for ufrag in peer.ufrags:
            self._by_ufrag.pop(ufrag, None)
        for address in peer.addresses:
            if self._by_address.get(address) is peer:
                del self._by_address[address]
        if isinstance(peer, Publisher):
            self._remove_tracks(peer)
        elif isinstance(peer, Viewer):
            self._remove_slots(peer)
        self._events.append(PeerClosed(peer.peer_id, reason))

    def _remove_tracks(self, publisher: Publisher) -> None:
        self._publishers.pop(publisher.peer_id, None)
        for track in publisher.tracks:
            if self._tracks.get(track.info.track_id) is track:
                del self._tracks[track.info.track_id]
            self._sources.pop(track.source_id, None)
            for slot in track.slots:
                slot.stream.forwarder.remove_source(track.source_id)
                if slot.track is track:
                    slot.track = None
                    self._stop_replay(slot)
            if track.has_started:
                self._events.append(TrackEnded(publisher.peer_id, track.info.track_id))

    def _remove_slots(self, viewer: Viewer) -> None:
        for slot in viewer.slots.values():
            self._stop_replay(slot)
            self._slot_of_stream.pop(slot.stream, None)
            for track in self._sources.values():
                track.slots.pop(slot, None)

    # --- time -----------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the next `handle_timeout`; None while there is nothing to do."""
        deadlines: list[float | None] = [self._replay_due]
        if self._peers:
            deadlines.append(self._sweep_due)
        deadlines += [peer.next_deadline() for peer in self._publishers.values()]
        deadlines += [peer.transport.next_deadline() for peer in self._connecting.values()]
        return min((each for each in deadlines if each is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Let time pass."""
        for publisher in list(self._publishers.values()):
            deadline = publisher.next_deadline()
            if deadline is not None and deadline <= now:
                self._tick_publisher(publisher, now)
        for peer in list(self._connecting.values()):
            deadline = peer.transport.next_deadline()
            if deadline is not None and deadline <= now:
                peer.transport.handle_timeout(now)
                self._settle(peer, now)
        if self._replay_due is not None and now >= self._replay_due:
            self._replay_due = None
            for slot in list(self._replaying):
                self._pump(slot, now)
            self._arm_replay(now)
        if self._sweep_due is None or now >= self._sweep_due:
            self._sweep_due = now + SWEEP_INTERVAL_S
            self._sweep(now)

    def _tick_publisher(self, publisher: Publisher, now: float) -> None:
        ignoring = [track.source.keyframes.ignores_pli for track in publisher.tracks]
        publisher.transport.handle_timeout(now)
        self._settle(publisher, now)
        for track, ignored_before in zip(publisher.tracks, ignoring, strict=True):
            if track.source.keyframes.ignores_pli and not ignored_before:
                for slot in list(track.slots):
                    self._awake(slot, now)

    def _sweep(self, now: float) -> None:
        for peer in list(self._peers.values()):
            peer.transport.handle_timeout(now)
            self._settle(peer, now)
            if isinstance(peer, Viewer) and peer.is_connected:
                self._send_reports(peer, now)
            meter = self._quality.get(peer.peer_id)
            sample = meter.poll(peer, now) if meter is not None else None
            if sample is not None:
                self._events.append(sample)

    # --- outputs --------------------------------------------------------------------------------

    def poll_event(self) -> Event | None:
        """The next event, or None."""
        return self._events.popleft() if self._events else None

    def poll_transmit(self) -> tuple[bytes, Address] | None:
        """The next datagram and its destination, or None."""
        return self._transmits.popleft() if self._transmits else None

    def _report(self, command: QueryStats) -> None:
        wanted: Iterable[PeerId] = command.peer_ids or tuple(self._peers)
        peers = tuple(peer_stats(self._peers[each]) for each in wanted if each in self._peers)
        counters = self._counters
        totals = {
            **self._totals,
            "peers": len(self._peers),
            "connecting": len(self._connecting),
            "publishers": len(self._publishers),
            "tracks": len(self._tracks),
            "fanout_batches": counters.batches,
            "fanout_packets": counters.packets,
            "fanout_bytes": counters.bytes,
            "fanout_runs": counters.runs,
            "fanout_refused": counters.refused,
            **{f"dropped_{reason}": count for reason, count in self._dropped.items()},
        }
        self._events.append(Stats(command.request_id, peers, totals))

    def _drop(self, reason: str) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + 1


def _still_needs(slot: ViewerSlot, track: PublishedTrack) -> bool:
    """Video goes on with the old track until the new one's key frame."""
    return slot.stream.forwarder.wants(track.source_id)
