"""What people meet beside the happy path: waiting, a lost host, asking for the mic, a restart,
a camera that is refused, two languages."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from loadtest.bench.first_frame import CHROMIUM_FLAGS
from loadtest.targets.program import Ports, Program, serving
from tests.browser.conftest import SETTINGS
from tests.browser.people import PATIENCE_MS, Person, enter

TWO_BEEPS_MS = 2_000
"""In which the fake microphone beeps at least once."""


async def wait_phase(person: Person, phase: str) -> None:
    await expect(person.page.locator("body")).to_have_attribute(
        "data-phase", phase, timeout=PATIENCE_MS
    )


async def go_live(browser: Browser, program: Program, room: str) -> Person:
    host = await enter(browser, program, room, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
    return host


async def test_waiting_room_show_lost_host_and_end(
    browser: Browser, program: Program, room: str
) -> None:
    early = await enter(browser, program, room, "host", "host")
    viewer = await enter(browser, program, room, "viewer", "viewer")
    await wait_phase(viewer, "scheduled")
    await early.by_id("go-live").click()
    await wait_phase(viewer, "live")
    await viewer.wait_picture(0)

    await early.page.context.close()
    await wait_phase(viewer, "host_lost")
    await expect(viewer.by_id("cover-title")).to_contain_text("马上回来")

    back = await go_live(browser, program, room)
    await wait_phase(viewer, "live")
    await viewer.wait_picture(0)

    await back.by_id("end-show").click()
    await back.page.get_by_test_id("confirm-ok").click()
    await wait_phase(viewer, "ended")


async def test_a_viewer_asks_for_the_mic_and_leaves_by_himself(
    browser: Browser, program: Program, room: str
) -> None:
    host = await go_live(browser, program, room)
    guest = await enter(browser, program, room, "guest", "viewer")
    viewer = await enter(browser, program, room, "viewer", "viewer")
    await guest.wait_picture(0)
    await viewer.wait_picture(0)
    offers = await viewer.offers_sent()

    await guest.by_id("raise-hand").click()
    await guest.page.get_by_role("dialog").get_by_test_id("join-stage").click()
    request = host.by_id("mic-request")
    await expect(request).to_be_visible(timeout=PATIENCE_MS)
    await request.get_by_test_id(re.compile("^accept-request-")).click()
    await viewer.wait_picture(1)
    await viewer.wait_heard(2)
    assert await viewer.offers_sent() == offers

    await guest.by_id("raise-hand").click()
    await guest.page.get_by_test_id("confirm-ok").click()
    await viewer.wait_no_picture(1)


async def test_sound_begins_with_a_tap_and_can_be_turned_off(
    browser: Browser, program: Program, room: str
) -> None:
    await go_live(browser, program, room)
    viewer = await enter(browser, program, room, "viewer", "viewer")
    await viewer.wait_picture(0)
    assert await viewer.heard(1, TWO_BEEPS_MS) == 0
    await viewer.wait_heard(1)
    await viewer.by_id("sound").click()
    assert await viewer.heard(1, TWO_BEEPS_MS) == 0
    await viewer.wait_heard(1)


async def test_pages_come_back_by_themselves_after_kill_9(browser: Browser, tmp_path: Path) -> None:
    room, ports = "r" + secrets.token_hex(4), Ports.free()
    async with serving(SETTINGS, folder=tmp_path, ports=ports) as program:
        await go_live(browser, program, room)
        viewer = await enter(browser, program, room, "viewer", "viewer")
        await viewer.wait_picture(0)
        os.kill(program.pid, signal.SIGKILL)
    async with serving(SETTINGS, folder=tmp_path, ports=ports):
        await wait_phase(viewer, "live")
        # The host's page publishes again and the viewer's plays again: nobody touched anything.
        frames = await viewer.frames(0)
        await viewer.page.wait_for_function(
            "n => document.querySelector('[data-testid=stage-video-0]')"
            ".getVideoPlaybackQuality().totalVideoFrames > n + 30",
            arg=frames,
            timeout=2 * PATIENCE_MS,
        )


async def test_a_refused_camera_is_explained(program: Program, room: str) -> None:
    executable = shutil.which("chromium")
    assert executable is not None
    flags = [*CHROMIUM_FLAGS, "--use-fake-device-for-media-stream", "--deny-permission-prompts"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=flags)
        context = await browser.new_context(locale="zh-CN")
        page = await context.new_page()
        await page.goto(f"{program.url}/console/{room}#token={program.token(room, 'host', 'host')}")
        await expect(page.get_by_text("摄像头").first).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.get_by_role("alert").or_(page.locator(".problem")).first).to_be_visible(
            timeout=PATIENCE_MS
        )
        await browser.close()


async def test_the_language_follows_the_browser_and_can_be_switched(
    browser: Browser, program: Program, room: str
) -> None:
    english = await enter(browser, program, room, "en", "viewer", locale="en-GB")
    await expect(english.page.locator("html")).to_have_attribute("lang", re.compile("^en"))
    await expect(english.by_id("raise-hand")).to_contain_text("mic")
    await english.by_id("lang").click()
    await expect(english.page.locator("html")).to_have_attribute("lang", re.compile("^zh"))
    await expect(english.by_id("raise-hand")).to_contain_text("连麦")
    await english.page.reload()
    await expect(english.page.locator("html")).to_have_attribute("lang", re.compile("^zh"))
