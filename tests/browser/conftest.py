"""Real Chromium with its fake camera against the real program in a process of its own."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright

from loadtest.bench.first_frame import CHROMIUM_FLAGS
from loadtest.targets.program import Program, serving

FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

SETTINGS = {
    # The flood of one staff member in these tests stands for many people.
    "LIANMAI_ROOM_CHAT_PER_S": "1000",
    "LIANMAI_ROOM_CHAT_BURST": "1000",
}


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    async with serving(SETTINGS) as started:
        yield started


@pytest.fixture
def room() -> str:
    return "r" + secrets.token_hex(4)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    executable = shutil.which("chromium")
    assert executable is not None, "no chromium: run `make test` as root, or install chromium"
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=executable, args=[*CHROMIUM_FLAGS, *FAKE_CAMERA]
        )
        try:
            yield started
        finally:
            await started.close()


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Every person of a test gets a context of their own by `browser.new_context()`; this one is
    for tests with one person."""
    made = await browser.new_context(locale="zh-CN")
    try:
        yield made
    finally:
        await made.close()
