"""Rooms in the store: commit by compare-and-set, say chat, read a room at one moment.

Everything that is written to a room's state and streams is written here. Commands of one room that
wait together are committed together: folded one after the other onto the state that this node last
saw, then written by one script. If another node was faster, the script answers with the newer state
and the group is folded again. An uncontended command costs one round trip, shared with everybody
in the same tick.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec

from signaling import codec, room_state
from signaling.clock import Clock
from signaling.commands import RoomCommand
from signaling.engagement import Engagement
from signaling.errors import Refusal
from signaling.gather import Asked, Gather
from signaling.group_writer import GroupWriter, Reply, Script
from signaling.ids import MessageId, RoomRef, ShowId, Subject
from signaling.lane import Lane
from signaling.positions import START, StreamId, parse_stream_id
from signaling.protocol import ChatSaid
from signaling.room_state import Outcome, RoomState
from signaling.room_view import Resume, RoomView, parse_view, view_arguments
from signaling.rules import RoomRules
from signaling.store_keys import RoomKeys, rooms_key, shops_key
from signaling.tasks import TaskSet


def _script(name: str) -> Script:
    return Script.of(Path(__file__).with_name(name).read_text("utf-8"))


_COMMIT: Final = _script("commit.lua")
_SAY: Final = _script("say.lua")
_VIEW: Final = _script("view.lua")

LOG_LENGTH: Final = 10_000
"""Entries of `log` kept: many hours of a busy show; a client that was away longer starts anew."""
CHAT_LENGTH: Final = 2_000
SAID_MS: Final = 600_000
"""A client that retries does so within seconds; ten minutes cover a closed laptop lid."""
SAID_CHAT_MS: Final = 120_000
"""Shorter: at 2,000 chat messages a second ten minutes would be a million keys."""
MAX_ATTEMPTS: Final = 24
"""Lost races of one group in a row before `conflict`; each means that another node got through."""
JITTER_S: Final = 0.003
"""Two nodes in step would let the same one win every time: every third loser waits up to that."""
MAX_TOGETHER: Final = 100
"""Commands or messages of one room in one script."""
MAX_WAITING: Final = 2_000
MAX_JOINING: Final = 20_000

Result: TypeAlias = dict[str, str | int]
"""What an `ack` names: for example the id of the question that was asked."""
Engage = Callable[[RoomRef, RoomState, Outcome], Iterable[Engagement]]
"""The engagements of an outcome, given the state before it. Pure."""


class MessageRef(NamedTuple):
    """A client's message: its key is unique per person, so a retry is recognised."""

    subject: Subject
    key: str


class Done(msgspec.Struct, frozen=True, array_like=True):
    """What a command leaves for its retry: the result to acknowledge, and the engagements to say
    once more (they carry natural keys, so that is harmless)."""

    result: Result | None = None
    engagements: tuple[Engagement, ...] = ()


class Committed(NamedTuple):
    """A command that holds. `is_repeat`: it had been committed before, by the same message."""

    done: Done
    outcome: Outcome | None
    is_repeat: bool


class _Order(NamedTuple):
    command: RoomCommand
    message: MessageRef | None
    result: Result | None


class _Saying(NamedTuple):
    message: MessageRef
    chat: ChatSaid


class _Folded(NamedTuple):
    """What the fold made of one order: exactly one of `outcome` and `refusal`."""

    asked: Asked[_Order, Committed]
    outcome: Outcome | None
    done: Done
    refusal: Refusal | None


class _Room:
    """What this node knows of one room, and the three queues before it."""

    def __init__(self, ref: RoomRef, store: RoomStore, tasks: TaskSet) -> None:
        self.ref = ref
        self.keys = RoomKeys(*ref)
        self.state: RoomState | None = None
        self.deadline_ms: int | None = None
        """When `state` wants a `Tick`."""
        self.rev = 0
        self.epoch = ""
        self.log_id: StreamId = START
        """The last log entry that `state` includes."""
        self.orders: Gather[_Order, Committed] = Gather(
            tasks,
            f"commit.{ref.room}",
            lambda group: store._commit_group(self, group),
            max_together=MAX_TOGETHER,
            max_waiting=MAX_WAITING,
        )
        self.sayings: Gather[_Saying, MessageId] = Gather(
            tasks,
            f"say.{ref.room}",
            lambda group: store._say_group(self, group),
            max_together=MAX_TOGETHER,
            max_waiting=MAX_WAITING,
            lane="chat",
        )
        self.views: Gather[None, RoomView] = Gather(
            tasks,
            f"view.{ref.room}",
            lambda group: store._view_group(self, group),
            max_together=MAX_JOINING,
            max_waiting=MAX_JOINING,
        )

    @property
    def is_busy(self) -> bool:
        return self.orders.is_busy or self.sayings.is_busy or self.views.is_busy

    def remember(
        self, rev: bytes, epoch: bytes, blob: bytes, log_id: bytes, rules: RoomRules
    ) -> None:
        """Take over what the store has; the blob is decoded only when it is another one."""
        new_rev, new_epoch = int(rev), epoch.decode()
        if self.state is None or (new_rev, new_epoch) != (self.rev, self.epoch):
            state = room_state.decode(blob) if blob else room_state.initial(rules)
            if state.rules != rules:
                state = room_state.with_rules(state, rules)
            self.hold(state, new_rev, new_epoch)
        self.log_id = parse_stream_id(log_id)

    def hold(self, state: RoomState, rev: int, epoch: str) -> None:
        self.state, self.rev, self.epoch = state, rev, epoch
        self.deadline_ms = room_state.next_deadline_ms(state)


class RoomStore:
    """Every room of the store as this node sees it.

    Raises `Refusal`: `store_unavailable`, `conflict`, `room_not_found`, `rate_limited` when too
    much waits, and whatever the folds refuse.
    """

    def __init__(
        self, writer: GroupWriter, *, clock: Clock, rules: RoomRules, engage: Engage
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._rules = rules
        self._engage = engage
        self._rooms: dict[RoomRef, _Room] = {}
        self._tasks = TaskSet("room_store")

    async def close(self) -> None:
        await self._tasks.close()

    # --- what this node remembers ---------------------------------------------------------------

    def cached(self, ref: RoomRef) -> RoomState | None:
        """The state as this node last saw it; None when it never did."""
        room = self._rooms.get(ref)
        return None if room is None else room.state

    def deadlines(self) -> dict[RoomRef, int]:
        """Unix ms at which a remembered room wants a `Tick`."""
        return {
            ref: room.deadline_ms
            for ref, room in self._rooms.items()
            if room.deadline_ms is not None
        }

    def refs(self) -> list[RoomRef]:
        """The rooms that are remembered."""
        return list(self._rooms)

    def is_behind(self, ref: RoomRef, log_id: StreamId) -> bool:
        """True when another node committed an entry that the remembered state lacks."""
        room = self._rooms.get(ref)
        return room is not None and not room.orders.is_busy and log_id > room.log_id

    def would_change(self, ref: RoomRef, command: RoomCommand) -> bool:
        """False when the command changes nothing as far as this node knows."""
        state = self.cached(ref)
        if state is None:
            return True
        try:
            return bool(room_state.apply(state, command, self._clock.now_ms()).events)
        except Refusal:
            return False

    def forget(self, ref: RoomRef) -> None:
        """Drop what is remembered of a room that nobody here uses any more."""
        room = self._rooms.get(ref)
        if room is not None and not room.is_busy:
            del self._rooms[ref]

    def forget_states(self) -> None:
        """Read every room anew at its next use: the store restarted, perhaps without its tail."""
        for room in self._rooms.values():
            room.state = None

    # --- writing --------------------------------------------------------------------------------

    async def create(self, ref: RoomRef) -> None:
        """Open a room: gives it its epoch and lists it. Harmless for a room that exists."""
        await asyncio.gather(
            self._writer.execute("HSETNX", RoomKeys(*ref).state, "epoch", _new_epoch()),
            self._writer.execute("SADD", rooms_key(ref.shop), ref.room),
            self._writer.execute("SADD", shops_key(), ref.shop),
        )

    async def commit(
        self,
        ref: RoomRef,
        command: RoomCommand,
        *,
        message: MessageRef | None = None,
        result: Result | None = None,
    ) -> Committed:
        """Fold a command into the room, durably. A retry of `message` gets its first `Done`."""
        return await self._room(ref).orders.ask(_Order(command, message, result))

    async def say(self, ref: RoomRef, message: MessageRef, chat: ChatSaid) -> MessageId:
        """Append a chat message once; returns the id that it got the first time."""
        return await self._room(ref).sayings.ask(_Saying(message, chat))

    async def add_likes(self, ref: RoomRef, show_id: ShowId, count: int) -> int:
        """Count likes of a show; returns the new sum."""
        key = RoomKeys(*ref).likes
        return int(await self._writer.execute("HINCRBY", key, show_id, count, lane=Lane.AMBIENT))

    async def likes(self, ref: RoomRef, show_id: ShowId) -> int:
        """Likes of a show so far."""
        return int(await self._writer.execute("HGET", RoomKeys(*ref).likes, show_id) or 0)

    # --- reading --------------------------------------------------------------------------------

    async def view(self, ref: RoomRef) -> RoomView:
        """The room as a newcomer finds it, not older than this call; askers share one read."""
        return await self._room(ref).views.ask(None)

    async def resume(self, ref: RoomRef, resume: Resume) -> RoomView:
        """The room and what happened since `resume`."""
        return await self._read(self._room(ref), resume)

    def _room(self, ref: RoomRef) -> _Room:
        room = self._rooms.get(ref)
        if room is None:
            room = self._rooms[ref] = _Room(ref, self, self._tasks)
        return room

    async def _view_group(self, room: _Room, group: list[Asked[None, RoomView]]) -> None:
        view = await self._read(room, None)
        for asked in group:
            asked.answer(view)

    async def _read(self, room: _Room, resume: Resume | None) -> RoomView:
        keys = [room.keys.state, room.keys.log, room.keys.chat]
        reply = await self._writer.run_script(_VIEW, keys, view_arguments(resume))
        rev, epoch, blob, (_, log_id, *_), _, _ = reply
        room.remember(rev, epoch, blob, log_id, self._rules)
        assert room.state is not None, "what was read is remembered"
        return parse_view(room.state, room.epoch, reply, resume)

    # --- commit ---------------------------------------------------------------------------------

    async def _commit_group(self, room: _Room, group: list[Asked[_Order, Committed]]) -> None:
        first, again = _split_repeats(group)
        await self._commit_once(room, first)
        if again:
            # The same message twice in one tick: now the first one's result can be found.
            await self._commit_once(room, again)

    async def _commit_once(self, room: _Room, group: list[Asked[_Order, Committed]]) -> None:
        attempts = 0
        while group and attempts < MAX_ATTEMPTS:
            if room.state is None:
                await self._read(room, None)
            state, folded = self._fold(room, group)
            verdict, *answer = await self._write(room, folded, state)
            if verdict == b"said":
                group = _settle_repeats(group, answer)
            elif verdict == b"conflict":
                attempts += 1
                if attempts % 3 == 0:
                    await asyncio.sleep(random.uniform(0, JITTER_S))
                rev, epoch, blob, log_id = answer
                room.remember(rev, epoch, blob, log_id, self._rules)
            else:
                rev, epoch, log_id = answer
                room.hold(state, int(rev), epoch.decode())
                room.log_id = parse_stream_id(log_id)
                _settle_committed(folded)
                return
        for asked in group:
            asked.refuse(Refusal("conflict", retry_after_ms=200))

    def _fold(
        self, room: _Room, group: list[Asked[_Order, Committed]]
    ) -> tuple[RoomState, list[_Folded]]:
        """Apply the group to the remembered state; a refused command leaves no trace in it."""
        state = room.state
        assert state is not None, "a room is read before it is folded"
        wall_ms = self._clock.now_ms()
        folded: list[_Folded] = []
        for asked in group:
            try:
                outcome = room_state.apply(state, asked.item.command, wall_ms)
            except Refusal as refusal:
                folded.append(_Folded(asked, None, Done(), refusal))
                continue
            engagements = tuple(self._engage(room.ref, state, outcome)) if outcome.events else ()
            result = room_state.result_of(asked.item.command, asked.item.result, outcome.state)
            folded.append(_Folded(asked, outcome, Done(result, engagements), None))
            state = outcome.state
        return state, folded

    async def _write(self, room: _Room, folded: list[_Folded], state: RoomState) -> Reply:
        """Run commit.lua. Refusals go through it too: they are true only if the state that they
        were judged by still holds and the message was not committed before."""
        keys = [room.keys.state, room.keys.log]
        events: list[bytes] = []
        results: list[bytes] = []
        for one in folded:
            if one.outcome is not None:
                events += map(codec.encode_event, one.outcome.events)
            if one.asked.item.message is not None:
                keys.append(_said_key(room, one.asked.item.message))
                results.append(b"" if one.outcome is None else _done_encoder.encode(one.done))
        # Without events the state is as it was, and only results may have to be remembered.
        blob = room_state.encode(state) if events else b""
        head: list[str | bytes | int] = [
            room.rev,
            room.epoch,
            _new_epoch(),
            blob,
            LOG_LENGTH,
            SAID_MS,
            len(events),
        ]
        return await self._writer.run_script(_COMMIT, keys, [*head, *events, *results])

    # --- chat -----------------------------------------------------------------------------------

    async def _say_group(self, room: _Room, group: list[Asked[_Saying, MessageId]]) -> None:
        # hot path: an append to the log
        arguments: list[str | bytes | int] = [CHAT_LENGTH, SAID_CHAT_MS]
        keys = [room.keys.state, room.keys.chat]
        for asked in group:
            message, said = asked.item
            keys.append(_said_key(room, message))
            arguments += (said.chat.message_id, codec.encode_event(said))
        reply = await self._writer.run_script(_SAY, keys, arguments, lane=Lane.CHAT)
        if reply == b"no_room":
            raise Refusal("room_not_found", "Nobody has opened this room yet.")
        for asked, message_id in zip(group, reply, strict=True):
            asked.answer(MessageId(message_id.decode()))


_done_encoder: Final = msgspec.msgpack.Encoder()
_done_decoder: Final = msgspec.msgpack.Decoder(Done)


def _new_epoch() -> str:
    return secrets.token_urlsafe(6)


def _said_key(room: _Room, message: MessageRef) -> str:
    return f"{room.keys.said}{message.subject}:{message.key}"


def _split_repeats(
    group: list[Asked[_Order, Committed]],
) -> tuple[list[Asked[_Order, Committed]], list[Asked[_Order, Committed]]]:
    seen: set[MessageRef] = set()
    first: list[Asked[_Order, Committed]] = []
    again: list[Asked[_Order, Committed]] = []
    for asked in group:
        message = asked.item.message
        (again if message is not None and message in seen else first).append(asked)
        if message is not None:
            seen.add(message)
    return first, again


def _settle_repeats(
    group: list[Asked[_Order, Committed]], answer: list[Reply]
) -> list[Asked[_Order, Committed]]:
    """Answer what was committed before; returns the rest. Indexes count the keyed orders."""
    keyed = [asked for asked in group if asked.item.message is not None]
    repeated: set[int] = set()
    for index, blob in zip(answer[::2], answer[1::2], strict=True):
        asked = keyed[index - 1]
        asked.answer(Committed(_done_decoder.decode(blob), None, is_repeat=True))
        repeated.add(id(asked))
    return [asked for asked in group if id(asked) not in repeated]


def _settle_committed(folded: list[_Folded]) -> None:
    for one in folded:
        if one.refusal is not None:
            one.asked.refuse(one.refusal)
        else:
            one.asked.answer(Committed(one.done, one.outcome, is_repeat=False))
