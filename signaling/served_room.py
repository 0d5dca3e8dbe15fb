"""A room while this node serves it: hub, stage, and the sockets that may come back."""

from __future__ import annotations

import logging
import math
import secrets
from collections import Counter
from typing import Final, NamedTuple

from signaling import commands as c
from signaling.asking.shipped import Asking
from signaling.chat_door import ChatDoor
from signaling.clock import Clock
from signaling.close_codes import CloseCode
from signaling.desk import Desk
from signaling.downlinks import Downlinks
from signaling.engagement import EngagementSink
from signaling.errors import Refusal
from signaling.hub import Hub
from signaling.identity import Identity
from signaling.ids import ConnId, RoomRef, Subject
from signaling.limits import Limits
from signaling.log_reader import Entry, LogReader
from signaling.media_figures import MediaFigures
from signaling.media_link import MediaLink
from signaling.options import RoomOptions
from signaling.presence import PresenceBook
from signaling.profiles import ProfileSource
from signaling.protocol import LogEvent
from signaling.quality_book import QualityBook
from signaling.question_finder import QuestionFinder
from signaling.room_state import snapshot_for
from signaling.room_store import RoomStore
from signaling.room_view import RoomView
from signaling.seat_reporter import SeatReporter
from signaling.stage_media import StageMedia
from signaling.stay import Lost, LostSockets, Stay
from signaling.store_keys import RoomKeys
from signaling.tasks import TaskSet
from signaling.uplinks import Uplinks
from signaling.visits import Visit

log = logging.getLogger(__name__)

SAID_GOODBYE: Final = "client_closed"
"""The reason of a socket that the client closed: the visit ends at once. Its transports stay for
the grace all the same, as a page that reconnects by hand also says goodbye."""


class Occupancy:
    """How many sockets have joined rooms of this node."""

    __slots__ = ("sockets",)

    def __init__(self) -> None:
        self.sockets = 0


class Parts(NamedTuple):
    """What all rooms of a node share. `node` is unique to this run of the server."""

    store: RoomStore
    desk: Desk
    presence: PresenceBook
    reader: LogReader
    link: MediaLink
    sink: EngagementSink
    profiles: ProfileSource
    clock: Clock
    options: RoomOptions
    node: str
    refusals: Counter[str]
    """What sessions were refused, by code."""
    refused_in: Counter[tuple[str, str]]
    """Messages of a lane that were refused, by lane and reason."""
    occupancy: Occupancy
    figures: MediaFigures
    asking: Asking


class ServedRoom:
    """Serves one room of this node; `open` first, `close` last."""

    def __init__(self, ref: RoomRef, parts: Parts) -> None:
        self.ref = ref
        self.parts = parts
        self._keys = RoomKeys(*ref)
        self._tasks = TaskSet(f"room.{ref.room}")
        self.limits = Limits(parts.options.allowances)
        self.finder = QuestionFinder(parts.asking, parts.clock.monotonic())
        self.chat_door = ChatDoor(parts.options.room_chat, -math.inf)
        self.hub = Hub(ref, self._tasks, on_event=self._on_event)
        uplinks = Uplinks()
        self.reporter = SeatReporter(
            ref,
            store=parts.store,
            desk=parts.desk,
            presence=parts.presence,
            uplinks=uplinks,
            is_here=self.hub.is_here,
            clock=parts.clock,
            tasks=self._tasks,
        )
        self.stage = StageMedia(
            ref,
            store=parts.store,
            desk=parts.desk,
            link=parts.link,
            uplinks=uplinks,
            downlinks=Downlinks(parts.link, self._tasks),
            reporter=self.reporter,
            quality=QualityBook(
                ref,
                clock=parts.clock,
                sink=parts.sink,
                figures=parts.figures,
                show_id=lambda: self.hub.show_id,
            ),
            is_here=self.hub.is_here,
            options=parts.options,
        )
        self.lost = LostSockets(parts.options.seat_grace_ms / 1000, self._gone)
        self.pending_likes = 0
        self.users = 0
        """Joins and offers under way: keep the room from being closed under them."""
        self.idle_since: float | None = None
        self._unlisted: set[ConnId] = set()
        """Connections that ended while the store was away: still to be taken out of it."""
        self._is_refreshing = False
        self._is_closing = False

    @property
    def is_idle(self) -> bool:
        return not (len(self.hub) or len(self.lost) or self.stage.peers or self.users)

    async def open(self) -> None:
        """Read the room and follow it from there."""
        view = await self.parts.store.view(self.ref)
        self._stand_at(view)
        self.hub.viewers = await self.parts.presence.count(self.ref)
        if self.hub.show_id:
            self.hub.likes = await self.parts.store.likes(self.ref, self.hub.show_id)

    async def close(self) -> None:
        """Stop following; the visits were ended by `end_all`."""
        self._is_closing = True
        self.parts.reader.unfollow(self._keys.log, self._keys.chat)
        self.chat_door.close()
        self.hub.close()
        await self._tasks.close()

    # --- what the streams bring -----------------------------------------------------------------

    @property
    def streams(self) -> tuple[str, str]:
        return self._keys.log, self._keys.chat

    def deliver(self, key: str, entries: list[Entry]) -> None:
        """New entries of one of `streams`."""
        if key == self._keys.chat:
            self.hub.deliver("chat", entries)
            return
        self.hub.deliver("log", entries)
        if not self.hub.epoch or self.parts.store.is_behind(self.ref, self.hub.log_at):
            self.refresh()

    def refresh(self) -> None:
        """Read the room again soon: another node changed it, or the store came back."""
        if not self._is_refreshing and not self._is_closing:
            self._is_refreshing = True
            self._tasks.spawn(self._refresh(), "refresh")

    async def _refresh(self) -> None:
        since = self.hub.place
        try:
            view = await self.parts.store.view(self.ref)
        except Refusal as refusal:
            # The next event, or the next return of the store, asks again.
            log.warning("room_refresh_refused code=%s", refusal.code)
            return
        finally:
            self._is_refreshing = False
        self.hub.learn(view)
        if not self.hub.is_continued_by(view, since):
            # The streams were made anew or lost their end: nobody's position means anything.
            log.warning("room_log_changed sockets=%d", len(self.hub))
            self.hub.close_all(CloseCode.STORE_UNAVAILABLE)
            self._stand_at(view)

    def _stand_at(self, view: RoomView) -> None:
        self.hub.begin(view)
        _, stage, _ = snapshot_for(view.state, Subject(""), False)
        self.stage.start_from(stage.seats)
        self.parts.reader.follow(self._keys.log, self.hub.log_at, self._keys.chat, self.hub.chat_at)

    def _on_event(self, event: LogEvent) -> None:
        self.stage.on_event(event)

    async def ensure_exists(self) -> None:
        """Raise `Refusal("room_not_found")` while nobody ever opened the room: what viewers say
        there is not kept, so that made-up room names cost nothing."""
        if not self.hub.exists:
            self.hub.learn(await self.parts.store.view(self.ref))
        if not self.hub.exists:
            raise Refusal("room_not_found", "Nobody has opened this room yet.")

    async def ensure_created(self) -> None:
        """A host or staff member came: the room exists from now on."""
        if not self.hub.exists:
            await self.parts.store.create(self.ref)
            self.hub.learn(await self.parts.store.view(self.ref))

    # --- stays ----------------------------------------------------------------------------------

    def new_visit(self, who: Identity) -> Visit:
        conn = ConnId(secrets.token_urlsafe(9))
        return Visit(who, conn, self.parts.clock.now_ms(), self.hub.show_id)

    def keep(self, conn: ConnId, stay: Stay, reason: str) -> None:
        """A socket is lost: it may come back into its stay. Without goodbye the visit goes on."""
        if self._is_closing:
            return  # `end_all` has ended the visit
        now_ms = self.parts.clock.now_ms()
        if stay.visit is not None and reason == SAID_GOODBYE:
            self.end_visit(stay.visit, now_ms, reason)
            stay = Stay(None, stay.owner)
        self.lost.keep(conn, Lost(stay, now_ms, reason))
        self.stage.socket_changed(stay.subject)

    def end_visit(self, visit: Visit, at_ms: int, reason: str) -> None:
        """Say what the visit was, and take it out of the store."""
        likes = visit.take_likes(at_ms, is_end=True)
        if likes is not None:
            self.parts.sink.emit(likes)
        self.parts.sink.emit(visit.left(at_ms, reason))
        self.hub.viewers = max(len(self.hub), self.hub.viewers - 1)
        self.forget_conn(visit.conn)

    def forget_conn(self, conn: ConnId) -> None:
        """Take a connection out of the store, soon."""
        self._unlisted.add(conn)
        if not self._is_closing:
            self._tasks.spawn(self.unlist(), "unlist")

    async def unlist(self) -> None:
        """Take ended connections out of the store; tried again with every refresh."""
        for conn in list(self._unlisted):
            try:
                await self.parts.presence.leave(self.ref, conn)
            except Refusal:
                return
            self._unlisted.discard(conn)

    async def end_all(self, reason: str) -> None:
        """The node stops: every visit ends now, and says so."""
        self._is_closing = True
        now_ms = self.parts.clock.now_ms()
        for session in self.hub.sessions():
            visit = session.visit
            self.hub.unregister(session)
            self.end_visit(visit, now_ms, reason)
        for lost in self.lost.take_all():
            if lost.stay.visit is not None:
                self.end_visit(lost.stay.visit, lost.lost_ms, lost.reason)
        await self.unlist()

    def _gone(self, lost: Lost) -> None:
        self.stage.close_owner(lost.stay.owner, "socket_lost")
        if lost.stay.visit is not None:
            self.end_visit(lost.stay.visit, lost.lost_ms, lost.reason)
        subject = lost.stay.subject
        if not self.hub.is_here(subject) and not self.lost.has(subject):
            self._tasks.spawn(self._person_left(subject), "person_left")

    async def _person_left(self, subject: Subject) -> None:
        """Their request and invitation end, unless they are connected to another node."""
        command = c.PersonLeft(subject)
        if not self.parts.store.would_change(self.ref, command):
            return
        try:
            attendance = await self.parts.presence.attendance(self.ref)
            if not attendance.is_here(subject, self.parts.clock.now_ms()):
                await self.parts.desk.commit(self.ref, command)
        except Refusal as refusal:
            # The console still sees the request; the host's answer to it settles it.
            log.warning("person_left_refused code=%s", refusal.code)
