"""Is it a question, what about, and why: a sum of documented weights (docs/questions.md)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from signaling.asking import structure
from signaling.asking.forms import ASKED, MASKED, STOP, FormError, Sets
from signaling.asking.lexicon import Cue, Intent, Lexicon, LexiconError
from signaling.asking.matcher import Matcher, places_of
from signaling.asking.normal import Normaliser
from signaling.asking.terms import RoomTerms, TermFinder

_CLAUSE: Final = re.compile(f"([^{STOP}{ASKED}]*)([{STOP}{ASKED}])")
MAX_CLAUSES: Final = 24
"""Looked at one by one; what comes after them only weighs in as a whole."""
_STRUCTURE: Final = {
    "choice": "asks to choose",
    "open_end": "ends open",
    "pick": "asks which of two",
    "asked": "has a question mark",
    "short": "very short",
}
_UNSHOWN: Final = f"{STOP}{ASKED} "
EXCLAIMED: Final = -2.0
"""A cover of this weight or less is a sentence of its own."""
MAX_SHOWN_CHARS: Final = 20
_LETTER: Final = re.compile(r"[a-z0-9\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class DetectionContext:
    """What is known of the room; the same object serves all its messages."""

    products: RoomTerms | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """`score` is a probability (0..1) of the text being a question of a buyer; `reasons` say what
    was found, strongest first; `intent` is None for what is no question or fits none."""

    is_question: bool
    score: float
    intent: Intent | None
    reasons: tuple[str, ...]
    terms: tuple[str, ...]


class _Clause:
    """Evidence of one clause while it is collected."""

    __slots__ = ("found", "sum")

    def __init__(self, bias: float) -> None:
        self.sum = bias
        self.found: dict[str, tuple[float, str]] = {}

    def add(self, cue: Cue, what: str) -> None:
        """Counts each kind of evidence once."""
        if cue.name not in self.found:
            shown = what.strip(_UNSHOWN)[:MAX_SHOWN_CHARS]
            self.found[cue.name] = (cue.weight, f"{cue.says}: {shown}" if shown else cue.says)
            self.sum += cue.weight


class Detector:
    """Detects questions with the data of a lexicon; built once, shared by all rooms, stateless.

    Raises `LexiconError` for data that cannot be used.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        data, normal = lexicon.cues, lexicon.normal
        if unknown := set(data.structure) ^ set(_STRUCTURE):
            raise LexiconError(f"cues.yaml, structure: {', '.join(sorted(unknown))}")
        if bad := [pair for pair in normal.simplified if len(pair) != 2]:
            raise LexiconError(f"normal.yaml, simplified: {bad[0]!r} is no pair")
        self.normaliser = Normaliser(
            simplified={pair[0]: pair[1] for pair in normal.simplified},
            mended=normal.mended,
            edges=normal.edges,
        )
        self._bias = data.bias
        self._structure = {
            name: Cue(name, says, data.structure[name], ("-",)) for name, says in _STRUCTURE.items()
        }
        self._message = _Cues(data.message, data.sets)
        self._covers = _Cues(data.covers, data.sets)
        self._cues = _Cues(data.cues, data.sets)
        self._intents = _Intents(lexicon)
        self.terms = TermFinder(lexicon.terms)

    def detect(self, text: str, context: DetectionContext | None = None) -> Detection:  # hot path
        """What the text is. Never raises; reads at most `normal.MAX_CHARS` characters."""
        normal = self.normaliser.normal(text)
        terms = self.terms.find(normal, context.products if context is not None else None)
        if _LETTER.search(normal) is None:
            return Detection(False, _probability(self._bias * 3), None, ("says nothing",), terms)
        places = places_of(normal)
        best, whole = self._weigh(normal, places)
        total = best.sum + whole.sum
        reasons = sorted((*best.found.values(), *whole.found.values()), key=_by_weight)
        is_question = total >= 0
        return Detection(
            is_question,
            _probability(total),
            self._intents.likeliest(normal, places) if is_question else None,
            tuple(f"{reason} ({weight:+.1f})" for weight, reason in reasons),
            terms,
        )

    def _weigh(self, normal: str, places: list[int]) -> tuple[_Clause, _Clause]:
        """The clause that looks most like a question, and what weighs on the whole message."""
        whole = _Clause(0.0)
        for group, start, end in self._message.matcher.hits(normal, places):
            whole.add(self._message.cues[group], normal[start:end])
        ends = [m.end() for m in _CLAUSE.finditer(normal, 1)][:MAX_CLAUSES] or [len(normal)]
        clauses = [_Clause(self._bias) for _ in ends]
        rest = self._cover(normal, places, ends, clauses)
        for group, start, end in self._cues.matcher.hits(rest, places):
            clauses[_at(ends, start)].add(self._cues.cues[group], rest[start:end])
        self._look_at_structure(rest, ends, clauses)
        return max(clauses, key=_by_sum), whole

    def _cover(
        self, normal: str, places: list[int], ends: list[int], clauses: list[_Clause]
    ) -> str:
        """The text with everything used up that looks like a question and is none."""
        rest = normal
        for group, start, end in self._covers.matcher.apart(normal, places):
            clauses[_at(ends, start)].add(self._covers.cues[group], normal[start:end])
            rest = f"{rest[:start]}{MASKED * (end - start)}{rest[end:]}"
            if self._covers.cues[group].weight <= EXCLAIMED:
                # 怎么这么好看多少钱: what follows may be a question of its own.
                at = _at(ends, start)
                if end < ends[at] - 1 and len(ends) < MAX_CLAUSES:
                    ends.insert(at, end)
                    clauses.insert(at + 1, _Clause(self._bias))
        return rest

    def _look_at_structure(self, rest: str, ends: list[int], clauses: list[_Clause]) -> None:
        kinds = self._structure
        start = 1
        for clause, end in zip(clauses, ends, strict=True):
            text = rest[start:end].rstrip(_UNSHOWN)
            start = end
            for kind, what in (
                (kinds["choice"], structure.choice(text)),
                (kinds["open_end"], structure.open_end(text)),
                (kinds["pick"], structure.pick(text)),
            ):
                if what is not None:
                    clause.add(kind, what)
            if rest[end - 1] == ASKED and text.strip(MASKED):
                clause.add(kinds["asked"], "")
            if len(text) == 1:
                clause.add(kinds["short"], "")


class _Cues:
    """Cues with their forms ready to be looked for."""

    def __init__(self, cues: tuple[Cue, ...], sets: Sets) -> None:
        self.cues = cues
        try:
            self.matcher = Matcher([cue.forms for cue in cues], sets)
        except FormError as error:
            raise LexiconError(f"cues.yaml: {error}") from error


class _Intents:
    """Strong and weak forms of the intents in one matcher: groups 0, 1 are of the first intent."""

    STRONG_POINTS: Final = 3
    MOST_STRONG: Final = 2
    """Further strong forms of an intent tell nothing new."""

    def __init__(self, lexicon: Lexicon) -> None:
        data = lexicon.intents
        self._names = [cue.intent for cue in data.intents]
        groups = [forms for cue in data.intents for forms in (cue.strong, cue.weak)]
        try:
            self._matcher = Matcher(groups, data.sets)
        except FormError as error:
            raise LexiconError(f"intents.yaml: {error}") from error

    def likeliest(self, normal: str, places: list[int]) -> Intent | None:
        counts = [0] * (2 * len(self._names))
        for group, _, _ in self._matcher.hits(normal, places):
            counts[group] += 1
        best: Intent | None = None
        most = 0
        for index, name in enumerate(self._names):
            strong, weak = counts[2 * index], counts[2 * index + 1]
            points = self.STRONG_POINTS * min(strong, self.MOST_STRONG) + min(weak, 1)
            if points > most:
                best, most = name, points
        return best


def _at(ends: list[int], place: int) -> int:
    for index, end in enumerate(ends):
        if place < end:
            return index
    return len(ends) - 1


def _by_weight(reason: tuple[float, str]) -> float:
    return -abs(reason[0])


def _by_sum(clause: _Clause) -> float:
    return clause.sum


def _probability(log_odds: float) -> float:
    return round(1 / (1 + math.exp(-log_odds)), 3)
