"""From texts to commands: what folds into what, also before anything was committed."""

from __future__ import annotations

import pytest

from signaling import commands as c
from signaling.actor import Actor
from signaling.asking.shipped import shipped_asking
from signaling.errors import Refusal
from signaling.ids import QuestionId
from signaling.question_finder import JOINS, LOOKS, NEW_CARDS, QuestionFinder
from signaling.views import ProductView
from tests.support.room_driver import ANN, BEN, CAT, HOST, STAFF, RoomDriver


class Asking:
    """A finder of one node before a room that others may change, too."""

    def __init__(self, room: RoomDriver | None = None) -> None:
        self.room = room or RoomDriver()
        self.finder = QuestionFinder(shipped_asking(), 0.0)
        self._asked = 0

    def begin(self, who: Actor, text: str, product_id: str | None = None) -> c.Ask:
        self._asked += 1
        ask_id = QuestionId(f"{who.name}{self._asked}")
        return self.finder.begin(who, ask_id, text, product_id, state=self.room.state)

    def end(self, command: c.Ask) -> None:
        self.room.do(command)
        self.finder.end(command.question_id)

    def ask(self, who: Actor, text: str, product_id: str | None = None) -> None:
        self.end(self.begin(who, text, product_id))

    def cards(self) -> list[tuple[str, int]]:
        return [(q.text, q.count) for q in self.room.state.questions.open]


def test_near_duplicates_make_one_card() -> None:
    asking = Asking()
    asking.ask(ANN, "M码还有吗")
    asking.ask(BEN, "请问M码还有没有")
    asking.ask(CAT, "L码还有吗")
    assert asking.cards() == [("M码还有吗", 2), ("L码还有吗", 1)]


def test_the_price_of_one_product_is_not_anothers() -> None:
    asking = Asking()
    asking.ask(ANN, "多少钱", "p1")
    asking.ask(BEN, "多少钱", "p2")
    asking.ask(CAT, "多少钱啊", "p2")
    assert [count for _, count in asking.cards()] == [1, 2]


def test_what_names_no_product_is_about_the_pinned_one() -> None:
    asking = Asking()
    for sku, title in (("p1", "丝绒口红"), ("p2", "气垫粉底")):
        asking.room.do(c.PutProduct(STAFF, ProductView(sku, title, 100, "CNY")))
    asking.room.do(c.PinProduct(HOST, "p1"))
    assert asking.begin(ANN, "多少钱").product_id == "p1"
    assert asking.begin(ANN, "气垫粉底多少钱").product_id == "p2"
    assert asking.begin(ANN, "几点下播").product_id is None
    asking.ask(ANN, "多少钱")
    asking.room.do(c.PinProduct(HOST, "p2"))
    asking.ask(BEN, "多少钱")
    asking.ask(CAT, "多少钱")
    assert [count for _, count in asking.cards()] == [1, 2]


def test_what_asks_nothing_comparable_stands_alone() -> None:
    asking = Asking()
    asking.ask(ANN, "？？")
    asking.ask(BEN, "？？")
    assert [count for _, count in asking.cards()] == [1, 1]


def test_those_who_ask_at_once_fold_before_the_first_is_committed() -> None:
    asking = Asking()
    commands = [asking.begin(who, "多少钱") for who in (ANN, BEN, CAT)]
    assert [command.into for command in commands] == [None, "ann1", "ann1"]
    for command in commands:
        asking.end(command)
    assert asking.cards() == [("多少钱", 3)]


def test_a_founder_that_was_refused_leaves_nothing_behind() -> None:
    asking = Asking()
    refused = asking.begin(ANN, "多少钱")
    asking.finder.end(refused.question_id)
    asking.ask(BEN, "多少钱")
    assert asking.begin(CAT, "多少钱").into == "ben2"


def test_a_closed_card_takes_nobody_any_more() -> None:
    asking = Asking()
    asking.ask(ANN, "多少钱")
    asking.room.do(c.AnswerQuestion(HOST, QuestionId("ann1"), "99"))
    asking.ask(BEN, "多少钱")
    assert asking.cards() == [("多少钱", 1)]


def test_cards_of_another_node_or_an_earlier_run_are_found() -> None:
    room = RoomDriver()
    Asking(room).ask(ANN, "M码还有吗")
    Asking(room).ask(BEN, "M码还有没有")
    assert Asking(room).cards() == [("M码还有吗", 2)]


def test_the_key_is_the_same_in_every_process() -> None:
    assert Asking().begin(ANN, "多少钱").key == Asking().begin(BEN, "多少钱？").key
    assert len(Asking().begin(ANN, "多少钱").key or "") == 16


def test_what_chat_makes_is_bounded_new_cards_apart_from_joins() -> None:
    asking = Asking()
    new = asking.begin(ANN, "多少钱")
    join = asking.begin(BEN, "多少钱")
    for _ in range(int(LOOKS.burst)):
        asking.finder.admit_look(0.0)
    with pytest.raises(Refusal, match="Too many"):
        asking.finder.admit_look(0.0)
    for _ in range(int(JOINS.burst)):
        asking.finder.admit_detected(join, 0.0)
    with pytest.raises(Refusal, match="Too many"):
        asking.finder.admit_detected(join, 0.0)
    for _ in range(int(NEW_CARDS.burst)):
        asking.finder.admit_detected(new, 0.0)
    with pytest.raises(Refusal, match="Too many"):
        asking.finder.admit_detected(new, 0.0)
