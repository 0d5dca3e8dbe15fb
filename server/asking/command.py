"""`lianmai questions eval FILE` and `lianmai questions explain TEXT`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from server.asking.evaluation import Evaluation, Figures, Mistake, evaluate
from server.asking.labelled import read_labelled
from signaling.asking import Detection, DetectionContext, RoomTerms
from signaling.asking.shipped import shipped_asking


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    measured = actions.add_parser(
        "eval",
        help="measure detection on labelled messages",
        description="Tells how well questions are found: precision, recall, F1, and every error "
        "with what spoke for and against it.",
        epilog='Each line of FILE: {"text": "M码还有吗", "label": "question"}\n'
        'label is "question" or "other" (or "is_question": true/false); `kind` (an intent) and\n'
        "`hard` (true) are read when they are there.\n\n"
        "example:\n  lianmai questions eval messages.jsonl --format json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    measured.add_argument("file", type=Path, metavar="FILE", help="JSON lines, UTF-8")
    explained = actions.add_parser(
        "explain",
        help="tell why a text is a question or not",
        description="Tells what a text is taken for, and everything that spoke for and against.",
        epilog="example:\n  lianmai questions explain 怎么这么好看 '这个适合油皮吗'\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explained.add_argument("text", nargs="+", metavar="TEXT")
    for action in (measured, explained):
        action.add_argument("--format", choices=("text", "json"), default="text")
        action.add_argument(
            "--term",
            action="append",
            default=[],
            metavar="NAME",
            help="a product name or word of the room; may be given more than once",
        )


def run(args: argparse.Namespace) -> int:
    asking = shipped_asking()
    context = DetectionContext(products=RoomTerms(args.term))

    def detect(text: str) -> Detection:
        return asking.detector.detect(text, context)

    is_json = args.format == "json"
    if args.action == "eval":
        evaluation = evaluate(read_labelled(args.file), detect)
        print(_json(evaluation.document()) if is_json else _evaluation_text(evaluation))
        return 0
    for text in args.text:
        found = detect(text)
        print(_json(_document(text, found)) if is_json else _explanation(text, found))
    return 0


def _json(document: dict[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False)


def _document(text: str, found: Detection) -> dict[str, object]:
    return {
        "text": text,
        "is_question": found.is_question,
        "score": found.score,
        "intent": found.intent,
        "terms": list(found.terms),
        "reasons": list(found.reasons),
    }


def _explanation(text: str, found: Detection) -> str:
    verdict = f"question ({found.intent or 'no intent'})" if found.is_question else "other"
    lines = [f"{text}: {verdict}, score {found.score:.3f}"]
    if found.terms:
        lines.append(f"  terms: {', '.join(found.terms)}")
    lines += [f"  {reason}" for reason in found.reasons or ("nothing speaks for a question",)]
    return "\n".join(lines)


def _evaluation_text(evaluation: Evaluation) -> str:
    lines = [f"messages   {evaluation.count}", *_figure_lines(evaluation.all)]
    if evaluation.hard is not None:
        lines += ["", "hard cases", *_figure_lines(evaluation.hard)]
    if evaluation.intents_known:
        lines += ["", f"intents    {evaluation.intents_right} of {evaluation.intents_known} right"]
    for title, is_question in (("taken for questions", False), ("missed", True)):
        mistakes = [m for m in evaluation.mistakes if m.is_question is is_question]
        if mistakes:
            lines += ["", f"{title}: {len(mistakes)}", *map(_mistake_line, mistakes)]
    return "\n".join(lines)


def _figure_lines(figures: Figures) -> list[str]:
    return [
        f"precision  {figures.precision:.3f}",
        f"recall     {figures.recall:.3f}",
        f"f1         {figures.f1:.3f}",
        f"           {figures.true_positives} found, {figures.false_negatives} missed, "
        f"{figures.false_positives} taken for questions, {figures.true_negatives} left alone",
    ]


def _mistake_line(mistake: Mistake) -> str:
    kind = f" [{mistake.kind}]" if mistake.kind else ""
    reasons = "; ".join(mistake.reasons) or "nothing speaks for a question"
    return f"  line {mistake.line}: {mistake.text}{kind}  {mistake.score:.3f}  {reasons}"
