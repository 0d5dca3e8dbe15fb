"""`lianmai questions`: figures, errors with reasons, explanations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.asking.evaluation import Figures
from server.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    path = tmp_path / "messages.jsonl"
    rows = [
        {"text": "多少钱", "label": "question", "kind": "price"},
        {"text": "M码还有吗", "label": "question", "kind": "price", "hard": True},
        {"text": "好看", "label": "other"},
        {"text": "怎么这么好看", "label": "question"},
        {"text": "防水不", "label": "other", "kind": "statement"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_eval_prints_figures_and_errors(messages: Path, capsys: Capture) -> None:
    assert main(["questions", "eval", str(messages)]) == 0
    text = capsys.readouterr().out
    for line in (
        "precision  0.667",
        "recall     0.667",
        "f1         0.667",
        "intents    1 of 2 right",
    ):
        assert line in text
    assert "line 4: 怎么这么好看  0." in text
    assert "line 5: 防水不 [statement]  0." in text
    assert "hard cases" in text


def test_eval_in_json(messages: Path, capsys: Capture) -> None:
    assert main(["questions", "eval", str(messages), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["precision"], document["recall"], document["f1"]) == (0.6667, 0.6667, 0.6667)
    assert document["count"] == 5
    assert document["hard"]["f1"] == 1.0
    assert document["intents"] == {"right": 1, "known": 2}
    assert [(e["line"], e["label"]) for e in document["errors"]] == [(4, "question"), (5, "other")]
    assert all(error["reasons"] for error in document["errors"])


def test_bad_lines_are_wrong_usage(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("nonsense\n")
    assert main(["questions", "eval", str(path)]) == 2
    assert "line 1: is no JSON" in capsys.readouterr().err


def test_explain(capsys: Capture) -> None:
    assert main(["questions", "explain", "小云朵多少钱", "好看", "--term", "小云朵"]) == 0
    text = capsys.readouterr().out
    assert "小云朵多少钱: question (price), score 0." in text
    assert "terms: 小云朵" in text
    assert "asks for an amount: 多少" in text
    assert "好看: other" in text
    assert "nothing speaks for a question" in text


def test_explain_in_json(capsys: Capture) -> None:
    assert main(["questions", "explain", "多少钱", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["is_question"], document["intent"]) == (True, "price")


@pytest.mark.parametrize("arguments", [["questions"], ["questions", "eval"], ["questions", "ask"]])
def test_wrong_usage(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_help_shows_the_format_of_a_line(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["questions", "eval", "--help"])
    assert '{"text": "M码还有吗", "label": "question"}' in capsys.readouterr().out


def test_figures_of_nothing() -> None:
    assert (Figures().precision, Figures().recall, Figures().f1) == (0.0, 0.0, 0.0)
