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
from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from media import rtcp
from media.assembly import Assembler, PlaneOptions
from media.demux import is_dtls, is_stun
from media.downlink import OutStream
from media.errors import OfferRefused, RemoteProtocolError
from media.fanout import RunSender
from media.ice import Address, stun_local_ufrag_untrusted
from media.peer import Peer
from media.publisher import PublishedTrack, Publisher
from media.quality import QualityMeter
from media.resend import answer_nack
from media.rtp import SourcePacket
from media.sdp import candidate_values, parse_offer_untrusted
from media.seam import (
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
    Stats,
)
from media.stats import Traffic, peer_stats
from media.switchboard import Switchboard
from media.transport import AddressChanged, Closed, Connected, Heard, Silent
from media.viewer import Viewer, ViewerSlot

SWEEP_INTERVAL_S: Final = 1.0
"""Viewers' transports, sender reports and quality are looked at once a second, all in one go: a
timer for each of ten thousand viewers would cost more than the work."""


class MediaPlane:
    """See the module's text. Never raises for what a peer sent; every drop is counted."""

    def __init__(self, options: PlaneOptions, sender: RunSender) -> None:
        self._options = options
        self._sender = sender
        self._events: deque[Event] = deque()
        self._transmits: deque[tuple[bytes, Address]] = deque()
        self._assembler = Assembler(options)
        self._switchboard = Switchboard(
            sender=sender,
            emit=self._events.append,
            transmit=lambda data, address: self._transmits.append((data, address)),
            wall_offset_s=options.wall_offset_s,
        )
        self._peers: dict[PeerId, Peer] = {}
        self._publishers: dict[PeerId, Publisher] = {}
        self._by_ufrag: dict[str, Peer] = {}
        self._by_address: dict[Address, Peer] = {}
        self._connecting: dict[PeerId, Peer] = {}
        self._quality: dict[PeerId, QualityMeter] = {}
        self._sweep_due: float | None = None
        self._totals = {"opened": 0, "closed": 0, "refused": 0, "ignored": 0}
        self._dropped: dict[str, int] = {}
        self._traffic = Traffic()

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
            case PointSlot() | PauseSlot():
                self._command_slot(command, now)
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
                publisher, answered = self._assembler.publisher(command, offer, now)
                self._publishers[command.peer_id] = publisher
                self._switchboard.add_publisher(publisher)
                self._add_peer(publisher)
            else:
                viewer, answered = self._assembler.viewer(command, offer, now)
                self._switchboard.add_viewer(viewer)
                self._add_peer(viewer)
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

    def _add_peer(self, peer: Peer) -> None:
        self._peers[peer.peer_id] = peer
        self._connecting[peer.peer_id] = peer
        for ufrag in peer.transport.local_ufrags:
            self._by_ufrag[ufrag] = peer
            peer.ufrags.append(ufrag)

    def _command_slot(self, command: PointSlot | PauseSlot, now: float) -> None:
        """A race of a command with a departure is normal: counted, otherwise ignored."""
        peer = self._peers.get(command.peer_id)
        slot = peer.slots.get(command.mid) if isinstance(peer, Viewer) else None
        if slot is None:
            self._totals["ignored"] += 1
        elif isinstance(command, PointSlot):
            self._switchboard.point(slot, command, now)
        else:
            self._switchboard.pause(slot, command.paused, now)

    def _mute(self, command: MuteTrack, now: float) -> None:
        track = self._switchboard.track(command.track_id)
        if track is None:
            self._totals["ignored"] += 1
        else:
            self._switchboard.mute(track, command.muted, now)

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
            self._switchboard.forward(track, packets, now)
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
                    ring_of=self._switchboard.ring_of,
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

    def _request_keyframe(self, slot: ViewerSlot) -> None:
        if slot.track is not None:
            slot.track.source.request_keyframe()

    # --- peers ----------------------------------------------------------------------------------

    def _settle(self, peer: Peer, now: float) -> None:
        """Carry out what an input did to a peer's transport."""
        transport = peer.transport
        if peer.take_heard():
            transport.heard(now)
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
                    self._switchboard.awake(slot, now)

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
        self._traffic.close(peer)
        self._connecting.pop(peer.peer_id, None)
        self._quality.pop(peer.peer_id, None)
        for ufrag in peer.ufrags:
            self._by_ufrag.pop(ufrag, None)
        for address in peer.addresses:
            if self._by_address.get(address) is peer:
                del self._by_address[address]
        if isinstance(peer, Publisher):
            self._publishers.pop(peer.peer_id, None)
            self._switchboard.remove_publisher(peer)
        elif isinstance(peer, Viewer):
            self._switchboard.remove_viewer(peer)
        self._events.append(PeerClosed(peer.peer_id, reason))

    # --- time -----------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the next `handle_timeout`; None while there is nothing to do."""
        deadlines = [self._switchboard.next_deadline()]
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
        self._switchboard.handle_timeout(now)
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
                    self._switchboard.awake(slot, now)

    def _sweep(self, now: float) -> None:
        for peer in list(self._peers.values()):
            peer.transport.handle_timeout(now)
            self._settle(peer, now)
            if isinstance(peer, Viewer) and peer.is_connected:
                self._switchboard.send_reports(peer, now)
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
        self._events.append(Stats(command.request_id, peers, self.totals()))

    def totals(self) -> dict[str, int]:
        """Counters of the whole plane since it began, and present sizes (see `Stats`)."""
        counters = self._switchboard.counters
        return {
            **self._totals,
            **self._traffic.totals(self._peers.values()),
            "peers": len(self._peers),
            "connecting": len(self._connecting),
            "publishers": len(self._publishers),
            "tracks": self._switchboard.track_count,
            "fanout_batches": counters.batches,
            "fanout_packets": counters.packets,
            "fanout_bytes": counters.bytes,
            "fanout_runs": counters.runs,
            "fanout_refused": counters.refused,
            **{f"dropped_{reason}": count for reason, count in self._dropped.items()},
        }

    def _drop(self, reason: str) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + 1
