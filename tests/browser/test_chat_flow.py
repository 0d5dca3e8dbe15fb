"""Slow mode and the rate of the chat, as console and viewer see them."""

from __future__ import annotations

import re

from playwright.async_api import Browser, expect

from loadtest.targets.program import Program
from tests.browser.people import PATIENCE_MS, enter


async def test_the_host_slows_the_chat_down_and_sees_what_is_shown(
    browser: Browser, program: Program, room: str
) -> None:
    host = await enter(browser, program, room, "host", "host")
    viewer = await enter(browser, program, room, "viewer", "viewer", locale="en-US")

    await host.by_id("slow-mode").select_option("60")
    typing = viewer.by_id("chat-input")
    await expect(typing).to_have_attribute(
        "placeholder", "Slow mode: one message in 60 s", timeout=PATIENCE_MS
    )
    for text in ("first", "second"):
        await typing.fill(text)
        await viewer.by_id("chat-send").click()
    wait = re.compile(r"Slow mode: please wait \d+ s")
    await expect(viewer.by_id("toast").filter(has_text=wait)).to_be_visible(timeout=PATIENCE_MS)
    await expect(typing).to_have_value("second")

    rate = host.by_id("chat-rate")
    # In one go: the server tells of these two messages itself, once a second.
    told = await host.page.evaluate(
        """() => {
            window.lianmaiRoom.dispatchEvent(new CustomEvent(
                'chat_rate', { detail: { shown: 100, received: 2300 } }));
            const rate = document.querySelector('[data-testid=chat-rate]');
            return [rate.textContent, rate.hidden];
        }"""
    )
    assert told == ["每秒 2300 条，显示其中 100 条", False]
    await expect(rate).to_be_hidden(timeout=PATIENCE_MS)
