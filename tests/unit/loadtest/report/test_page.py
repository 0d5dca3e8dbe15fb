"""The page as text. How it looks and that its script runs: tests/browser/test_report_page.py."""

from __future__ import annotations

import html.parser
import json
import re

import msgspec
import pytest

from loadtest.report.cards import cards_of
from loadtest.report.chinese import CHINESE
from loadtest.report.model import Complaint, SloResult
from loadtest.report.page import html_page
from loadtest.report.schema import AnyReport
from tests.support.reports import JANUS, a_comparison, a_growth, a_report, an_empty_report

NASTY = """</script><script>alert(1)</script><img src=x onerror="alert(2)">'"&<!--"""
ALL: list[AnyReport] = [a_report(), an_empty_report(), a_growth(), a_comparison()]
KINDS = ["report", "empty", "growth", "comparison"]
VOID = {"meta", "link"}


class Reader(html.parser.HTMLParser):
    """Text, tags and scripts, and whether what was opened was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open[-1:] == ["script"] else self.texts).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def read(report: AnyReport) -> Reader:
    reader = Reader()
    reader.feed(html_page(report))
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("report", ALL, ids=KINDS)
def test_it_is_one_whole_page_that_needs_nothing_else(report: AnyReport) -> None:
    page = read(report)
    for tag, attributes in page.tags:
        assert "src" not in attributes
        assert attributes.get("href") in (None, "data:,"), tag
    assert any("default-src 'none'" in (a.get("content") or "") for _, a in page.tags)
    assert not any("@import" in text or "url(" in text for text in page.texts)


@pytest.mark.parametrize("report", ALL, ids=KINDS)
def test_every_plot_has_its_place(report: AnyReport) -> None:
    page = read(report)
    plots, words, *_ = page.scripts
    places = [a["id"] for _, a in page.tags if (a.get("id") or "").startswith("plot-")]
    assert places == [f"plot-{n}" for n in range(len(json.loads(plots)))]
    assert json.loads(words) == CHINESE


def test_plotly_is_in_it_once() -> None:
    assert html_page(a_report()).count("plotly.js v") == 1


@pytest.mark.parametrize("report", ALL, ids=KINDS)
def test_own_words_have_a_translation(report: AnyReport) -> None:
    page = read(report)
    marked = {a["data-t"] for _, a in page.tags if "data-t" in a}
    assert marked <= set(CHINESE)
    headings = re.findall(r"<h[23]([^>]*)>", html_page(report))
    assert all("data-t=" in heading for heading in headings)
    assert {card.label for card in cards_of(report)} <= set(CHINESE)
    for plot in json.loads(page.scripts[0]):
        assert {plot["title"], plot["about"]} <= set(CHINESE)


def nasty_report() -> AnyReport:
    return msgspec.structs.replace(
        a_report(seconds=2),
        scenario=NASTY,
        about=NASTY,
        command=NASTY,
        notes=(NASTY,),
        complaints=(Complaint(text=NASTY, count=1),),
        slo=(SloResult(name=NASTY, limit=NASTY, value=None, met=False, why=NASTY),),
        definition={NASTY: NASTY},
        target=msgspec.structs.replace(JANUS, name=NASTY, version=NASTY, settings=NASTY),
        series=tuple(
            msgspec.structs.replace(second, lanes={NASTY: 3}) for second in a_report().series
        ),
    )


def test_text_from_outside_stays_text() -> None:
    page, plain = read(nasty_report()), read(a_report())
    assert [tag for tag, _ in page.tags].count("script") == 4
    assert not any(tag == "img" for tag, _ in page.tags)
    assert page.texts.count(NASTY) >= 6
    assert json.loads(page.scripts[0])[4]["curves"][0]["name"] == NASTY
    assert len(page.scripts) == len(plain.scripts)


def test_nasty_targets_of_a_comparison() -> None:
    comparison = a_comparison(rounds=1)
    targets = tuple(msgspec.structs.replace(t, name=NASTY) for t in comparison.targets)
    page = read(msgspec.structs.replace(comparison, targets=targets))
    assert [tag for tag, _ in page.tags].count("script") == 4
    assert NASTY in page.text


def test_the_verdict_and_key_figures_are_on_top() -> None:
    text = read(a_report()).text
    body = text[text.index("Load test") :]
    parts = ("MISS", "watching 199", "lost 0.00193", "Limits", "Notes", "Plots", "Figures")
    order = [body.index(part) for part in (*parts, "How it was made")]
    assert order == sorted(order)


def test_a_limited_tester_is_said_in_the_head() -> None:
    assert "tester was the limit" in read(a_report(is_bottleneck=True)).text.partition("Limits")[0]
    assert "tester was the limit" not in read(a_report()).text.partition("Limits")[0]


def test_the_command_and_the_machine_are_there_to_repeat_it() -> None:
    report = a_report()
    text = read(report).text
    assert report.command in text
    assert report.machine.processor in text
    assert report.machine.commit in text


def test_growth_is_told_of_sizes_the_tester_could_measure() -> None:
    cards = {card.label: card for card in cards_of(a_growth())}
    assert "at 200 viewers; 14" in cards["CPU per packet"].beside
    assert cards["CPU per packet"].beside.endswith("at 1 viewer")
