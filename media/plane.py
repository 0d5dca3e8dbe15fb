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
from media.bandwidth_control import BandwidthControl
from media.demux import is_dtls, is_stun
from media.downlink import OutStream
from media.errors import OfferRefused, RemoteProtocolError
from media.exports import SendFrames
from media.fanout import RunSender
from media.handshakes import Handshakes
from media.ice import Address
from media.layer import Layer
from media.peer import Peer
from media.publisher import Publisher
from media.quality import QualityMeter
from media.registry import PeerRegistry
from media.relay import Relay, no_links
from media.relay_frames import Frame
from media.resend import answer_nack, is_past_mending
from media.rotation import Rotation
from media.rtp import SourcePacket
from media.sdp import candidate_values, parse_offer_untrusted
from media.seam import (
    ClosePeer,
    Command,
    Event,
    ExportTrack,
    IceRestarted,
    ImportTrack,
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
    ShapeSlot,
    Stats,
    StopRelay,
)
from media.stats import Traffic, peer_stats
from media.stun_check import stun_local_ufrag_untrusted
from media.switchboard import Switchboard
from media.transport import AddressChanged, Closed, Connected, Heard, Silent
from media.viewer import Viewer

CONNECTING_INTERVAL_S: Final = 0.05
"""How often the timers of handshakes are looked at; the shortest of them is 0.2 s."""


def _is_video(layer: Layer) -> bool:
    return layer.source.is_video


class MediaPlane:
    """See the module's text. Never raises for what a peer sent; every drop is counted."""

    def __init__(
        self, options: PlaneOptions, sender: RunSender, send_frames: SendFrames = no_links
    ) -> None:
        """`send_frames` writes to other media workers (`media.relay`)."""
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
            turn_deliveries=options.turn_deliveries,
        )
        self._bandwidth = BandwidthControl(
            self._switchboard, sender=sender, wall_offset_s=options.wall_offset_s
        )
        self._relay = Relay(
            self._switchboard,
            send_frames,
            wall_offset_s=options.wall_offset_s,
            randbits=options.randbits,
        )
        self._registry = PeerRegistry()
        self._handshakes = Handshakes()
        self._quality: dict[PeerId, QualityMeter] = {}
        self._rotation: Rotation | None = None
        self._connecting_due: float | None = None
        self._publishers_due: dict[Publisher, float] = {}
        self._totals = {"opened": 0, "closed": 0, "refused": 0, "ignored": 0}
        self._dropped: dict[str, int] = {}
        self._traffic = Traffic()

    # --- commands -------------------------------------------------------------------------------

    def handle_command(self, command: Command, now: float) -> None:
        """Carry out one command of signaling."""
        match command:
            case PublishOffer() | PlayOffer():
                self._answer(command, now)
            case RestartIce():
                self._restart_ice(command)
            case PointSlot() | PauseSlot() | ShapeSlot():
                self._command_slot(command, now)
            case MuteTrack():
                self._mute(command, now)
            case ClosePeer():
                self._close_commanded(command, now)
            case QueryStats():
                self._report(command)
            case ExportTrack() | ImportTrack() | StopRelay():
                if not self._relay.handle_command(command, now):
                    self._totals["ignored"] += 1
            case _:
                assert_never(command)
        self._ask_publishers(now)

    def _answer(self, command: PublishOffer | PlayOffer, now: float) -> None:
        try:
            self._check_room(command.peer_id)
            offer = parse_offer_untrusted(command.sdp)
            if isinstance(command, PublishOffer):
                publisher, answered = self._assembler.publisher(command, offer, now)
                self._switchboard.add_publisher(publisher)
                self._add_peer(publisher, now)
            else:
                viewer, answered = self._assembler.viewer(command, offer, now)
                self._switchboard.add_viewer(viewer)
                self._add_peer(viewer, now)
        except OfferRefused as error:
            self._refuse(command, error.code, error.message)
        except RemoteProtocolError as error:
            self._refuse(command, "bad_sdp", str(error))
        else:
            self._totals["opened"] += 1
            self._events.append(answered)

    def _check_room(self, peer_id: PeerId) -> None:
        options, registry = self._options, self._registry
        if peer_id in registry.peers:
            raise OfferRefused("bad_sdp", "There is a peer with this id already.")
        if (
            len(registry.peers) >= options.max_peers
            or len(registry.connecting) >= options.max_connecting
        ):
            raise OfferRefused("too_many_peers")

    def _refuse(
        self, command: PublishOffer | PlayOffer | RestartIce, code: str, message: str
    ) -> None:
        self._totals["refused"] += 1
        self._events.append(Refused(command.request_id, command.peer_id, code, message))

    def _add_peer(self, peer: Peer, now: float) -> None:
        self._registry.add(peer)
        if self._connecting_due is None:
            self._connecting_due = now + CONNECTING_INTERVAL_S
        if self._rotation is None:
            self._rotation = Rotation(now)

    def _command_slot(self, command: PointSlot | PauseSlot | ShapeSlot, now: float) -> None:
        """A race of a command with a departure is normal: counted, otherwise ignored."""
        peer = self._registry.peers.get(command.peer_id)
        slot = peer.slots.get(command.mid) if isinstance(peer, Viewer) else None
        if slot is None:
            self._totals["ignored"] += 1
            return
        if isinstance(command, PointSlot):
            self._switchboard.point(slot, command, now)
        elif isinstance(command, ShapeSlot):
            self._switchboard.shape(slot, command, now)
        else:
            self._switchboard.pause(slot, command.paused, now)
        self._bandwidth.changed(slot.viewer, now)

    def _mute(self, command: MuteTrack, now: float) -> None:
        track = self._switchboard.track(command.track_id)
        if track is None:
            self._totals["ignored"] += 1
        else:
            self._switchboard.mute(track, command.muted, now)

    def _restart_ice(self, command: RestartIce) -> None:
        peer = self._registry.peers.get(command.peer_id)
        if peer is None:
            self._refuse(command, "unknown_peer", "There is no such peer (any more).")
            return
        credentials = peer.transport.restart_ice(command.ufrag, command.pwd)
        self._registry.renew_ufrags(peer)
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
        arrived: dict[Layer, list[SourcePacket]] = {}
        touched: dict[Peer, None] = {}
        sending: dict[Publisher, None] = {}
        by_address = self._registry.by_address
        self._handshakes.begin_turn()
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
                        sending[peer] = None
                else:
                    peer.drop("viewer_rtp")
            else:
                self._receive_handshake(data, address, touched, now)
        if self._relay.exported:
            self._relay.forward(arrived)  # first: the other worker sends beside us
        for layer in sorted(arrived, key=_is_video):  # a voice waits for no picture
            self._switchboard.forward(layer, arrived[layer], now)
        for publisher in sending:
            self._settle_media(publisher, now)
        for peer in touched:
            self._settle(peer, now)
        self._ask_publishers(now)

    def handle_relayed(self, link: str, frames: Iterable[Frame], now: float) -> None:
        """Take what came from another media worker over a link."""
        self._relay.receive(link, frames, now)
        self._ask_publishers(now)

    @property
    def is_behind(self) -> bool:
        """Whether work waits: call `handle_turn` soon, but read what came first."""
        return self._switchboard.is_behind or self._handshakes.is_behind

    def handle_turn(self, now: float) -> None:
        """Do a bounded portion of what waits (`media/backlog.py`, `media/handshakes.py`)."""
        self._switchboard.take_turn(now)
        for data, address in self._handshakes.take():
            peer = self._registry.by_address.get(address)
            if peer is not None:
                peer.transport.handle_dtls(data, address, now)
                self._settle(peer, now)
        self._ask_publishers(now)

    def _receive_handshake(
        self, data: bytes, address: Address, touched: dict[Peer, None], now: float
    ) -> None:
        if is_stun(data):
            ufrag = stun_local_ufrag_untrusted(data)
            # Answers to questions of ours carry none; they come from where a check came from.
            by_address = self._registry.by_address.get(address) if ufrag is None else None
            peer = self._registry.of_ufrag(ufrag) or by_address
            if peer is None:
                self._drop("unknown_ufrag")
                return
            if self._registry.is_taken(address, peer):
                peer.drop("address_taken")
                return
            peer.transport.handle_stun(data, address, now)
            if peer.transport.is_valid_address(address):
                self._registry.bind(peer, address)
        elif is_dtls(data):
            peer = self._registry.by_address.get(address)
            if peer is None:
                self._drop("unknown_address")
                return
            if not peer.is_connected and not self._handshakes.may_pass():
                if not self._handshakes.put((data, address)):
                    self._drop("handshakes_full")
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
            viewer, bandwidth = peer, self._bandwidth
            wall_s = now + self._options.wall_offset_s
            compact_now = rtcp.compact_ntp(rtcp.ntp64(wall_s))

            def resend(stream: OutStream, seqs: list[int]) -> None:
                ring_of = self._switchboard.ring_of
                only_source = bandwidth.wanted_source(viewer, stream)
                answer_nack(
                    stream,
                    seqs,
                    ring_of=ring_of,
                    sender=self._sender,
                    stamp=rtcp.ntp24(wall_s),
                    now=now,
                    only_source=only_source,
                )
                # On a narrow link old packets are missing all the time, and a key frame is large.
                if only_source is None and is_past_mending(stream, seqs, ring_of):
                    slot = viewer.slot_of(stream.ssrc)
                    if slot is not None:
                        self._switchboard.lost_picture(slot, now)

            viewer.receive_rtcp(
                data,
                compact_now=compact_now,
                on_nack=resend,
                on_keyframe=lambda slot: self._switchboard.lost_picture(slot, now),
                on_report=lambda stream, report: bandwidth.handle_report(
                    viewer, stream, report, compact_now, now
                ),
                on_estimate=lambda bps: bandwidth.handle_remb(viewer, bps, now),
            )
            bandwidth.settle(viewer, now)

    # --- peers ----------------------------------------------------------------------------------

    def _settle(self, peer: Peer, now: float) -> None:
        """Carry out what an input did to a peer's transport."""
        transport = peer.transport
        if peer.take_heard():
            transport.heard(now)
        if isinstance(peer, Publisher):
            self._send_feedback(peer, now)
        while (transmit := transport.poll_transmit()) is not None:
            self._transmits.append(transmit)
        while (event := transport.poll_event()) is not None:
            match event:
                case AddressChanged(address):
                    if isinstance(peer, Viewer):
                        peer.downlink.address = address
                case Connected(profile):
                    self._connected(peer, profile, now)
                case Silent():
                    peer.is_silent = True
                    self._events.append(PeerSilent(peer.peer_id))
                case Heard():
                    peer.is_silent = False
                    self._events.append(PeerHeard(peer.peer_id))
                case Closed(reason):
                    self._remove(peer, reason)
                case _:
                    assert_never(event)
        if isinstance(peer, Publisher) and not transport.is_closed:
            self._arm_publisher(peer)

    def _settle_media(self, publisher: Publisher, now: float) -> None:
        """`_settle` for the usual case, once a batch: media came, and nothing is due."""
        deadline = publisher.next_deadline()
        if publisher.is_silent or deadline is None or deadline <= now:
            self._settle(publisher, now)
            return
        if publisher.take_heard():
            publisher.transport.heard(now)
        self._publishers_due[publisher] = deadline

    def _arm_publisher(self, publisher: Publisher) -> None:
        deadline = publisher.next_deadline()
        if deadline is None:
            self._publishers_due.pop(publisher, None)
        else:
            self._publishers_due[publisher] = deadline

    def _send_feedback(self, publisher: Publisher, now: float) -> None:
        address = publisher.transport.address
        if address is None:
            return
        for datagram in publisher.take_feedback(now):
            self._transmits.append((datagram, address))
        for layer in publisher.layers:
            if layer.take_turned_deaf():
                self._switchboard.awake_waiting(layer, now)

    def _ask_publishers(self, now: float) -> None:
        """Send the key frame requests that viewers caused."""
        for peer_id in self._switchboard.take_asked():
            publisher = self._registry.publishers.get(peer_id)
            if publisher is not None:
                self._settle(publisher, now)
            else:
                self._relay.settle(peer_id, now)

    def _connected(self, peer: Peer, profile: str, now: float) -> None:
        self._registry.connected(peer)
        peer.srtp_profile = profile
        self._quality[peer.peer_id] = QualityMeter(now)
        self._events.append(_peer_connected(peer, profile))
        if isinstance(peer, Publisher) and peer.transport.handshake_rtt_s is not None:
            for layer in peer.layers:
                layer.source.learn_rtt(peer.transport.handshake_rtt_s)
        if isinstance(peer, Viewer):
            peer.downlink.protector = peer.transport.srtp_out
            for slot in peer.slots.values():
                if slot.is_waiting:
                    self._switchboard.awake(slot, now)

    def _close_commanded(self, command: ClosePeer, now: float) -> None:
        peer = self._registry.peers.get(command.peer_id)
        if peer is None:
            self._totals["ignored"] += 1
            return
        peer.transport.close(now, command.reason)
        self._settle(peer, now)

    def close(self, now: float, reason: str) -> None:
        """Close every peer; the events and goodbyes are there to be drained."""
        for peer in list(self._registry.peers.values()):
            peer.transport.close(now, reason)
            self._settle(peer, now)

    def _remove(self, peer: Peer, reason: str) -> None:
        if not self._registry.remove(peer):
            return
        self._totals["closed"] += 1
        self._traffic.close(peer)
        self._quality.pop(peer.peer_id, None)
        if self._rotation is not None and not self._registry.peers:
            self._rotation.clear()
        if isinstance(peer, Publisher):
            self._publishers_due.pop(peer, None)
            self._relay.remove_publisher(peer)
            self._switchboard.remove_publisher(peer)
        elif isinstance(peer, Viewer):
            self._bandwidth.remove(peer)
            self._switchboard.remove_viewer(peer)
        self._events.append(PeerClosed(peer.peer_id, reason))

    # --- time -----------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the next `handle_timeout`; None while there is nothing to do."""
        # Asked after every batch: no generator, hardly any list.
        due = list(self._publishers_due.values())
        replay_due = self._switchboard.next_deadline()
        if replay_due is not None:
            due.append(replay_due)
        relay_due = self._relay.next_deadline()
        if relay_due is not None:
            due.append(relay_due)
        probe_due = self._bandwidth.next_deadline()
        if probe_due is not None:
            due.append(probe_due)
        if self._registry.connecting and self._connecting_due is not None:
            due.append(self._connecting_due)
        if self._registry.peers and self._rotation is not None:
            due.append(self._rotation.next_deadline())
        return min(due, default=None)

    def handle_timeout(self, now: float) -> None:
        """Let time pass."""
        for publisher, deadline in list(self._publishers_due.items()):
            if deadline <= now:
                publisher.transport.handle_timeout(now)
                self._settle(publisher, now)
        if self._connecting_due is not None and self._connecting_due <= now:
            self._tick_connecting(now)
        self._switchboard.handle_timeout(now)
        self._bandwidth.handle_timeout(now)
        self._relay.handle_timeout(now)
        if self._rotation is not None:
            for peer in self._rotation.take(self._registry.peers.values(), now):
                self._look_after(peer, now)
        self._ask_publishers(now)

    def _tick_connecting(self, now: float) -> None:
        for peer in list(self._registry.connecting.values()):
            deadline = peer.transport.next_deadline()
            if deadline is not None and deadline <= now:
                peer.transport.handle_timeout(now)
                self._settle(peer, now)
        self._connecting_due = now + CONNECTING_INTERVAL_S if self._registry.connecting else None

    def _look_after(self, peer: Peer, now: float) -> None:
        """About once a second: silence, sender reports, quality."""
        if peer.transport.is_closed:
            return
        peer.transport.handle_timeout(now)
        self._settle(peer, now)
        if isinstance(peer, Viewer) and peer.is_connected:
            peer.measure(now)
            self._bandwidth.look(peer, now)
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
        registry = self._registry.peers
        wanted: Iterable[PeerId] = command.peer_ids or tuple(registry)
        peers = tuple(peer_stats(registry[each]) for each in wanted if each in registry)
        # Who asks for some peers asks often, and the totals look at every peer there is.
        totals = {} if command.peer_ids else self.totals()
        self._events.append(Stats(command.request_id, peers, totals))

    def totals(self) -> dict[str, int]:
        """Counters of the whole plane since it began, and present sizes (see `Stats`)."""
        counters = self._switchboard.counters
        return {
            **self._totals,
            **self._traffic.totals(self._registry.peers.values()),
            **self._registry.sizes(),
            "tracks": self._switchboard.track_count - self._relay.imported,
            **self._relay.totals(),
            "fanout_batches": counters.batches,
            "fanout_packets": counters.packets,
            "fanout_bytes": counters.bytes,
            "fanout_runs": counters.runs,
            "fanout_refused": counters.refused,
            **self._bandwidth.totals(),
            **{f"dropped_{reason}": count for reason, count in self._dropped.items()},
        }

    def _drop(self, reason: str) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + 1


def _peer_connected(peer: Peer, profile: str) -> PeerConnected:
    transport = peer.transport
    return PeerConnected(
        peer.peer_id,
        profile,
        ice_ms=None if transport.ice_s is None else transport.ice_s * 1000,
        dtls_ms=None if transport.dtls_s is None else transport.dtls_s * 1000,
    )
