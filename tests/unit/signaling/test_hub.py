"""One room on one node: joining level with the others, who sees what."""

from __future__ import annotations

from signaling import codec
from signaling.broadcast import Member
from signaling.hub import MAX_HELD_CHAT, Hub
from signaling.identity import Identity
from signaling.ids import ConnId, QuestionId, RoomId, RoomRef, ShopId, Subject
from signaling.log_reader import Entry
from signaling.positions import Position
from signaling.protocol import ChatSaid, LogEvent, QuestionAsked, QuestionDismissed, ShowChanged
from signaling.room_state import RoomState
from signaling.room_view import RoomView, StreamTail
from signaling.tasks import TaskSet
from signaling.views import ChatView, QuestionView, ShowView
from signaling.visits import Visit
from tests.support.rooms import RecordingLink

REF = RoomRef(ShopId("s"), RoomId("r"))


class Attendee:
    def __init__(self, name: str, *, is_staff: bool = False) -> None:
        who = Identity(REF.shop, REF.room, Subject(name), name, name, "viewer", frozenset())
        self.name = name
        self.conn = ConnId(f"c-{name}")
        self.link = RecordingLink()
        self.member = Member(self.link, Subject(name), is_staff)
        self.visit = Visit(who, self.conn, 0, "")


def view(log: int = 0, chat: int = 0, epoch: str = "e") -> RoomView:
    return RoomView(
        exists=bool(epoch),
        state=RoomState(),
        log=StreamTail(Position(epoch, (log, 0)), None),
        chat=StreamTail(Position(epoch, (chat, 0)), None),
        latest_chat=[],
    )


def entry(number: int, event: LogEvent) -> Entry:
    return Entry((number, 0), codec.encode_event(event))


def chat(number: int) -> Entry:
    said = ChatView(str(number), "s", "n", "viewer", str(number), 1)
    return entry(number, ChatSaid(chat=said))


def asked(number: int, subject: str) -> Entry:
    question = QuestionView(str(number), subject, subject, f"{number}?", 1)
    return entry(number, QuestionAsked(question=question))


class Place:
    def __init__(self) -> None:
        self.followed: list[LogEvent] = []
        self.hub = Hub(REF, TaskSet("test"), on_event=self.followed.append)
        self.hub.begin(view())

    def join(self, name: str, *, is_staff: bool = False) -> Attendee:
        attendee = Attendee(name, is_staff=is_staff)
        self.hub.register(attendee)
        self.hub.admit(attendee.conn, view(self.hub.log_at[0], self.hub.chat_at[0]))
        return attendee


def texts(attendee: Attendee) -> list[str]:
    return [m["question"]["text"] for m in attendee.link.of("question_asked")]


async def test_events_up_to_the_snapshot_are_dropped_and_later_ones_told_once() -> None:
    place = Place()
    ann = Attendee("ann")
    place.hub.register(ann)
    place.hub.deliver("chat", [chat(1), chat(2)])
    place.hub.admit(ann.conn, view(chat=3))
    assert ann.link.messages == [], "the streams are behind the snapshot"
    place.hub.deliver("chat", [chat(3), chat(4)])
    await ann.link.until_count("chat_said", 1)
    place.hub.deliver("chat", [chat(5)])
    await ann.link.until_count("chat_said", 2)
    assert ann.link.chats() == ["4", "5"]
    assert ann.link.position("chat") == "e.5-0"


async def test_what_was_held_waits_until_the_others_are_level() -> None:
    place = Place()
    bob = place.join("bob")
    ann = Attendee("ann")
    place.hub.register(ann)
    place.hub.deliver("chat", [chat(1)])
    place.hub.deliver("chat", [chat(2)])
    place.hub.admit(ann.conn, view(chat=1))
    assert bob.link.chats() == ["1"], "the second waits for its tick"
    assert ann.link.chats() == []
    await bob.link.until_count("chat_said", 2)
    await ann.link.until_count("chat_said", 1)
    place.hub.deliver("chat", [chat(3)])
    await ann.link.until_count("chat_said", 2)
    await bob.link.until_count("chat_said", 3)
    assert (ann.link.chats(), bob.link.chats()) == (["2", "3"], ["1", "2", "3"])


async def test_a_flood_held_for_a_newcomer_is_bounded_and_told() -> None:
    place = Place()
    ann = Attendee("ann")
    place.hub.register(ann)
    place.hub.deliver("chat", [chat(n) for n in range(1, MAX_HELD_CHAT + 11)])
    place.hub.admit(ann.conn, view())
    await ann.link.until_count("shed", 1)
    assert len(ann.link.chats()) == MAX_HELD_CHAT
    assert ann.link.of("shed")[0]["count"] == 10


async def test_questions_go_to_staff_and_to_who_asked() -> None:
    place = Place()
    staff = place.join("sue", is_staff=True)
    ann, bob = place.join("ann"), place.join("bob")
    place.hub.deliver("log", [asked(1, "ann"), asked(2, "bob"), asked(3, "ann")])
    await staff.link.until_count("question_asked", 3)
    assert texts(ann) == ["1?", "3?"]
    assert texts(bob) == ["2?"]
    gone = QuestionDismissed(question_id=QuestionId("2"), subject="bob")
    place.hub.deliver("log", [entry(4, gone)])
    await bob.link.until_count("question_dismissed", 1)
    assert ann.link.of("question_dismissed") == []


async def test_a_personal_event_overtakes_nothing() -> None:
    place = Place()
    ann = place.join("ann")
    for number in (1, 2):
        place.hub.deliver("chat", [chat(number)])
    place.hub.deliver("log", [asked(5, "ann")])
    kinds = [m["type"] for m in ann.link.messages]
    assert kinds == ["chat_said", "chat_said", "question_asked"]
    assert ann.link.position("log") == "e.5-0"


async def test_a_personal_event_while_its_person_joins_comes_once() -> None:
    place = Place()
    place.join("bob")
    ann = Attendee("ann")
    place.hub.register(ann)
    place.hub.deliver("chat", [chat(1)])
    place.hub.deliver("chat", [chat(2)])
    place.hub.admit(ann.conn, view(chat=2))
    place.hub.deliver("log", [asked(1, "bob"), asked(2, "ann"), asked(3, "ann")])
    await ann.link.until(lambda: len(texts(ann)) >= 2)
    assert texts(ann) == ["2?", "3?"]


async def test_unknown_events_move_the_position() -> None:
    place = Place()
    ann = place.join("ann")
    place.hub.deliver("log", [Entry((1, 0), b"\x81\xa4type\xa6future")])
    show = ShowChanged(show=ShowView("x", "live", "t"))
    place.hub.deliver("log", [entry(2, show)])
    await ann.link.until_count("show_changed", 1)
    assert ann.link.position("log") == "e.2-0"
    assert place.hub.is_running
    assert place.followed == [show]
    place.hub.deliver("log", [entry(2, show)])
    assert len(place.followed) == 1, "a stream read twice is told once"


async def test_a_person_is_here_until_the_last_socket_left() -> None:
    place = Place()
    ann = place.join("ann")
    assert place.hub.is_here("ann")
    assert place.hub.name_of("ann") == "ann"
    assert place.hub.get(ann.conn) is ann
    place.hub.unregister(ann)
    place.hub.unregister(ann)
    assert not place.hub.is_here("ann")
    place.hub.admit(ann.conn, view())
    place.hub.deliver("chat", [chat(1)])
    assert ann.link.messages == []


async def test_a_room_opened_later_gets_its_epoch() -> None:
    place = Place()
    place.hub.begin(view(epoch=""))
    before = place.hub.exists
    place.hub.learn(view(log=3))
    assert (before, place.hub.exists, place.hub.epoch) == (False, True, "e")
    since = place.hub.place
    assert place.hub.is_continued_by(view(log=5), since)
    assert not place.hub.is_continued_by(view(epoch="f"), since)
    place.hub.deliver("log", [asked(9, "x")])
    assert not place.hub.is_continued_by(view(log=5), place.hub.place)
