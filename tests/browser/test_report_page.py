"""The page of a load test in a real browser: it draws, loads nothing, and runs no text."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from playwright.async_api import Browser, Page

from loadtest.report.schema import AnyReport
from loadtest.report.write import write_html
from tests.support.reports import a_comparison, a_growth, a_report, an_empty_report

NASTY = """</script><img src=x onerror="alert(1)"><b>&amp;"""


@contextlib.asynccontextmanager
async def shown(browser: Browser, report: AnyReport, folder: Path) -> AsyncIterator[Page]:
    """Fails when the page asks for anything but itself, opens a dialog, or its script fails."""
    path = folder / "report.html"
    write_html(report, path)
    wrong: list[str] = []
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme="light"
    )
    try:
        page = await context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("console", lambda told: wrong.append(f"console: {told.text}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on("request", lambda asked: wrong.append(asked.url))
        await page.goto(path.as_uri())
        yield page
        assert wrong == [path.as_uri()]
    finally:
        await context.close()


async def drawn(page: Page) -> list[str]:
    """Titles of the plots that are there as drawings."""
    found: list[str] = await page.eval_on_selector_all(
        ".plot", "all => all.filter(p => p.querySelector('svg.main-svg'))"
        ".map(p => p.querySelector('h3').textContent)",
    )  # fmt: skip
    return found


BACKGROUND = "getComputedStyle(document.body).backgroundColor"
NARROW = """() => [...document.querySelectorAll("svg.main-svg")]
    .every(svg => svg.getBoundingClientRect().right <= 390)"""
KINDS: list[tuple[AnyReport, int]] = [
    (a_report(), 9),
    (an_empty_report(), 0),
    (a_growth(), 4),
    (a_comparison(), 3),
]
"""With the number of plots that each has."""


async def test_every_kind_is_drawn_for_desk_and_phone(browser: Browser, tmp_path: Path) -> None:
    for report, plots in KINDS:
        async with shown(browser, report, tmp_path) as page:
            assert len(await drawn(page)) == plots
            light = await page.evaluate(BACKGROUND)
            await page.set_viewport_size({"width": 390, "height": 800})
            await page.emulate_media(color_scheme="dark")
            assert len(await drawn(page)) == plots
            assert await page.evaluate("document.documentElement.scrollWidth") == 390
            await page.wait_for_function(NARROW)
            assert await page.evaluate(BACKGROUND) != light


async def test_names_from_outside_are_text_and_own_words_change_to_chinese(
    browser: Browser, tmp_path: Path
) -> None:
    report = msgspec.structs.replace(
        a_report(),
        scenario=NASTY,
        series=tuple(
            msgspec.structs.replace(second, lanes={NASTY: second.viewers, "chat": 1})
            for second in a_report().series
        ),
    )
    async with shown(browser, report, tmp_path) as page:
        assert NASTY in str(await page.text_content("h1"))
        messages = page.locator(".plot", has_text="Messages")
        legend = await messages.locator(".legendtext").first.text_content()
        assert legend == NASTY
        assert await page.locator("img").count() == 0

        english = await drawn(page)
        await page.click("#language")
        assert (await drawn(page))[0] == "延迟"
        assert await page.get_attribute("html", "lang") == "zh-CN"
        assert await page.text_content("#plot-0 .xtitle") == "秒"
        await page.click("#language")
        assert await drawn(page) == english
        assert await page.text_content("#plot-0 .xtitle") == "seconds"
