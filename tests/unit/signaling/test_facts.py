"""Room changes as engagement events: types, keys, times and props of the retention definitions."""

from __future__ import annotations

from signaling import commands as c
from signaling import room_state
from signaling.engagement import Engagement
from signaling.facts import engagements_of
from signaling.ids import QuestionId, RoomId, ShopId, ShowId
from signaling.views import ProductView
from tests.support.room_driver import ANN, BEN, CAT, HOST, STAFF, START_MS, RoomDriver, target


class Told(RoomDriver):
    """A driver that also tells the retention store."""

    def tell(self, command: c.RoomCommand) -> list[Engagement]:
        before = self.state
        outcome = room_state.apply(before, command, self.now_ms)
        self.state = outcome.state
        return engagements_of(
            outcome.events, before, self.state, shop_id=ShopId("main"), room_id=RoomId("demo")
        )


def live() -> Told:
    room = Told()
    room.go_live()
    return room


def summary(facts: list[Engagement]) -> list[tuple[str, str, str]]:
    return [(fact.type, fact.natural_key, fact.subject) for fact in facts]


def test_a_show_opens_and_closes_once() -> None:
    room = Told()
    (opened,) = room.tell(c.StartShow(HOST, ShowId("show-1"), "新品"))
    assert (opened.type, opened.natural_key, opened.show_id) == ("room.opened", "show-1", "show-1")
    assert (opened.subject, opened.room_id, opened.at_ms) == (HOST.subject, "demo", START_MS)
    assert room.tell(c.HostLost(HOST.subject)) == []
    assert room.tell(c.HostReturned(HOST.subject)) == []
    room.now_ms += 5
    (closed,) = room.tell(c.EndShow(HOST))
    assert (closed.type, closed.natural_key, closed.at_ms) == ("room.closed", "show-1", room.now_ms)
    assert closed.props == {"reason": "host_ended"}
    assert opened.event_id != closed.event_id


def test_a_question_and_its_answer() -> None:
    room = live()
    (asked,) = room.tell(c.Ask(ANN, QuestionId("q1"), "适合油皮吗", "p1"))
    assert summary([asked]) == [("question.asked", "q1", ANN.subject)]
    assert asked.props == {"question_id": "q1", "message_id": "q1", "product_id": "p1"}
    assert "油皮" not in str(asked), "texts live in their own store"
    room.now_ms += 3_200
    (answered,) = room.tell(c.AnswerQuestion(HOST, QuestionId("q1")))
    assert summary([answered]) == [("question.answered", "q1:host", ANN.subject)]
    assert answered.props == {"question_id": "q1", "by": "host", "latency_ms": 3_200}
    assert answered.at_ms == room.now_ms


def test_everybody_who_asked_was_answered_after_their_own_wait() -> None:
    room = live()
    room.tell(c.Ask(ANN, QuestionId("q1"), "适合油皮吗", "p1"))
    room.now_ms += 1_000
    (joined,) = room.tell(c.Ask(BEN, QuestionId("q2"), "油皮能用吗", "p1", into=QuestionId("q1")))
    assert summary([joined]) == [("question.asked", "q2", BEN.subject)]
    assert joined.props == {"question_id": "q2", "message_id": "q2", "product_id": "p1"}
    assert room.tell(c.Ask(BEN, QuestionId("q3"), "油皮呢", into=QuestionId("q1"))) == []
    room.now_ms += 2_000
    answered = room.tell(c.AnswerQuestion(HOST, QuestionId("q1")))
    assert summary(answered) == [
        ("question.answered", "q1:host", ANN.subject),
        ("question.answered", "q2:host", BEN.subject),
    ]
    assert [fact.props["latency_ms"] for fact in answered] == [3_000, 2_000]


def test_an_answer_of_staff_is_an_agents_and_belongs_to_the_show_of_the_question() -> None:
    room = live()
    room.ask(ANN, "q1")
    room.do(c.EndShow(HOST))
    room.go_live()
    (answered,) = room.tell(c.AnswerQuestion(STAFF, QuestionId("q1"), "有"))
    assert (answered.props["by"], answered.show_id) == ("agent", "show-1")


def test_a_dismissed_question_is_no_engagement() -> None:
    room = live()
    room.ask(ANN, "q1")
    assert room.tell(c.DismissQuestion(STAFF, QuestionId("q1"))) == []


def test_from_request_to_leaving_one_request_id() -> None:
    room = live()
    (requested,) = room.tell(c.RequestMic(ANN, "e1", "audio"))
    assert summary([requested]) == [("mic.requested", "e1:requested", ANN.subject)]
    (joined,) = room.tell(c.AcceptRequest(STAFF, ANN.subject))
    assert summary([joined]) == [("mic.joined", "e1:joined", ANN.subject)]
    assert joined.props == {"request_id": "e1", "seat": 1, "publish": "a"}
    room.now_ms += 42_000
    (left,) = room.tell(c.LeaveSeat(ANN))
    assert summary([left]) == [("mic.left", "e1:left", ANN.subject)]
    assert left.props["on_ms"] == 42_000
    assert left.props["reason"] == "left"
    assert left.at_ms == room.now_ms


def test_an_invite_that_leads_to_a_seat() -> None:
    room = live()
    (invited,) = room.tell(c.Invite(HOST, "e2", target(BEN)))
    assert summary([invited]) == [("mic.invited", "e2:invited", BEN.subject)]
    (joined,) = room.tell(c.AcceptInvite(BEN))
    assert summary([joined]) == [("mic.joined", "e2:joined", BEN.subject)]


def test_every_end_without_a_seat_says_why() -> None:
    room = live()
    for command, reason in (
        (c.RejectRequest(STAFF, ANN.subject), "rejected"),
        (c.CancelRequest(ANN), "cancelled"),
        (c.PersonLeft(ANN.subject), "left"),
    ):
        room.do(c.RequestMic(ANN, "e"))
        (fact,) = room.tell(command)
        assert (fact.type, fact.natural_key) == ("mic.rejected", "e:rejected")
        assert fact.props == {"request_id": "e", "reason": reason}


def test_an_invite_that_ran_out_is_dated_at_its_deadline() -> None:
    room = live()
    room.invite(ANN)
    room.now_ms += 3_600_000
    (fact,) = room.tell(c.Tick())
    assert fact.props["reason"] == "expired"
    assert fact.at_ms == START_MS + 30_000


def test_the_end_of_a_lost_show_is_dated_at_the_end_of_the_grace() -> None:
    room = live()
    room.do(c.RequestMic(ANN, "e1"))
    room.do(c.RequestMic(BEN, "e2"))
    room.do(c.AcceptRequest(HOST, BEN.subject))
    room.do(c.HostLost(HOST.subject))
    room.now_ms += 3_600_000
    facts = room.tell(c.StartShow(HOST, ShowId("show-2")))
    assert summary(facts) == [
        ("room.closed", "show-1", HOST.subject),
        ("mic.left", "e2:left", BEN.subject),
        ("mic.rejected", "e1:rejected", ANN.subject),
        ("room.opened", "show-2", HOST.subject),
    ]
    assert [fact.at_ms - START_MS for fact in facts] == [60_000, 60_000, 60_000, 3_600_000]
    assert [fact.show_id for fact in facts] == ["show-1", "show-1", "show-1", "show-2"]


def test_the_hosts_own_seat_is_not_a_customers() -> None:
    room = live()
    assert room.tell(c.MuteSeat(STAFF, HOST.subject, "camera", True)) == []
    assert [fact.type for fact in room.tell(c.EndShow(HOST))] == ["room.closed"]


def test_a_repeated_telling_has_the_same_ids() -> None:
    room = live()
    before = room.state
    outcome = room_state.apply(before, c.RequestMic(CAT, "e9"), room.now_ms)
    told = [
        engagements_of(
            outcome.events, before, outcome.state, shop_id=ShopId("main"), room_id=RoomId("demo")
        )[0].event_id
        for _ in range(2)
    ]
    assert told[0] == told[1]


def test_one_showing_of_a_product_from_pin_to_unpin() -> None:
    room = live()
    room.do(c.PutProduct(STAFF, ProductView("soap", "手工皂", 2_990, "CNY")))
    (shown,) = room.tell(c.PinProduct(HOST, "soap"))
    assert (shown.type, shown.props) == ("product.shown", {"product_id": "soap"})
    assert (shown.subject, shown.at_ms) == (HOST.subject, room.now_ms)
    assert room.tell(c.PutProduct(STAFF, ProductView("soap", "手工皂", 1_990, "CNY"))) == []
    room.now_ms += 7
    (hidden,) = room.tell(c.UnpinProduct(HOST, "soap"))
    assert (hidden.type, hidden.at_ms) == ("product.hidden", room.now_ms)
    showing = shown.natural_key.removesuffix(":shown")
    assert hidden.natural_key == f"{showing}:hidden"
    room.now_ms += 1
    (again,) = room.tell(c.PinProduct(HOST, "soap"))
    assert again.natural_key != shown.natural_key, "a second showing"
