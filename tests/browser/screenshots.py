"""Pictures of every page in both languages, desktop and phone, for people to look at.

    python -m tests.browser.screenshots [--out screenshots]

A real show runs meanwhile: a host, a guest on stage, chat and questions from the sample.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from loadtest.bench.first_frame import CHROMIUM_FLAGS
from loadtest.chatter import chatter, make_bots
from loadtest.targets.program import Program, serving
from tests.browser.conftest import FAKE_CAMERA, SETTINGS
from tests.browser.people import PATIENCE_MS, Person, enter

LOCALES = {"zh": "zh-CN", "en": "en-GB"}
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
ROOM, EMPTY_ROOM = "autumn", "quiet"
CHAT_FOR_S = 6.0
SETTLE_S = 1.5


async def take(browser: Browser, program: Program, out: Path) -> None:
    host = await enter(browser, program, ROOM, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
    guest = await enter(browser, program, ROOM, "xiaolu", "viewer")
    await guest.wait_picture(0)
    subject = await guest.page.evaluate("() => window.lianmaiRoom.you.subject")
    await host.page.evaluate("subject => window.lianmaiRoom.invite(subject)", subject)
    await guest.by_id("accept-invite").click()
    await host.wait_picture(1)
    bots = make_bots(8, lambda user, _name: program.token(ROOM, user, "viewer"))
    talk = chatter(program.socket_url, bots, rng=random.Random(1), speed=8)
    talking = asyncio.create_task(talk, name="screenshots-chat")
    await asyncio.sleep(CHAT_FOR_S)
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    for language, locale in LOCALES.items():
        for size, (width, height) in SIZES.items():
            await _pages(browser, program, out / f"{language}-{size}", locale, width, height)
        await _host_pages(host, guest, out, language)


async def _pages(
    browser: Browser, program: Program, prefix: Path, locale: str, width: int, height: int
) -> None:
    pages = {
        "lobby": "/",
        "phone-guide": "/guide/phone",
        "viewer": f"/room/{ROOM}",
        "waiting": f"/room/{EMPTY_ROOM}",
        "console": f"/console/{ROOM}#token={program.token(ROOM, 'staff', 'staff')}",
        "console-before": f"/console/{EMPTY_ROOM}#token={program.token(EMPTY_ROOM, 'h', 'host')}",
        "obs": f"/obs/{ROOM}#token={program.token(ROOM, 'host', 'host')}",
    }
    for name, path in pages.items():
        context = await browser.new_context(
            locale=locale,
            viewport={"width": width, "height": height},
            permissions=["camera", "microphone"],
        )
        page = await context.new_page()
        await page.goto(program.url + path)
        await asyncio.sleep(SETTLE_S)
        await page.screenshot(path=f"{prefix}-{name}.png")
        if name == "viewer":
            await page.get_by_test_id("quality").click()
            await asyncio.sleep(SETTLE_S)
            await page.screenshot(path=f"{prefix}-viewer-quality.png")
        await context.close()


async def _host_pages(host: Person, guest: Person, out: Path, language: str) -> None:
    for person, name in ((host, "console-live"), (guest, "on-stage")):
        for size, (width, height) in SIZES.items():
            await person.page.set_viewport_size({"width": width, "height": height})
            shown = await person.page.get_attribute("html", "lang") or ""
            if not shown.startswith(language):
                await person.by_id("lang").click()
            await asyncio.sleep(SETTLE_S)
            await person.page.screenshot(path=out / f"{language}-{size}-{name}.png")


async def run(out: Path) -> None:
    executable = shutil.which("chromium")
    assert executable is not None, "no chromium on this machine: apt-get install chromium"
    async with serving(SETTINGS) as program, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=[*CHROMIUM_FLAGS, *FAKE_CAMERA]
        )
        await take(browser, program, out)
        await browser.close()
    print(f"screenshots are in {out}/")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(out))


if __name__ == "__main__":
    main()
