"""How well questions are told from other messages: precision, recall, F1, and every error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from server.asking.labelled import Labelled
from signaling.asking import Detection


@dataclass(frozen=True, slots=True)
class Mistake:
    """`is_question` is what the label says; the detection says the opposite."""

    line: int
    text: str
    is_question: bool
    kind: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts and what follows of them; a share of nothing is 0."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    true_negatives: int = 0

    @property
    def precision(self) -> float:
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        wrong = self.false_positives + self.false_negatives
        return _share(2 * self.true_positives, 2 * self.true_positives + wrong)

    def document(self) -> dict[str, float | int]:
        return {
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "f1": round(self.f1, 4),
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "true_negatives": self.true_negatives,
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`hard`: of the lines marked `"hard": true`; None when there are none. `intents_right` counts
    questions found whose `kind` is the intent, of `intents_known` whose kind is told."""

    count: int
    all: Figures
    hard: Figures | None
    intents_right: int
    intents_known: int
    mistakes: tuple[Mistake, ...]

    def document(self) -> dict[str, Any]:  # JSON
        """As `--format json` prints it."""
        return {
            "count": self.count,
            **self.all.document(),
            "hard": self.hard.document() if self.hard is not None else None,
            "intents": {"right": self.intents_right, "known": self.intents_known},
            "errors": [
                {
                    "line": mistake.line,
                    "text": mistake.text,
                    "label": "question" if mistake.is_question else "other",
                    "kind": mistake.kind,
                    "score": mistake.score,
                    "reasons": list(mistake.reasons),
                }
                for mistake in self.mistakes
            ],
        }


def evaluate(lines: Iterable[Labelled], detect: Callable[[str], Detection]) -> Evaluation:
    """Detect every line and compare."""
    results = [(line, detect(line.text)) for line in lines]
    hard = [pair for pair in results if pair[0].is_hard]
    known = [
        pair for pair in results if pair[0].kind and pair[0].is_question and pair[1].is_question
    ]
    return Evaluation(
        count=len(results),
        all=_figures(results),
        hard=_figures(hard) if hard else None,
        intents_right=sum(line.kind == found.intent for line, found in known),
        intents_known=len(known),
        mistakes=tuple(
            Mistake(line.line, line.text, line.is_question, line.kind, found.score, found.reasons)
            for line, found in results
            if line.is_question != found.is_question
        ),
    )


def _figures(results: list[tuple[Labelled, Detection]]) -> Figures:
    outcomes = [(line.is_question, found.is_question) for line, found in results]
    return Figures(
        true_positives=outcomes.count((True, True)),
        false_positives=outcomes.count((False, True)),
        false_negatives=outcomes.count((True, False)),
        true_negatives=outcomes.count((False, False)),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
