"""The report as one page for the browser: HTML that needs nothing from the network.

Everything that comes from a scenario, a server or a failure is escaped where it enters. The page's
own words carry `data-t`, by which its script changes them to Chinese (`chinese.py`).
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Final

import msgspec
from plotly.offline import get_plotlyjs

from loadtest.report import rows
from loadtest.report.cards import Card, cards_of
from loadtest.report.chinese import CHINESE
from loadtest.report.comparison_plots import comparison_plots
from loadtest.report.growth_plots import growth_plots
from loadtest.report.model import Comparison, Complaint, Growth, Report, SloResult
from loadtest.report.plot import Plot
from loadtest.report.rows import Grid
from loadtest.report.run_plots import points_per_group, run_plots
from loadtest.report.schema import AnyReport
from loadtest.report.verdict import reports_in, verdict_of, verdict_text, warnings_of
from loadtest.report.words import count, duration, number

_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""The browser itself sees to it that the page loads nothing."""
_BADGES: Final = {"pass": "PASS", "miss": "MISS", "none": "No limits"}


def html_page(report: AnyReport) -> str:
    """One self-contained page. 4.8 MB of it are plotly.js, inlined once."""
    plots = _plots(report)
    parts = [
        _head(report),
        _cards(cards_of(report)),
        _limits(report),
        _notes(warnings_of(report)),
        _drawings(plots, report),
        *_grids(report),
        _complaints(rows.all_complaints(reports_in(report))),
        _origin(report),
    ]
    return _frame(_title(report), "\n".join(part for part in parts if part), plots)


def _plots(report: AnyReport) -> list[Plot]:
    match report:
        case Report():
            return run_plots(report)
        case Growth():
            return growth_plots(report)
        case Comparison():
            return comparison_plots(report)


# --- words -------------------------------------------------------------------------------------


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _word(english: str, tag: str = "span", classes: str = "") -> str:
    """One of the page's own words, which has a translation."""
    named = f' class="{classes}"' if classes else ""
    key = f' data-t="{_text(english)}"' if english in CHINESE else ""
    return f"<{tag}{named}{key}>{_text(english)}</{tag}>"


def _title(report: AnyReport) -> str:
    match report:
        case Report():
            return f"{report.scenario}: {report.target.name}"
        case Growth():
            runs = report.reports
            return f"{runs[0].scenario}: {runs[0].target.name}" if runs else "Growth"
        case Comparison():
            names = " / ".join(target.name for target in report.targets)
            return f"{report.reports[0].scenario}: {names}" if report.reports else names


# --- parts -------------------------------------------------------------------------------------


def _head(report: AnyReport) -> str:
    kind = {Report: "Load test", Growth: "Growth", Comparison: "Comparison"}[type(report)]
    runs = reports_in(report)
    about = runs[0].about if runs else ""
    verdict = verdict_of(report)
    badges = [_word(_BADGES[verdict], classes=f"badge {verdict}")]
    if any(run.tester.is_bottleneck for run in runs):
        badges.append(_word("tester was the limit", classes="badge warn"))
    if any(run.interrupted for run in runs):
        badges.append(_word("interrupted", classes="badge warn"))
    if verdict != "none":
        badges.append(f'<span class="muted">{_text(verdict_text(report))}</span>')
    return f"""<header>
<div class="kind">{_word(kind)}<button type="button" id="language">中文</button></div>
<h1>{_text(_title(report))}</h1>
<p class="about">{_text(about)}</p>
<div class="badges">{"".join(badges)}</div>
</header>"""


def _cards(cards: Iterable[Card]) -> str:
    made = [
        f"""<div class="card">{_word(card.label, "div", "label")}
<div class="value">{_text(card.value)}<span class="unit">{_text(card.unit)}</span></div>
<div class="beside">{_text(card.beside)}</div></div>"""
        for card in cards
    ]
    return f'<section class="cards">{"".join(made)}</section>' if made else ""


def _limits(report: AnyReport) -> str:
    """Of one run: each limit. Of several: the table of runs says how many were met."""
    if not isinstance(report, Report) or not report.slo:
        return ""
    body = "".join(_limit(result) for result in report.slo)
    return f"""<section>{_word("Limits", "h2")}<div class="sheet"><table><thead><tr>
<th class="words"></th>{_word("limit", "th", "words")}{_word("wanted", "th")}
{_word("measured", "th")}{_word("why not", "th", "words")}
</tr></thead><tbody>{body}</tbody></table></div></section>"""


def _limit(result: SloResult) -> str:
    outcome, mark = ("pass", "✓") if result.met else ("miss", "✗")
    return (
        f'<tr><td class="words {outcome}">{mark} {_word(outcome)}</td>'
        f'<td class="words"><code>{_text(result.name)}</code></td><td>{_text(result.limit)}</td>'
        f'<td>{_text(number(result.value, 6))}</td><td class="words">{_text(result.why)}</td></tr>'
    )


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{_text(note)}</li>" for note in notes)
    return f'<section>{_word("Notes", "h2")}<ul class="notes">{items}</ul></section>'


def _drawings(plots: Sequence[Plot], report: AnyReport) -> str:
    if not plots:
        return ""
    made = "".join(
        f'<figure class="plot" style="margin:0">{_word(plot.title, "h3")}{_word(plot.about, "p")}'
        f'<div class="drawing" id="plot-{place}"></div></figure>'
        for place, plot in enumerate(plots)
    )
    heading = _word("Plots", "h2") + _thinned(report)
    return f'<section>{heading}<div class="plots">{made}</div></section>'


def _thinned(report: AnyReport) -> str:
    seconds = points_per_group(len(report.series)) if isinstance(report, Report) else 1
    if seconds == 1:
        return ""
    return (
        f'<p class="muted">Each point stands for {seconds} seconds: rates are means,'
        " delays and lags the worst of them.</p>"
    )


def _grids(report: AnyReport) -> Iterable[str]:
    match report:
        case Report():
            parts = [
                ("People", rows.people(report)),
                ("Media", rows.media(report)),
                ("Feedback", rows.feedback(report)),
                ("Messages", rows.lanes(report)),
                ("Server", rows.cost(report)),
                ("Server processes", rows.processes(report)),
                ("Tester", rows.tester(report)),
            ]
        case Growth():
            parts = [("Growth", rows.growth(report)), ("Runs", rows.runs(report.reports))]
        case Comparison():
            parts = [
                ("Medians", rows.medians(report)),
                ("Targets", rows.targets(report)),
                ("Runs", rows.runs(report.reports)),
            ]
    made = [f"{_word(title, 'h3')}{_grid(grid)}" for title, grid in parts if grid.cells]
    if made:
        yield f'<section class="sheets">{_word("Figures", "h2")}{"".join(made)}</section>'


def _grid(grid: Grid) -> str:
    sides = ["words" if place < grid.words else "" for place in range(len(grid.headings))]
    head = "".join(
        _word(heading, "th", side) for heading, side in zip(grid.headings, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{side}">{_text(cell)}</td>'
            for cell, side in zip(cells, sides, strict=True)
        )
        + "</tr>"
        for cells in grid.cells
    )
    return (
        f'<div class="sheet"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _complaints(complaints: Sequence[Complaint]) -> str:
    if not complaints:
        return ""
    body = "".join(
        f'<tr><td>{count(each.count)}</td><td class="words">{_text(each.text)}</td></tr>'
        for each in complaints
    )
    return (
        f'<section>{_word("Complaints", "h2")}<div class="sheet"><table style="width:auto">'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _origin(report: AnyReport) -> str:
    runs = reports_in(report)
    if not runs:
        return ""
    first = runs[0]
    facts = [
        ("command", f"<code>{_text(first.command)}</code>"),
        ("started", _text(first.started)),
        ("measured for", _text(duration(sum(run.seconds for run in runs)))),
        ("machine", _text(rows.machine(first.machine))),
        ("target", _text(rows.target_name(first.target))),
        ("settings", _text(first.target.settings)),
    ]
    if isinstance(report, Comparison):
        facts = facts[:-2]
    listed = "".join(f"{_word(name, 'dt')}<dd>{fact}</dd>" for name, fact in facts if fact)
    definition = json.dumps(first.definition, indent=2, ensure_ascii=False, default=str)
    return f"""<section>{_word("How it was made", "h2")}<div class="sheet"><dl>{listed}</dl></div>
<details class="sheet">{_word("The scenario as it ran", "summary")}
<pre>{_text(definition)}</pre></details></section>"""


# --- frame -------------------------------------------------------------------------------------


def _frame(title: str, body: str, plots: Sequence[Plot]) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<link rel="icon" href="data:,">
<style>
{_asset("page.css")}</style>
</head>
<body>
<main>
{body}
</main>
<script type="application/json" id="plots">{_json(plots)}</script>
<script type="application/json" id="words">{_json(CHINESE)}</script>
<script>{get_plotlyjs()}</script>
<script>
{_asset("page.js")}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    return (resources.files("loadtest.report") / "web" / name).read_text("utf-8")


def _json(value: object) -> str:
    """JSON that cannot end the script element it stands in, nor begin a comment there."""
    text = msgspec.json.encode(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
