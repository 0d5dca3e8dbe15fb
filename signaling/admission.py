"""How a socket becomes a session: stay, snapshot, welcome, and level with the others."""

from __future__ import annotations

import asyncio
from typing import Final

from signaling import codec, shelf
from signaling.audience import visible_to
from signaling.connection import Session
from signaling.errors import Refusal
from signaling.identity import ClientLink, Identity
from signaling.ids import ConnId
from signaling.log_reader import Entry
from signaling.media_owner import MediaOwner
from signaling.positions import parse_position_untrusted
from signaling.protocol import (
    VERSION,
    Batch,
    ChatSaid,
    Join,
    LogEvent,
    SlotCounts,
    Welcome,
    You,
)
from signaling.room_state import snapshot_for
from signaling.room_view import Resume, RoomView
from signaling.served_room import ServedRoom
from signaling.stay import Stay
from signaling.views import ChatView

ROOM_FULL_RETRY_MS: Final = 10_000


async def join(room: ServedRoom, who: Identity, message: Join, link: ClientLink) -> Session:
    """Let a person in. Raises `Refusal` room_full, server_full or store_unavailable.

    The session is registered before the room is read, so that nothing falls between (see `Hub`).
    """
    if who.is_staff:
        await room.ensure_created()
    stay = _stay_of(room, who, message.conn)
    if stay is None and not who.is_staff:
        _check_room_for_one(room)
    is_new = stay is None or stay.visit is None
    visit = room.new_visit(who) if stay is None or stay.visit is None else stay.visit
    owner = MediaOwner(who, visit.conn) if stay is None else stay.owner
    session = Session(room, who, visit, owner, link)
    room.hub.register(session)
    try:
        view = await _enter(room, session, message)
    except BaseException:
        session.abandon()
        if stay is not None:
            room.keep(session.conn, stay, "join_failed")
        if is_new:
            room.forget_conn(session.conn)
        raise
    if is_new:
        room.hub.viewers += 1
        room.parts.sink.emit(visit.joined(message.lang, message.client))
    _welcome(room, session, view, is_resumed=message.resume is not None)
    owner.attach(who, session.conn, session.send)
    room.stage.tell_maps(owner)
    room.stage.socket_changed(who.subject)
    return session


def _check_room_for_one(room: ServedRoom) -> None:
    options = room.parts.options
    if room.hub.viewers >= options.max_viewers:
        raise Refusal("room_full", retry_after_ms=ROOM_FULL_RETRY_MS)
    if room.parts.occupancy.sockets >= options.max_viewers_node:
        raise Refusal("server_full", retry_after_ms=ROOM_FULL_RETRY_MS)


def _stay_of(room: ServedRoom, who: Identity, conn: str | None) -> Stay | None:
    """What a returning socket continues: of the same person, on this node, within the grace."""
    if conn is None:
        return None
    lost = room.lost.take(ConnId(conn), who.subject)
    if lost is not None:
        return lost.stay
    open_session = room.hub.get(ConnId(conn))
    if isinstance(open_session, Session) and open_session.who.subject == who.subject:
        return open_session.hand_over()
    return None


async def _enter(room: ServedRoom, session: Session, message: Join) -> RoomView:
    """Read the room and be listed in it, in one round trip."""
    parts = room.parts
    presence = session.visit.presence(parts.node)
    view, _ = await asyncio.gather(
        _snapshot(room, message),
        parts.presence.enter(room.ref, session.conn, presence, parts.clock.now_ms()),
    )
    room.hub.learn(view)
    return view


async def _snapshot(room: ServedRoom, message: Join) -> RoomView:
    """With what was missed, where that is known without a hole."""
    resume = _resume_of(message)
    if resume is not None:
        view = await room.parts.store.resume(room.ref, resume)
        if view.is_recovered:
            return view
    return await room.parts.store.view(room.ref)


def _resume_of(message: Join) -> Resume | None:
    """Positions that we cannot read (another version's, or made up) recover nothing, and that is
    all: the client gets a full snapshot."""
    if message.resume is None or message.resume.log is None or message.resume.chat is None:
        return None
    try:
        return Resume(
            parse_position_untrusted(message.resume.log),
            parse_position_untrusted(message.resume.chat),
        )
    except Refusal:
        return None


def _welcome(room: ServedRoom, session: Session, view: RoomView, *, is_resumed: bool) -> None:
    who, options = session.who, room.parts.options
    now_ms = room.parts.clock.now_ms()
    show, stage, questions = snapshot_for(view.state, who.subject, who.is_staff)
    is_recovered = is_resumed and view.is_recovered
    welcome = Welcome(
        version=VERSION,
        room=who.room,
        conn=session.conn,
        you=You(who.subject, who.name, who.role, tuple(sorted(who.grants))),
        server_ms=now_ms,
        recovered=is_recovered,
        show=show,
        stage=stage,
        questions=questions,
        chat=_chat_of(view.latest_chat),
        slots=SlotCounts(options.slots_audio, options.slots_video),
        viewers=max(room.hub.viewers, len(room.hub)),
        likes=room.hub.likes,
        ice_servers=options.ice_servers_for(who.subject, now_ms),
        shelf=shelf.view_for(view.state.shelf, who.is_staff),
        slow_mode_s=view.state.slow_mode_s,
    )
    missed = [*(view.log.missed or ()), *(view.chat.missed or ())] if is_recovered else []
    events = (event for entry in missed if (event := codec.decode_event(entry.data)) is not None)
    visible = (event for event in events if visible_to(event, who.subject, who.is_staff))
    session.member.write(
        Batch(
            messages=(welcome, *visible),
            log=view.log.position.wire(),
            chat=view.chat.position.wire(),
        )
    )
    room.hub.admit(session.conn, view)


def _chat_of(entries: list[Entry]) -> tuple[ChatView, ...]:
    said: list[LogEvent | None] = [codec.decode_event(entry.data) for entry in entries]
    return tuple(event.chat for event in said if isinstance(event, ChatSaid))
