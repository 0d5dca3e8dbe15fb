"""Which open question a text asks: between what people type and the fold that counts it.

One for each room and node. It follows the open questions of the room's state and remembers what is
about to become one, so that a hundred who ask the same within a tick fold into one card. What it
says goes into the command (`commands.Ask.into`, `key`); the fold decides. When two nodes race, the
key makes one card of equal questions; merely similar ones may then stand as two.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from signaling import commands as c
from signaling.actor import Actor
from signaling.asking import Detection, DetectionContext, Fingerprint, QuestionIndex, RoomTerms
from signaling.asking.shipped import Asking
from signaling.errors import Refusal
from signaling.ids import QuestionId
from signaling.limits import Allowance, TokenBucket
from signaling.questions import Question
from signaling.room_state import RoomState
from signaling.shelf import ShelfState, terms_of
from signaling.views import ProductView, QuestionSource

ABOUT_PRODUCT: Final = frozenset(
    {"price", "stock", "spec", "suitability", "usage", "comparison", "how_to_buy"}
)
"""Questions that are about the pinned product when they name none; when the show ends is not."""
MAX_REASONS: Final = 3
MAX_REASON_CHARS: Final = 60
LOOKS: Final = Allowance(50.0, 100.0)
"""Chat questions of a room that are compared with its cards: each costs some 0.2 ms."""
NEW_CARDS: Final = Allowance(5.0, 30.0)
"""Cards that chat may make in a room; more is no queue that anybody answers."""
JOINS: Final = Allowance(10.0, 30.0)
"""Askers whom chat may add to cards: each rewrites the room's state."""


class QuestionFinder:
    """Stateless but for what it follows: `begin` an asking, then `end` it, whatever came of it."""

    def __init__(self, asking: Asking, now: float) -> None:
        self._asking = asking
        self._context = DetectionContext()
        self._products: tuple[ProductView, ...] = ()
        self._index = QuestionIndex()
        self._known: dict[str, None] = {}
        """Open questions that were put into the index, and those about to open."""
        self._pending: set[str] = set()
        self._open: tuple[Question, ...] | None = None
        self._looks = TokenBucket(LOOKS, now)
        self._new_cards = TokenBucket(NEW_CARDS, now)
        self._joins = TokenBucket(JOINS, now)

    def detect(self, text: str, state: RoomState) -> Detection:  # hot path
        """What a chat message is; 40 us for a line of danmaku."""
        if state.shelf.products is not self._products:
            if state.shelf.products != self._products:
                self._learn_products(state.shelf)
            self._products = state.shelf.products
        return self._asking.detector.detect(text, self._context)

    def begin(
        self,
        actor: Actor,
        ask_id: QuestionId,
        text: str,
        product_id: str | None,
        *,
        state: RoomState,
        source: QuestionSource = "asked",
        detection: Detection | None = None,
    ) -> c.Ask:
        """The command that asks; `state` as this node last saw the room."""
        detection = detection or self.detect(text, state)
        product_id = product_id or _product_of(detection, state.shelf)
        self._follow(state.questions.open)
        fingerprint = self._fingerprint(text, product_id, detection)
        into: str | None = None
        if fingerprint is not None:
            fold = self._index.fold(ask_id, fingerprint)
            into = None if fold.is_new else fold.cluster_id
            if fold.is_new:
                self._known[ask_id] = None
                self._pending.add(ask_id)
        return c.Ask(
            actor=actor,
            question_id=ask_id,
            text=text,
            product_id=product_id,
            source=source,
            intent=detection.intent,
            reasons=_short(detection.reasons) if source == "detected" else (),
            into=None if into is None else QuestionId(into),
            key=None if fingerprint is None else key_of(fingerprint),
        )

    def end(self, ask_id: QuestionId) -> None:
        """The command was committed or refused: from now on the room's state tells."""
        self._pending.discard(ask_id)
        self._open = None

    def admit_look(self, now: float) -> None:
        """Bound what a flood of chat questions costs; asked ones have their askers' limits.
        Raises `Refusal("rate_limited")`."""
        _take(self._looks, now)

    def admit_detected(self, command: c.Ask, now: float) -> None:
        """Bound what chat makes of a room's state. Raises `Refusal("rate_limited")`."""
        _take(self._new_cards if command.into is None else self._joins, now)

    def _learn_products(self, shelf: ShelfState) -> None:
        """Names of products are terms: what was fingerprinted without them is done anew."""
        self._context = DetectionContext(RoomTerms(terms_of(shelf)))
        self._index = QuestionIndex()
        self._known.clear()
        self._open = None

    def _follow(self, open_now: tuple[Question, ...]) -> None:
        if open_now is self._open:
            return
        ids = {question.question_id for question in open_now}
        for gone in [k for k in self._known if k not in ids and k not in self._pending]:
            self._index.close(gone)
            del self._known[gone]
        for question in open_now:
            if question.question_id not in self._known:
                self._known[question.question_id] = None
                detection = self._asking.detector.detect(question.text, self._context)
                fingerprint = self._fingerprint(question.text, question.product_id, detection)
                if fingerprint is not None:
                    self._index.fold(question.question_id, fingerprint)
        self._open = open_now

    def _fingerprint(
        self, text: str, product_id: str | None, detection: Detection
    ) -> Fingerprint | None:
        """None for what has nothing to compare ("???"). One product's price is not another's."""
        fingerprint = self._asking.fingerprints.of(text, detection, self._context)
        if not fingerprint.grams and not fingerprint.terms:
            return None
        if product_id is None:
            return fingerprint
        return replace(fingerprint, terms=fingerprint.terms | {f"product {product_id}"})


def _take(bucket: TokenBucket, now: float) -> None:
    if bucket.take(now) > 0:
        raise Refusal("rate_limited", retry_after_ms=1000, lane="question")


def _product_of(detection: Detection, shelf: ShelfState) -> str | None:
    """The one product that is named, else the pinned one where that is what is asked about."""
    named = [p.sku for p in shelf.products if " ".join(p.title.lower().split()) in detection.terms]
    if len(named) == 1:
        return named[0]
    return shelf.pinned if not named and detection.intent in ABOUT_PRODUCT else None


def key_of(fingerprint: Fingerprint) -> str:
    """Equal for equal fingerprints, on every node (unlike `hash`)."""
    parts = (
        fingerprint.intent or "",
        ",".join(sorted(fingerprint.terms)),
        str(fingerprint.negations),
        ",".join(sorted(fingerprint.grams)),
    )
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def _short(reasons: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(reason[:MAX_REASON_CHARS] for reason in reasons[:MAX_REASONS])
