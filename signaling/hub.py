"""A room on this node: its members, what the store's streams bring them, and its counts.

Joining without a gap and without a repeat: a newcomer registers first, then reads the room at one
moment; what the streams deliver meanwhile is held back for it. Events up to that moment are in the
snapshot and dropped, later ones are its own to get. It joins the others once they have been given
everything up to the same place.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final, Literal, Protocol

from signaling import codec, show
from signaling.audience import lane_of, person_of, visible_to
from signaling.broadcast import Broadcast, Member
from signaling.chat_meter import ChatMeter
from signaling.close_codes import CloseCode
from signaling.ids import ConnId, RoomRef, ShowId, Subject
from signaling.lane import Lane
from signaling.log_reader import Entry
from signaling.positions import Position, StreamId
from signaling.protocol import (
    Batch,
    ChatRate,
    ChatSaid,
    Counts,
    LogEvent,
    MessageShed,
    OutMessage,
    SeatQuality,
    Shed,
    ShowChanged,
    SlowModeChanged,
)
from signaling.room_view import RoomView
from signaling.tasks import TaskSet
from signaling.views import SeatSignal, ShowView
from signaling.visits import Visit

log = logging.getLogger(__name__)

StreamName = Literal["log", "chat"]
Place = tuple[StreamId, StreamId]
SHED_RETRY_MS: Final = 1_000
MAX_HELD_CHAT: Final = 50
"""Chat held back for one newcomer; older ones are shed and told, as in any flush."""


class Attendee(Protocol):
    """What the hub knows of a session."""

    conn: ConnId
    member: Member
    visit: Visit

    @property
    def name(self) -> str: ...


class _Joining:
    """A newcomer between its registration and its place among the others."""

    def __init__(self, attendee: Attendee) -> None:
        self.attendee = attendee
        self.at: tuple[StreamId, StreamId] | None = None
        """The moment of its snapshot, in log and chat; None until it was read."""
        self.held_log: list[tuple[StreamId, LogEvent]] = []
        self.held_chat: deque[tuple[StreamId, LogEvent]] = deque()
        self.shed = 0

    def hold(self, stream: StreamName, stream_id: StreamId, event: LogEvent) -> None:
        if stream == "log":
            self.held_log.append((stream_id, event))
            return
        self.held_chat.append((stream_id, event))
        if len(self.held_chat) > MAX_HELD_CHAT:
            self.held_chat.popleft()
            self.shed += 1

    def events(self) -> list[OutMessage]:
        """What happened after the snapshot, as far as this person may see it."""
        assert self.at is not None, "held events are cut at the snapshot"
        log_at, chat_at = self.at
        member = self.attendee.member
        held: list[OutMessage] = [
            event
            for stream_id, event in self.held_log
            if stream_id > log_at and visible_to(event, member.subject, member.is_staff)
        ]
        held += [event for stream_id, event in self.held_chat if stream_id > chat_at]
        if self.shed:
            held.append(Shed(lane="chat", count=self.shed, reason="flood"))
        return held


class Hub:
    """`on_event` follows the room log for the media side. `begin` comes before anything else."""

    def __init__(
        self, ref: RoomRef, tasks: TaskSet, *, on_event: Callable[[LogEvent], None]
    ) -> None:
        self.ref = ref
        self._on_event = on_event
        self._sessions: dict[ConnId, Attendee] = {}
        self._by_subject: dict[Subject, dict[ConnId, Attendee]] = {}
        self._by_member: dict[Member, Attendee] = {}
        self._joining: dict[ConnId, _Joining] = {}
        self._public = Broadcast(
            tasks,
            on_slow=self._close_slow,
            on_flushed=self._release_joiners,
            on_shed=self._tell_authors,
        )
        self._staff = Broadcast(tasks, on_slow=self._close_slow, on_flushed=self._release_joiners)
        self.epoch = ""
        self.log_at: StreamId = (0, 0)
        self.chat_at: StreamId = (0, 0)
        self.exists = False
        self.show = ShowView(show_id="", phase="scheduled", title="")
        self.slow_mode_s = 0
        self._chat_meter = ChatMeter()
        self.viewers = 0
        self.likes = 0
        self._told_counts: Counts | None = None
        self._told_signals: tuple[tuple[SeatSignal, ...], int] = ((), 0)
        """And how many staff had joined by then."""
        self.slow_readers = 0

    def begin(self, view: RoomView) -> None:
        """Stand at this moment of the room; the streams are followed from its positions."""
        self.exists = view.exists
        self.epoch = view.log.position.epoch
        self.log_at = view.log.position.stream_id
        self.chat_at = view.chat.position.stream_id
        self.show = show.view(view.state.show)
        self.slow_mode_s = view.state.slow_mode_s

    def learn(self, view: RoomView) -> None:
        """Take over that the room was opened after this node began to serve it."""
        if not self.epoch:
            self.exists, self.epoch = view.exists, view.log.position.epoch
            self.slow_mode_s = view.state.slow_mode_s

    @property
    def place(self) -> Place:
        """How far the streams were followed: in log and chat."""
        return self.log_at, self.chat_at

    def is_continued_by(self, view: RoomView, since: Place) -> bool:
        """False when `view`, asked for at `since`, is of another room than was followed here: its
        streams were made anew, or lost their end."""
        tails = (view.log.position.stream_id, view.chat.position.stream_id)
        is_longer = tails[0] >= since[0] and tails[1] >= since[1]
        return view.log.position.epoch == self.epoch and is_longer

    # --- who is here ----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def is_running(self) -> bool:
        return self.show.phase in show.RUNNING

    @property
    def show_id(self) -> ShowId:
        return ShowId(self.show.show_id)

    @property
    def shed_chat(self) -> int:
        return self._public.shed_chat + self._staff.shed_chat

    @property
    def shed_slow(self) -> int:
        """Chat that slow readers were not given, once for each of them."""
        return self._public.shed_slow + self._staff.shed_slow

    @property
    def messages_out(self) -> Counter[Lane]:
        """Room events by lane, counted for each socket they were meant for."""
        return self._public.messages_out + self._staff.messages_out

    @property
    def frames_out(self) -> int:
        return self._public.frames_out + self._staff.frames_out

    def is_here(self, subject: str) -> bool:
        return Subject(subject) in self._by_subject

    def name_of(self, subject: str) -> str | None:
        """The display name of somebody with a socket on this node."""
        sessions = self._by_subject.get(Subject(subject))
        return next(iter(sessions.values())).name if sessions else None

    def sessions(self) -> list[Attendee]:
        return list(self._sessions.values())

    def get(self, conn: ConnId) -> Attendee | None:
        return self._sessions.get(conn)

    # --- joining and leaving --------------------------------------------------------------------

    def register(self, attendee: Attendee) -> None:
        """From now on everything is held back for it, until `admit`."""
        self._sessions[attendee.conn] = attendee
        self._by_member[attendee.member] = attendee
        self._by_subject.setdefault(attendee.member.subject, {})[attendee.conn] = attendee
        self._joining[attendee.conn] = _Joining(attendee)

    def admit(self, conn: ConnId, view: RoomView) -> None:
        """It was given the room as of `view`: the rest follows as soon as all are level."""
        joining = self._joining.get(conn)
        if joining is None:
            return  # left meanwhile
        joining.at = (view.log.position.stream_id, view.chat.position.stream_id)
        self._release_joiners()

    def unregister(self, attendee: Attendee) -> None:
        """Forget it; without effect when another one took its connection id."""
        if self._sessions.get(attendee.conn) is not attendee:
            return
        del self._sessions[attendee.conn]
        self._joining.pop(attendee.conn, None)
        self._by_member.pop(attendee.member, None)
        self._class_of(attendee.member).discard(attendee.member)
        sessions = self._by_subject[attendee.member.subject]
        del sessions[attendee.conn]
        if not sessions:
            del self._by_subject[attendee.member.subject]

    def _release_joiners(self) -> None:
        """Let those in who are level with the others of their class."""
        for conn, joining in list(self._joining.items()):
            if joining.at is None or self.log_at < joining.at[0] or self.chat_at < joining.at[1]:
                continue  # the streams are behind the snapshot
            member = joining.attendee.member
            audience = self._class_of(member)
            if not audience.is_settled:
                continue  # the others still wait for what this one may have already
            del self._joining[conn]
            events = joining.events()
            if events or (self.log_at, self.chat_at) != joining.at:
                member.write(self._batch(events))
            audience.add(member)

    def _batch(self, messages: Iterable[OutMessage]) -> Batch:
        """A personal frame that brings somebody up to where this hub stands."""
        return Batch(
            messages=tuple(messages), log=self._wire(self.log_at), chat=self._wire(self.chat_at)
        )

    def _class_of(self, member: Member) -> Broadcast:
        return self._staff if member.is_staff else self._public

    def _wire(self, stream_id: StreamId) -> str:
        return Position(self.epoch, stream_id).wire()

    # --- what the streams bring -----------------------------------------------------------------

    def deliver(self, stream: StreamName, entries: list[Entry]) -> None:  # hot path
        """New entries of one stream, in order; already seen ones are skipped."""
        for stream_id, data in entries:
            if stream_id <= (self.log_at if stream == "log" else self.chat_at):
                continue
            event = codec.decode_event(data)
            if stream == "log":
                self.log_at = stream_id
            else:
                self.chat_at = stream_id
                self._chat_meter.delivered += 1
            if event is None:
                # Of a newer version: nobody here understands it, the position moves on.
                self._advance(Lane.CONTROL if stream == "log" else Lane.CHAT, stream_id)
                continue
            if stream == "log":
                self._follow(event)
            # Held before it is enqueued: that may flush, and a flush lets newcomers in.
            for joining in self._joining.values():
                joining.hold(stream, stream_id, event)
            self._enqueue(event, stream_id)
        self.pump()
        self._release_joiners()

    def _follow(self, event: LogEvent) -> None:
        if isinstance(event, ShowChanged):
            if event.show.show_id != self.show.show_id:
                self.likes = 0
            self.show = event.show
            self.exists = True
        elif isinstance(event, SlowModeChanged):
            self.slow_mode_s = event.slow_mode_s
        self._on_event(event)

    def _enqueue(self, event: LogEvent, stream_id: StreamId) -> None:
        lane = lane_of(event)
        position = self._wire(stream_id)
        self._staff.enqueue(lane, event, position)
        person = person_of(event)
        if person is None:
            self._public.enqueue(lane, event, position)
            return
        self._tell_person(person, event, position)
        self._public.advance(lane, position)

    def _tell_person(self, person: Subject, event: LogEvent, position: str) -> None:
        """An event for staff and one person: that person's other frames go first, so that the
        position in this one is true."""
        members = [
            attendee.member
            for attendee in self._by_subject.get(person, {}).values()
            if not attendee.member.is_staff and attendee.conn not in self._joining
        ]
        if members:
            self._public.flush_now()
        for member in members:
            self._public.catch_up(member)
            if member in self._by_member:
                member.write(Batch(messages=(event,), log=position))

    def _advance(self, lane: Lane, stream_id: StreamId) -> None:
        position = self._wire(stream_id)
        self._staff.advance(lane, position)
        self._public.advance(lane, position)

    def pump(self) -> None:
        self._staff.pump()
        self._public.pump()

    # --- counts ---------------------------------------------------------------------------------

    def tell_counts(self) -> None:
        """Say how many are here, if that changed since it was last said."""
        counts = Counts(viewers=self.viewers, likes=self.likes)
        if counts != self._told_counts:
            self._told_counts = counts
            for audience in (self._staff, self._public):
                audience.enqueue(Lane.AMBIENT, counts)
            self.pump()

    # --- chat that is not shown -----------------------------------------------------------------

    def _tell_authors(self, shed: tuple[ChatSaid, ...]) -> None:
        """A receipt for each message that readers here were not shown, to its author. An author
        on another node hears of that node's readers."""
        for said in shed:
            receipt = MessageShed(
                message_id=said.chat.message_id,
                lane="chat",
                reason="flood",
                retry_after_ms=SHED_RETRY_MS,
            )
            for attendee in self._by_subject.get(Subject(said.chat.subject), {}).values():
                if attendee.conn not in self._joining:
                    attendee.member.write(Batch(messages=(receipt,)))

    def tell_chat_rate(self, refused: int, now: float) -> None:
        """Say how much of the chat is shown; `refused` counts what was not let in so far. Call it
        once a second."""
        shown, received = self._chat_meter.read(refused, self._public.shed_chat, now)
        if not received:
            return
        rate = ChatRate(shown=shown, received=received)
        audiences = (self._staff, self._public) if shown < received else (self._staff,)
        for audience in audiences:
            if len(audience):
                audience.enqueue(Lane.AMBIENT, rate)
        self.pump()

    # --- signals --------------------------------------------------------------------------------

    @property
    def has_staff(self) -> bool:
        """True while somebody of the staff has joined here."""
        return len(self._staff) > 0

    def tell_signals(self, seats: tuple[SeatSignal, ...]) -> None:
        """Say to the staff how the seats are heard, if that changed or somebody has come."""
        staff = self._staff.joined
        if (seats, staff) == self._told_signals:
            return
        if seats or self._told_signals[0]:
            self._staff.enqueue(Lane.AMBIENT, SeatQuality(seats=seats))
            self._staff.pump()
        self._told_signals = (seats, staff)

    # --- ends -----------------------------------------------------------------------------------

    def _close_slow(self, member: Member) -> None:
        self.slow_readers += 1
        member.link.close(CloseCode.SLOW_READER)

    def close_all(self, code: CloseCode) -> None:
        """Say goodbye to every socket of this node; their front ends call `leave`."""
        for attendee in self.sessions():
            attendee.member.link.close(code)

    def close(self) -> None:
        self._public.close()
        self._staff.close()
