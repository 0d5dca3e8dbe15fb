"""What it costs to tell whether a message is a question, and to fold it among the open ones.

    python -m tests.bench.bench_detect [--quick]

"danmaku": the labelled messages, as people type them. The others are one kind of text cut at each
length; "hostile" ones repeat what makes most forms try. "folding": one fingerprint against 200 open
questions of the same intent and terms, the worst case.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from signaling.asking import QuestionIndex
from signaling.asking.shipped import Asking, shipped_asking

DATA: Final = Path(__file__).parents[1] / "data/questions/held_out.jsonl"
LENGTHS: Final = (10, 20, 50, 100, 200, 500)
OPEN_QUESTIONS: Final = 200


class Row(NamedTuple):
    kind: str
    chars: int
    p50_us: float
    p99_us: float


def measure(kind: str, chars: int, work: Callable[[int], object], count: int, rounds: int) -> Row:
    """CPU time of `work(n)` for n < count, the best of `rounds` for each: what it takes itself."""
    best = [float("inf")] * count
    for _ in range(rounds):
        for n in range(count):
            start = time.thread_time_ns()
            work(n)
            best[n] = min(best[n], (time.thread_time_ns() - start) / 1000)
    cuts = statistics.quantiles(best, n=100) if count > 1 else [best[0]] * 99
    return Row(kind, chars, cuts[49], cuts[98])


def rows(asking: Asking, rounds: int) -> list[Row]:
    said = [json.loads(row)["text"] for row in DATA.read_text("utf-8").splitlines()]
    detect = asking.detector.detect
    mean = round(statistics.mean(map(len, said)))
    found = [measure("danmaku", mean, lambda n: detect(said[n]), len(said), rounds)]
    kinds = {
        "chinese": "".join(said),
        "english": "i love how it looks on you and my sister has one too it fits well " * 10,
        "hostile wh": "什么怎么哪里多少几个" * 60,
        "hostile not": "能不有没会是" * 100,
    }
    for kind, text in kinds.items():
        for chars in LENGTHS:
            cut = text[:chars]
            found.append(measure(kind, chars, lambda _, cut=cut: detect(cut), 1, rounds))  # type: ignore[misc] # bound now
    return [*found, folding(asking, said, rounds)]


def folding(asking: Asking, said: Sequence[str], rounds: int) -> Row:
    prints = [asking.fingerprints.of(text, asking.detector.detect(text)) for text in said]
    alike = [
        dataclasses.replace(one, intent="spec", terms=frozenset(), negations=0) for one in prints
    ]
    index = QuestionIndex(max_clusters=OPEN_QUESTIONS)
    for n in range(OPEN_QUESTIONS):
        # Distinct founders, so that none of them folds into another.
        own = frozenset({f"{n}a", f"{n}b", f"{n}c"}) | alike[n % len(alike)].grams
        index.fold(f"q{n}", dataclasses.replace(alike[n % len(alike)], grams=own, first=own))
    return measure("folding", len(index), lambda n: index.find(alike[n]), len(alike), rounds)


def main(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    args = parser.parse_args(argv)
    found = rows(shipped_asking(), rounds=1 if args.quick else 20)
    print(f"{'':12} {'chars':>6} {'p50 us':>8} {'p99 us':>8}")
    for row in found:
        print(f"{row.kind:12} {row.chars:6} {row.p50_us:8.1f} {row.p99_us:8.1f}")
    return found


if __name__ == "__main__":
    main()
