"""The stage and its media: who may publish into which seat, and what that shows to everybody.

One `StageMedia` per room and node. It follows the room's events (seats, mutes, the show) and
media's (tracks, silence, ends), keeps uplinks and downlinks, and lets `SeatReporter` tell the room.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from media import seam
from media.seam import Answered, PeerId, PeerStats, Source
from signaling import commands as c
from signaling.desk import Desk
from signaling.downlinks import Downlink, Downlinks, SlotShape
from signaling.errors import Refusal
from signaling.identity import Identity
from signaling.ids import RoomRef, SeatNo, ShowId, Subject
from signaling.media_link import MediaLink, PeerHandler, new_peer_id
from signaling.media_owner import MediaOwner
from signaling.media_view import RoomMedia, peer_media
from signaling.options import RoomOptions
from signaling.protocol import (
    LogEvent,
    PeerState,
    ReportJoin,
    ReportQuality,
    SeatChanged,
    SeatLeft,
    SeatTaken,
    ShowChanged,
    SlotIsLive,
    SlotProblem,
)
from signaling.quality_book import QualityBook, Transport
from signaling.room_state import RoomState
from signaling.room_store import RoomStore
from signaling.seat_reporter import SeatReporter
from signaling.seat_signals import SeatSignals
from signaling.uplinks import Hearing, Uplink, Uplinks
from signaling.views import SeatSignal, SeatView, ShowView

log = logging.getLogger(__name__)

NOT_LIVE_RETRY_MS: Final = 2_000
"""`Retry-After` of a player that came too early."""
MAX_PEERS_EACH: Final = 4
"""Uplinks of one person at a time: two devices and their hand-overs."""


class StageMedia:
    """`is_here` says whether a person has an open socket on this node."""

    def __init__(
        self,
        ref: RoomRef,
        *,
        store: RoomStore,
        desk: Desk,
        link: MediaLink,
        uplinks: Uplinks,
        downlinks: Downlinks,
        reporter: SeatReporter,
        quality: QualityBook,
        is_here: Callable[[str], bool],
        options: RoomOptions,
    ) -> None:
        self._ref = ref
        self._group = f"{ref.shop}/{ref.room}"
        self._store = store
        self._desk = desk
        self._link = link
        self._uplinks = uplinks
        self.downlinks = downlinks
        self._reporter = reporter
        self._quality = quality
        self._signals = SeatSignals()
        self._is_here = is_here
        self._options = options
        self._seats: dict[SeatNo, SeatView] = {}

    @property
    def peers(self) -> int:
        return len(self._uplinks) + len(self.downlinks)

    def peer_ids(self) -> tuple[PeerId, ...]:
        return (*self._uplinks.peer_ids(), *self.downlinks.peer_ids())

    # --- what people ask for --------------------------------------------------------------------

    async def publish(self, owner: MediaOwner, sdp: str, sources: dict[str, Source]) -> Answered:
        """Answer a publisher's offer. Needs a seat, or is the host, who takes one by publishing.

        Raises `Refusal`: forbidden, not_live, not_on_stage, source_taken, or media's reasons.
        """
        who = owner.who
        asked_at = self._quality.now()
        state = (await self._store.view(self._ref)).state
        is_starting = _check_may_publish(who, state)
        if len(self._uplinks.of(who.subject)) >= MAX_PEERS_EACH:
            raise Refusal("too_many_peers", "You publish from too many places at once.")
        seat = state.stage.seat_of(who.subject)
        uplink = Uplink(
            new_peer_id(), owner, frozenset(sources.values()), 0 if seat is None else seat.taken_ms
        )
        self._uplinks.add(uplink)
        try:
            answered = await self._offer_uplink(uplink, sdp, sources)
            if is_starting:
                await self._start_show(uplink)
        except BaseException:
            self._uplinks.remove(uplink.peer_id)
            self._link.close_peer(uplink.peer_id, "refused")
            raise
        self._quality.answered(uplink, asked_at)
        return answered

    async def play(self, owner: MediaOwner, sdp: str, *, is_running: bool) -> Answered:
        """Answer a viewer's offer of slots; they are filled at once. `is_running`: as far as this
        node knows. Raises `Refusal` not_live, or media's reasons."""
        asked_at = self._quality.now()
        if not is_running and not (await self._store.view(self._ref)).state.show.is_running:
            raise Refusal("not_live", retry_after_ms=NOT_LIVE_RETRY_MS)
        peer_id = new_peer_id()
        answered = await self._link.play(
            peer_id,
            sdp,
            self._options.slots_audio,
            self._options.slots_video,
            self._options.policy,
            self._downlink_handler(peer_id, owner),
            group=self._group,
        )
        for old in self.downlinks.of_conn(owner.conn):
            self._link.close_peer(old.peer_id, "replaced")
        down = Downlink(peer_id, owner, answered.slots)
        self.downlinks.add(down)
        self._quality.answered(down, asked_at)
        return answered

    def stop(self, owner: MediaOwner, peer_id: PeerId) -> None:
        """Close one of the owner's own transports. Raises `Refusal("unknown_peer")`."""
        self.check_owner(owner, peer_id)
        self._link.close_peer(peer_id, "stopped")

    def shape(self, owner: MediaOwner, peer_id: PeerId, mid: str, shape: SlotShape) -> None:
        """A slot of one of the owner's own players is shown in another way. Unknown ones are
        ignored: the page may speak of a transport that has just ended."""
        down = self.downlinks.get(peer_id)
        if down is not None and down.owner is owner:
            self.downlinks.shape(down, mid, shape)

    async def restart_ice(
        self, owner: MediaOwner, peer_id: PeerId, ufrag: str, pwd: str
    ) -> seam.IceRestarted:
        """New ICE credentials of one of the owner's own transports; media goes on meanwhile.
        Raises `Refusal("unknown_peer")`."""
        self.check_owner(owner, peer_id)
        return await self._link.restart_ice(peer_id, ufrag, pwd)

    def check_owner(self, owner: MediaOwner, peer_id: PeerId) -> None:
        """Raises `Refusal("unknown_peer")` unless the owner opened this transport."""
        if self._owned(owner, peer_id) is None:
            raise Refusal("unknown_peer")

    def report(self, owner: MediaOwner, told: ReportQuality | ReportJoin) -> None:
        """What the owner's client saw of one of its transports; unknown ones are ignored."""
        transport = self._owned(owner, PeerId(told.peer_id))
        if transport is not None:
            self._quality.reported(transport, told)

    def _owned(self, owner: MediaOwner, peer_id: PeerId) -> Transport | None:
        transport = self._uplinks.get(peer_id) or self.downlinks.get(peer_id)
        return transport if transport is not None and transport.owner is owner else None

    # --- what others look at --------------------------------------------------------------------

    def seat_peers(self) -> tuple[PeerId, ...]:
        """Transports of the people who sit: those that `seat_signals` wants to know about."""
        return tuple(uplink.peer_id for _, uplinks in self._seated() for uplink in uplinks)

    def seat_signals(self, stats: Mapping[PeerId, PeerStats], now: float) -> tuple[SeatSignal, ...]:
        """How each seat is heard since the last look; `now` is monotonic seconds."""
        return self._signals.read(self._seated(), stats, now)

    def _seated(self) -> list[tuple[SeatNo, list[Uplink]]]:
        return [
            (number, self._uplinks.of(seat.subject)) for number, seat in sorted(self._seats.items())
        ]

    def view(self, peer_ids: Sequence[PeerId], stats: Mapping[PeerId, PeerStats]) -> RoomMedia:
        """The transports among `peer_ids` that still live and have statistics."""
        seats = {seat.subject: number for number, seat in self._seats.items()}
        now_ms = self._quality.now_ms()
        peers = []
        for peer_id in peer_ids:
            transport = self._uplinks.get(peer_id) or self.downlinks.get(peer_id)
            found = stats.get(peer_id)
            if transport is not None and found is not None:
                seat = seats.get(transport.subject)
                peers.append(peer_media(transport, found, seat=seat, now_ms=now_ms))
        return RoomMedia(peers=tuple(peers), left_out=max(0, self.peers - len(peer_ids)))

    # --- sockets come and go --------------------------------------------------------------------

    def close_owner(self, owner: MediaOwner, reason: str) -> None:
        """The connection will not come back: close what it opened."""
        for peer_id in self._peers_of(owner):
            self._link.close_peer(peer_id, reason)
        self._reporter.mark(owner.who.subject)

    def tell_map(self, peer_id: PeerId) -> None:
        """After `play`: the full map of this transport."""
        down = self.downlinks.get(peer_id)
        if down is not None:
            self.downlinks.tell_map(down)

    def tell_maps(self, owner: MediaOwner) -> None:
        """After a resume: the full map of every transport that plays."""
        for down in self.downlinks.of_conn(owner.conn):
            self.downlinks.tell_map(down)

    def socket_changed(self, subject: Subject) -> None:
        """A socket of this person came or went; only a seated one matters."""
        if self._seat_of(subject) is not None:
            self._reporter.mark(subject)

    # --- what happened in the room --------------------------------------------------------------

    def start_from(self, seats: tuple[SeatView, ...]) -> None:
        """The seats as the room has them when this node begins to serve it."""
        self._seats = {SeatNo(seat.seat): seat for seat in seats}
        self._show_tracks()

    def on_event(self, event: LogEvent) -> None:
        """Follow one event of the room log, in order."""
        match event:
            case SeatTaken() | SeatChanged():
                self._seat_changed(event.seat)
            case SeatLeft():
                self._seat_left(event)
            case ShowChanged():
                self._show_changed(event.show)
            case _:
                return
        self._show_tracks()

    def _seat_changed(self, seat: SeatView) -> None:
        before = self._seats.get(SeatNo(seat.seat))
        self._seats[SeatNo(seat.seat)] = seat
        was_muted = set(before.muted) if before and before.subject == seat.subject else set()
        for source in was_muted ^ set(seat.muted):
            for track_id in self._uplinks.track_ids(seat.subject, source):
                self._link.mute_track(track_id, source in seat.muted)
        is_lost = seat.reconnecting_until_ms is not None
        if is_lost or self._uplinks.sending(seat.subject) != set(seat.sources):
            self._contradict(seat.subject)

    def _seat_left(self, event: SeatLeft) -> None:
        seat = self._seats.pop(SeatNo(event.seat), None)
        for uplink in self._uplinks.of(event.subject):
            # A person who sat down again before we read this keeps the newer transports.
            if seat is None or uplink.taken_ms <= seat.taken_ms:
                self._link.close_peer(uplink.peer_id, event.reason)

    def _show_changed(self, show: ShowView) -> None:
        if show.phase == "ended":
            for down in self.downlinks.without_socket():
                self._link.close_peer(down.peer_id, "show_ended")
        host = self._seats.get(SeatNo(0))
        if show.phase == "host_lost" and host is not None:
            self._contradict(host.subject)

    def _contradict(self, subject: str) -> None:
        """The room believes otherwise (of another node, or an earlier run): check, then say."""
        if self._is_here(subject) or self._uplinks.hearing(subject) is Hearing.HEARD:
            self._reporter.mark(Subject(subject))

    # --- publishing -----------------------------------------------------------------------------

    async def _offer_uplink(self, uplink: Uplink, sdp: str, sources: dict[str, Source]) -> Answered:
        name = f"{uplink.subject}/{secrets.token_hex(4)}"
        answered = await self._link.publish(
            uplink.peer_id,
            sdp,
            name,
            sources,
            self._options.policy,
            self._uplink_handler(uplink),
            group=self._group,
        )
        uplink.sources = frozenset(track.source for track in answered.tracks)
        for old in self._uplinks.replaced_by(uplink):
            if not old.live:  # sends nothing; one that does is replaced by the first packet
                self._link.close_peer(old.peer_id, "replaced")
        return answered

    async def _start_show(self, uplink: Uplink) -> None:
        who = uplink.owner.who
        command = c.StartShow(who.as_actor(uplink.owner.conn), ShowId(secrets.token_urlsafe(9)))
        try:
            committed = await self._desk.commit(self._ref, command)
        except Refusal as refusal:
            if refusal.code != "already_live":
                raise
            state = (await self._store.view(self._ref)).state
        else:
            assert committed.outcome is not None, "a command without a message is no repeat"
            state = committed.outcome.state
        seat = state.stage.seat_of(who.subject)
        if seat is None:
            raise Refusal("source_taken", "Another host was faster.")
        uplink.taken_ms = seat.taken_ms

    def _uplink_handler(self, uplink: Uplink) -> PeerHandler:
        def handle(event: seam.Event) -> None:
            match event:
                case seam.PeerConnected():
                    uplink.is_connected = True
                    self._quality.connected(uplink, event)
                    _tell_state(uplink.owner, event)
                case seam.PeerSilent() | seam.PeerHeard():
                    uplink.is_silent = isinstance(event, seam.PeerSilent)
                    _tell_state(uplink.owner, event)
                case seam.QualitySample():
                    self._sampled(uplink, event)
                    return
                case seam.TrackStarted():
                    self._track_started(uplink, event.track)
                case seam.TrackEnded():
                    uplink.live.pop(event.track_id, None)
                    self._show_tracks()
                case seam.PeerClosed():
                    self._uplinks.remove(uplink.peer_id)
                    uplink.live.clear()
                    self._show_tracks()
                    _tell_state(uplink.owner, event)
                case _:
                    return
            self._reporter.mark(uplink.subject)

        return handle

    def _track_started(self, uplink: Uplink, track: seam.TrackInfo) -> None:
        uplink.is_connected = True
        uplink.live[track.track_id] = track
        for old in self._uplinks.replaced_by(uplink):
            self._link.close_peer(old.peer_id, "replaced")
        seat = self._seat_of(uplink.subject)
        if seat is not None and track.source in seat.muted:
            self._link.mute_track(track.track_id, True)
        self._show_tracks()

    # --- playing --------------------------------------------------------------------------------

    def _downlink_handler(self, peer_id: PeerId, owner: MediaOwner) -> PeerHandler:
        def handle(event: seam.Event) -> None:
            match event:
                case seam.SlotLive() | seam.SlotUnsupported():
                    down = self.downlinks.get(peer_id)
                    # A late event of an earlier assignment would show the wrong person.
                    if down is not None and down.generation_of(event.mid) == event.generation:
                        owner.tell(_slot_news(event))
                case seam.PeerClosed():
                    self.downlinks.remove(peer_id)
                    _tell_state(owner, event)
                case seam.PeerConnected() | seam.PeerSilent() | seam.PeerHeard():
                    self._downlink_changed(peer_id, event)
                    _tell_state(owner, event)
                case seam.QualitySample():
                    down = self.downlinks.get(peer_id)
                    if down is not None:
                        self._sampled(down, event)
                case _:
                    return

        return handle

    def _downlink_changed(
        self, peer_id: PeerId, event: seam.PeerConnected | seam.PeerSilent | seam.PeerHeard
    ) -> None:
        down = self.downlinks.get(peer_id)
        if down is None:
            return
        down.is_silent = isinstance(event, seam.PeerSilent)
        if isinstance(event, seam.PeerConnected):
            self._quality.connected(down, event)

    def _sampled(self, transport: Transport, sample: seam.QualitySample) -> None:
        seat = self._seat_of(transport.subject)
        role = None if seat is None else seat.role
        self._quality.sampled(transport, sample, role, transport.is_silent)

    def _show_tracks(self) -> None:
        seated = [(number, seat.subject) for number, seat in sorted(self._seats.items())]
        self.downlinks.show(self._uplinks.live_tracks(seated))

    def _seat_of(self, subject: str) -> SeatView | None:
        return next((seat for seat in self._seats.values() if seat.subject == subject), None)

    def _peers_of(self, owner: MediaOwner) -> list[PeerId]:
        uplinks = [u.peer_id for u in self._uplinks.of(owner.who.subject) if u.owner is owner]
        return uplinks + [d.peer_id for d in self.downlinks.of_conn(owner.conn)]


def _check_may_publish(who: Identity, state: RoomState) -> bool:
    """True when publishing starts the show, False when the person has a seat. Raises `Refusal`."""
    if state.show.is_running and state.stage.seat_of(who.subject) is not None:
        return False
    is_host = who.role == "host" and {"publish", "host_show"} <= who.grants
    if not state.show.is_running:
        if not is_host:
            raise Refusal("not_live", retry_after_ms=NOT_LIVE_RETRY_MS)
        return True
    raise Refusal("source_taken" if is_host else "not_on_stage")


def _tell_state(
    owner: MediaOwner,
    event: seam.PeerConnected | seam.PeerSilent | seam.PeerHeard | seam.PeerClosed,
) -> None:
    match event:
        case seam.PeerConnected():
            owner.tell(PeerState(peer_id=event.peer_id, state="connected"))
        case seam.PeerSilent():
            owner.tell(PeerState(peer_id=event.peer_id, state="silent"))
        case seam.PeerHeard():
            owner.tell(PeerState(peer_id=event.peer_id, state="heard"))
        case seam.PeerClosed():
            owner.tell(PeerState(peer_id=event.peer_id, state="closed", reason=event.reason))


def _slot_news(event: seam.SlotLive | seam.SlotUnsupported) -> SlotIsLive | SlotProblem:
    if isinstance(event, seam.SlotLive):
        return SlotIsLive(
            peer_id=event.peer_id,
            mid=event.mid,
            generation=event.generation,
            rtp_timestamp=event.rtp_timestamp,
            media_time_ms=event.media_time_ms,
        )
    return SlotProblem(
        peer_id=event.peer_id,
        mid=event.mid,
        generation=event.generation,
        code="unsupported_codec",
        codec=event.codec,
    )
