"""Which questions are one: near-duplicates fold into the open question that was asked first.

Two questions are one when they have the same intent, the same key terms (sizes, numbers, products,
skin types), the same negations, and what is left of their words is alike: Jaccard of character
1- and 2-grams >= `ALIKE` after evening out (docs/questions.md). Each is compared with the question
that founded a cluster, never with the last that joined: meanings do not drift.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from signaling.asking.detection import Detection, DetectionContext, Detector
from signaling.asking.forms import ASKED, STOP
from signaling.asking.lexicon import FoldingData, Intent
from signaling.asking.normal import Normaliser

ALIKE: Final = 0.5
"""Jaccard from which two texts are alike: measured on danmaku, P 1.00 (docs/questions.md)."""
MAX_COMPARED_CHARS: Final = 48
"""Of what is left of a question; bounds the cost of a comparison."""
MAX_CLUSTERS: Final = 500
"""Open clusters of a room that can be folded into; more is no queue that anybody answers."""

_LAST_NOT: Final = re.compile(f"(?:没有|不|没|否)(?=[{STOP}{ASKED}])")
_CHOICE: Final = re.compile(r"([^\W\d_a-z])[不没]\1")
_NEGATIONS: Final = re.compile(
    r"[不没无别非]|(?<![a-z])(?:not|no|without|cant|wont|never)(?![a-z])"
)
_MEANING: Final = 0xE000
"""First of the characters for private use that stand for the meanings of the data file."""
_WORD: Final = re.compile(r"[a-z0-9]+|[\ue000-\uf8ff]|[^\W_]")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What of a question is compared. `first` is its first clause alone, the same as `grams` when
    there is but one."""

    intent: Intent | None
    terms: frozenset[str]
    negations: int
    grams: frozenset[str]
    first: frozenset[str]


class Fingerprints:
    """Makes fingerprints with the data of a lexicon; built once, stateless."""

    def __init__(self, data: FoldingData, detector: Detector) -> None:
        self._detector = detector
        self._normaliser: Normaliser = detector.normaliser
        # One character for all words of a meaning: 什么时候 weighs no more than 开.
        means = {word: chr(_MEANING + n) for n, words in enumerate(data.means) for word in words}
        means |= dict.fromkeys(data.dropped, "")
        self._means = means
        longest_first = sorted(means, key=lambda word: (-len(word), word))
        self._words = re.compile("|".join(map(_whole, longest_first)) or r"(?!)")
        self._side_terms = frozenset(data.side_terms)

    def of(
        self, text: str, detection: Detection, context: DetectionContext | None = None
    ) -> Fingerprint:
        """The fingerprint of a text and what was detected in it, in the same context."""
        normal = self._normaliser.normal(text)
        key_terms = frozenset(detection.terms) - self._side_terms
        rest = self._detector.terms.without(
            _CHOICE.sub(r"\1", _LAST_NOT.sub("", normal)),
            key_terms,
            context.products if context is not None else None,
        )
        clauses = [grams_of(part) for part in re.split(f"[{STOP}{ASKED}]", self._evened(rest))]
        told = [grams for grams in clauses if grams]
        return Fingerprint(
            intent=detection.intent,
            terms=key_terms,
            negations=len(_NEGATIONS.findall(rest)),
            grams=told[0] if len(told) == 1 else frozenset().union(*told),
            first=told[0] if told else frozenset(),
        )

    def _evened(self, text: str) -> str:
        return self._words.sub(lambda found: self._means[found[0]], text)[:MAX_COMPARED_CHARS]


@dataclass(frozen=True, slots=True)
class Fold:
    """Where a question went. `is_new`: it founded the cluster, of which it is the only member."""

    cluster_id: str
    is_new: bool
    similarity: float


class QuestionIndex:
    """Open clusters of one room. The caller says which close; nothing is forgotten by itself.

    At `max_clusters` a question that fits none founds a cluster that is not remembered: later ones
    like it found their own. `unindexed` counts them. Cost: one look-up and a comparison with each
    cluster of the same intent and terms.
    """

    def __init__(self, max_clusters: int = MAX_CLUSTERS) -> None:
        self._max_clusters = max_clusters
        self._by_kind: dict[tuple[object, ...], dict[str, Fingerprint]] = {}
        self._kinds: dict[str, tuple[object, ...]] = {}
        self.unindexed = 0

    def __len__(self) -> int:
        return len(self._kinds)

    def find(self, fingerprint: Fingerprint) -> Fold | None:
        """The cluster it belongs to, the most alike, among equals the oldest; None: to none."""
        best: Fold | None = None
        for cluster_id, founder in self._by_kind.get(_kind(fingerprint), {}).items():
            likeness = similarity(fingerprint, founder)
            if likeness >= ALIKE and (best is None or likeness > best.similarity):
                best = Fold(cluster_id, False, likeness)
                if likeness == 1.0:
                    break
        return best

    def fold(self, question_id: str, fingerprint: Fingerprint) -> Fold:
        """Put a question where it belongs; a new cluster is known by its founder's id. A question
        id that founded a cluster before founds none again."""
        if (known := self.find(fingerprint)) is not None:
            return known
        if question_id in self._kinds:
            return Fold(question_id, False, 1.0)
        if len(self._kinds) >= self._max_clusters:
            self.unindexed += 1
        else:
            kind = _kind(fingerprint)
            self._kinds[question_id] = kind
            self._by_kind.setdefault(kind, {})[question_id] = fingerprint
        return Fold(question_id, True, 1.0)

    def close(self, cluster_id: str) -> bool:
        """Nothing folds into this cluster any more; False when it was not open."""
        if (kind := self._kinds.pop(cluster_id, None)) is None:
            return False
        clusters = self._by_kind[kind]
        del clusters[cluster_id]
        if not clusters:
            del self._by_kind[kind]
        return True


def similarity(one: Fingerprint, other: Fingerprint) -> float:
    """0..1 of two fingerprints of one kind. A second clause adds to a question, it is no other."""
    whole = _jaccard(one.grams, other.grams)
    if one.first is one.grams and other.first is other.grams:
        return whole
    return max(whole, _jaccard(one.first, other.first))


def grams_of(text: str) -> frozenset[str]:
    """Characters and pairs of them; Latin words and numbers count as one character each."""
    words = _WORD.findall(text)
    pairs = [f"{a} {b}" for a, b in itertools.pairwise(words)]
    return frozenset((*words, *pairs))


def pairwise(predicted: dict[str, str], labelled: dict[str, str]) -> tuple[float, float]:
    """Precision and recall over pairs of ids that are in one cluster; 1.0 where there are none."""
    both = Counter((predicted[name], labelled[name]) for name in labelled)
    common = sum(_pairs(count) for count in both.values())
    found = sum(_pairs(count) for count in Counter(predicted[name] for name in labelled).values())
    real = sum(_pairs(count) for count in Counter(labelled.values()).values())
    return (common / found if found else 1.0), (common / real if real else 1.0)


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _kind(fingerprint: Fingerprint) -> tuple[object, ...]:
    return (fingerprint.intent, fingerprint.terms, fingerprint.negations)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    if not one or not other:
        return 1.0 if one == other else 0.0
    sizes = len(one), len(other)
    if sizes[0] < ALIKE * sizes[1] or sizes[1] < ALIKE * sizes[0]:
        return 0.0  # cannot be alike any more
    common = len(one & other)
    return common / (sizes[0] + sizes[1] - common)


def _whole(word: str) -> str:
    escaped = re.escape(word)
    return f"(?<![a-z0-9]){escaped}(?![a-z0-9])" if word.isascii() else escaped
