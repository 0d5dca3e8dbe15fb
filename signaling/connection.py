"""One joined socket: what its person says becomes commands, offers, chat and replies.

`Session.handle` checks limits, asks the room, and answers every message that carries an id with
`ack`, with what it asked for, or with `error`. The rules are the folds'.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Final

from media.seam import PeerId, Source
from signaling import commands as c
from signaling import protocol as p
from signaling.asking import Detection
from signaling.broadcast import Member
from signaling.close_codes import CloseCode
from signaling.downlinks import SlotShape
from signaling.errors import Refusal
from signaling.identity import ClientLink, Identity
from signaling.ids import ConnId, MessageId, QuestionId, ShowId, Subject
from signaling.lane import Lane
from signaling.limits import Upkeep
from signaling.media_owner import MediaOwner
from signaling.protocol import DirectMessage, InMessage
from signaling.room_state import RoomState
from signaling.room_store import MessageRef, Result
from signaling.served_room import ServedRoom
from signaling.stay import Stay
from signaling.views import ChatView
from signaling.visits import Visit

log = logging.getLogger(__name__)

_ID_BYTES: Final = 9
"""72 random bits: unique for ever within a room, 12 characters."""


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)


class Session:
    """Made by `signaling.admission.join`. `handle` calls may overlap."""

    def __init__(
        self, room: ServedRoom, who: Identity, visit: Visit, owner: MediaOwner, link: ClientLink
    ) -> None:
        self._room = room
        self._parts = room.parts
        self.who = who
        self.conn: ConnId = visit.conn
        self.visit = visit
        self.owner = owner
        self.member = Member(link, who.subject, who.is_staff)
        self._actor = who.as_actor(visit.conn)
        self._outbox: list[DirectMessage] = []
        self._has_left = False
        self._parts.occupancy.sockets += 1

    @property
    def name(self) -> str:
        return self.who.name

    # --- ends -----------------------------------------------------------------------------------

    async def leave(self, reason: str) -> None:
        """The socket is gone; `reason` as the front door saw it. May be called twice.

        `client_closed` ends the visit. After anything else a `join` with this `conn` within the
        grace goes on as if nothing had happened.
        """
        if self._detach():
            self._room.keep(self.conn, Stay(self.visit, self.owner), reason)

    def hand_over(self) -> Stay:
        """The same connection joined again elsewhere: this socket is told, and its stay is
        free to be continued."""
        self._detach()
        self.member.link.close(CloseCode.REPLACED)
        return Stay(self.visit, self.owner)

    def _detach(self) -> bool:
        if self._has_left:
            return False
        self._has_left = True
        self.owner.detach()
        self._parts.occupancy.sockets -= 1
        self._room.hub.unregister(self)
        return True

    def abandon(self) -> None:
        """The join did not come to its end: as if it had never begun."""
        self._detach()

    # --- replies --------------------------------------------------------------------------------

    def send(self, message: DirectMessage) -> None:
        """A reply: all of one turn of the loop share a frame."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.append(message)

    def _flush(self) -> None:
        messages, self._outbox = tuple(self._outbox), []
        if not self._has_left:
            self.member.write(p.Batch(messages=messages))

    # --- what the person says -------------------------------------------------------------------

    async def handle(self, message: InMessage) -> None:
        """Do what a message asks and reply; refusals are replies too."""
        key = getattr(message, "id", None)
        try:
            await self._handle(message)
        except Refusal as refusal:
            self._parts.refusals[refusal.code] += 1
            if refusal.lane is not None:
                self._parts.refused_in[refusal.lane, refusal.reason or refusal.code] += 1
            self.send(
                p.Error(
                    code=refusal.code,
                    message=refusal.message,
                    retryable=refusal.retryable,
                    id=key,
                    retry_after_ms=refusal.retry_after_ms,
                    lane=refusal.lane,
                    reason=refusal.reason,
                )
            )

    async def _handle(self, message: InMessage) -> None:
        match message:
            case p.Chat():
                await self._chat(message)
            case p.Ask():
                await self._ask(message)
            case p.Like():
                self._like(message)
            case p.ClickProduct():
                self._click(message)
            case p.Publish():
                await self._publish(message)
            case p.Play():
                await self._play(message)
            case p.StopMedia():
                self._admit(Lane.CONTROL)
                self._room.stage.stop(self.owner, PeerId(message.peer_id))
                self.send(p.Ack(id=message.id))
            case p.ShapeSlot():
                self._shape_slot(message)
            case p.RestartIce():
                await self._restart_ice(message)
            case p.Trickle():
                self._trickle(message)
            case p.ReportQuality() | p.ReportJoin():
                self._admit(Upkeep.REPORT)
                self._room.stage.report(self.owner, message)
            case p.GetProfile():
                await self._get_profile(message)
            case p.Ping():
                self.send(p.Pong(id=message.id, server_ms=self._parts.clock.now_ms()))
            case p.Join():
                raise Refusal("bad_message", "This socket has joined already.")
            case _:
                self._admit(Lane.CONTROL)
                await self._command(message.id, await self._as_command(message))

    async def _as_command(
        self,
        message: p.AnswerQuestion
        | p.DismissQuestion
        | p.ClaimQuestion
        | p.ReleaseQuestion
        | p.RequestMic
        | p.CancelRequest
        | p.AcceptRequest
        | p.RejectRequest
        | p.Invite
        | p.CancelInvite
        | p.AcceptInvite
        | p.DeclineInvite
        | p.LeaveSeat
        | p.RemoveGuest
        | p.MuteSeat
        | p.SetSlowMode
        | p.StartShow
        | p.EndShow
        | p.PinProduct
        | p.UnpinProduct,
    ) -> c.RoomCommand:
        actor = self._actor
        match message:
            case p.AnswerQuestion():
                return c.AnswerQuestion(actor, QuestionId(message.question_id), message.text)
            case p.DismissQuestion():
                return c.DismissQuestion(actor, QuestionId(message.question_id))
            case p.ClaimQuestion():
                return c.ClaimQuestion(actor, QuestionId(message.question_id))
            case p.ReleaseQuestion():
                return c.ReleaseQuestion(actor, QuestionId(message.question_id))
            case p.RequestMic():
                return c.RequestMic(actor, _new_id(), message.media)
            case p.CancelRequest():
                return c.CancelRequest(actor)
            case p.AcceptRequest():
                return c.AcceptRequest(actor, Subject(message.subject))
            case p.RejectRequest():
                return c.RejectRequest(actor, Subject(message.subject))
            case p.Invite():
                actor.require("manage_stage")
                return c.Invite(actor, _new_id(), await self._target(Subject(message.subject)))
            case p.CancelInvite():
                return c.CancelInvite(actor, Subject(message.subject))
            case p.AcceptInvite():
                return c.AcceptInvite(actor)
            case p.DeclineInvite():
                return c.DeclineInvite(actor)
            case p.LeaveSeat():
                return c.LeaveSeat(actor)
            case p.RemoveGuest():
                return c.RemoveGuest(actor, Subject(message.subject))
            case p.MuteSeat():
                return c.MuteSeat(actor, Subject(message.subject), message.source, message.muted)
            case p.SetSlowMode():
                return c.SetSlowMode(actor, message.seconds)
            case p.StartShow():
                return c.StartShow(actor, ShowId(_new_id()), message.title)
            case p.EndShow():
                return c.EndShow(actor)
            case p.PinProduct():
                return c.PinProduct(actor, message.sku)
            case p.UnpinProduct():
                return c.UnpinProduct(actor, message.sku)

    async def _command(
        self, key: str, command: c.RoomCommand, result: Result | None = None
    ) -> None:
        await self._room.ensure_exists()
        committed = await self._parts.desk.commit(
            self._room.ref,
            command,
            message=MessageRef(self.who.subject, key),
            result=result,
        )
        self.send(p.Ack(id=key, result=committed.done.result))

    async def _target(self, subject: Subject) -> c.Target:
        """The person to be invited: known here, or by another node."""
        name = self._room.hub.name_of(subject)
        if name is None:
            attendance = await self._parts.presence.attendance(self._room.ref)
            name = attendance.name_of(subject, self._parts.clock.now_ms())
        return c.Target(subject, name or "", is_present=name is not None)

    async def _chat(self, message: p.Chat) -> None:
        self._actor.require("chat")
        self._admit_own_chat()
        found = await self._find_question(message)
        await self._pass_chat_door()
        now_ms = self._parts.clock.now_ms()
        chat = ChatView(
            message_id=_new_id(),
            subject=self.who.subject,
            name=self.who.name,
            role=self.who.role,
            text=message.text,
            at_ms=now_ms,
        )
        said = MessageRef(self.who.subject, message.id)
        message_id = await self._parts.store.say(self._room.ref, said, p.ChatSaid(chat=chat))
        self._parts.sink.emit(self.visit.said(MessageId(message_id), len(message.text), now_ms))
        self.send(p.Ack(id=message.id, result={"message_id": message_id, **found}))

    async def _find_question(self, message: p.Chat) -> Result:
        """A chat message that asks becomes a question before anything of it can be shed; the
        result names it, or says why it became none. It is chat all the same."""
        options = self._parts.options
        if (
            not options.detect_questions
            or self.who.is_staff
            or self._room.ref.room in options.undetected_rooms
            or "ask" not in self._actor.grants
        ):
            return {}
        detection = self._room.finder.detect(message.text, self._room_state())
        if not detection.is_question:
            return {}
        try:
            self._room.finder.admit_look(self._parts.clock.monotonic())
            return await self._commit_ask(f"q:{message.id}", message.text, None, detection)
        except Refusal as refusal:
            if refusal.code in ("store_unavailable", "shutting_down"):
                raise
            self._parts.refusals[refusal.code] += 1
            return {"question_refused": refusal.code}

    def _admit_own_chat(self) -> None:
        """The person's own limits."""
        self._admit(Lane.CHAT)
        self._room.limits.admit_slowly(
            self.who.subject,
            self.who.role,
            self._room.hub.slow_mode_s,
            self._parts.clock.monotonic(),
        )

    async def _pass_chat_door(self) -> None:
        """The room's limit: host and staff pass it untried."""
        if self.who.role in ("host", "staff"):
            return
        try:
            # Meanwhile this socket reads nothing else; it is at most one window.
            await self._room.chat_door.pass_in(self.who.subject)
        except Refusal:
            self._room.limits.unsay(self.who.subject)
            raise

    async def _ask(self, message: p.Ask) -> None:
        self._actor.require("ask")
        self._admit(Lane.QUESTION)
        result = await self._commit_ask(message.id, message.text, message.product_id, None)
        self.send(p.Ack(id=message.id, result=result))

    async def _commit_ask(
        self, key: str, text: str, product_id: str | None, detection: Detection | None
    ) -> Result:
        """Ask, durably; `detection` of a chat message, None for the button."""
        await self._room.ensure_exists()
        finder, state = self._room.finder, self._room_state()
        ask_id = QuestionId(_new_id())
        command = finder.begin(
            self._actor,
            ask_id,
            text,
            product_id,
            state=state,
            source="asked" if detection is None else "detected",
            detection=detection,
        )
        try:
            if detection is not None:
                card = None if command.into is None else state.questions.find_open(command.into)
                if card is not None and card.is_of(self.who.subject):
                    return {"question_id": card.question_id}
                self._admit(Lane.QUESTION)
                finder.admit_detected(command, self._parts.clock.monotonic())
            committed = await self._parts.desk.commit(
                self._room.ref,
                command,
                message=MessageRef(self.who.subject, key),
                result={"question_id": ask_id},
            )
        finally:
            finder.end(ask_id)
        return committed.done.result or {}

    def _room_state(self) -> RoomState:
        """The room as this node last saw it."""
        return self._parts.store.cached(self._room.ref) or RoomState()

    def _like(self, message: p.Like) -> None:
        self._actor.require("like")
        self._admit(Lane.AMBIENT)
        if not self._room.hub.show_id:
            raise Refusal("not_live")
        self._room.pending_likes += message.count
        likes = self.visit.like(message.count, self._parts.clock.now_ms())
        if likes is not None:
            self._parts.sink.emit(likes)

    def _click(self, message: p.ClickProduct) -> None:
        self._admit(Lane.COMMERCE)
        state = self._parts.store.cached(self._room.ref)
        if state is not None and state.shelf.find(message.sku) is not None:
            now_ms = self._parts.clock.now_ms()
            self._parts.sink.emit(self.visit.clicked(message.sku, _new_id(), now_ms))

    async def _publish(self, message: p.Publish) -> None:
        self._admit(Lane.CONTROL)
        if self.who.role == "host":
            await self._room.ensure_created()
        sources: dict[str, Source] = dict(message.sources)
        answered = await self._room.stage.publish(self.owner, message.sdp, sources)
        self.send(p.SdpAnswer(id=message.id, peer_id=answered.peer_id, sdp=answered.sdp))

    async def _play(self, message: p.Play) -> None:
        self._admit(Lane.CONTROL)
        stage = self._room.stage
        answered = await stage.play(self.owner, message.sdp, is_running=self._room.hub.is_running)
        self.send(p.SdpAnswer(id=message.id, peer_id=answered.peer_id, sdp=answered.sdp))
        stage.tell_map(answered.peer_id)

    def _shape_slot(self, message: p.ShapeSlot) -> None:
        self._admit(Upkeep.SHAPE)
        shape = SlotShape(message.size, message.max_layer)
        self._room.stage.shape(self.owner, PeerId(message.peer_id), message.mid, shape)

    async def _restart_ice(self, message: p.RestartIce) -> None:
        self._admit(Lane.CONTROL)
        restarted = await self._room.stage.restart_ice(
            self.owner, PeerId(message.peer_id), message.ufrag, message.pwd
        )
        self.send(
            p.IceRestarted(
                id=message.id,
                peer_id=restarted.peer_id,
                ufrag=restarted.ufrag,
                pwd=restarted.pwd,
                candidates=restarted.candidates,
            )
        )

    def _trickle(self, message: p.Trickle) -> None:
        """ICE-lite learns addresses from the client's checks: candidates need no handling."""
        self._admit(Upkeep.TRICKLE)
        self._room.stage.check_owner(self.owner, PeerId(message.peer_id))
        self.send(p.Ack(id=message.id))

    async def _get_profile(self, message: p.GetProfile) -> None:
        self._actor.require("see_profiles")
        self._admit(Lane.CONTROL)
        profile = await self._parts.profiles.profile(self.who.shop, Subject(message.subject))
        self.send(p.Profile(id=message.id, profile=profile))

    def _admit(self, lane: Lane | Upkeep) -> None:
        now = self._parts.clock.monotonic()
        self._room.limits.admit(self.who.subject, self.who.role, lane, now)
