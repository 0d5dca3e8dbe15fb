"""The main job, as its people live it: host live, viewers watching, a question asked in a flood
and answered, a customer on-mic and off again, all of it remembered."""

from __future__ import annotations

import asyncio

import aiohttp
from playwright.async_api import Browser, expect

from loadtest.flood import Flood, sockets_for, talkers
from loadtest.targets.program import Program
from tests.browser.people import PATIENCE_MS, enter

QUESTION = "这个适合油皮吗？"
FLOOD_PER_S = 200
PROFILE_WITHIN_S = 15


async def profile_of(program: Program, room: str, subject: str, token: str) -> dict[str, int]:
    url = f"{program.url}/api/v1/rooms/{room}/profiles/{subject}"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http,
        http.get(url) as response,
    ):
        assert response.status == 200, await response.text()
        body: dict[str, int] = await response.json()
        return body


async def test_host_viewer_question_and_guest(
    browser: Browser, program: Program, room: str
) -> None:
    host = await enter(browser, program, room, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)

    viewer = await enter(browser, program, room, "xiaolu", "viewer")
    third = await enter(browser, program, room, "momo", "viewer", locale="en-US")
    await viewer.wait_picture(0)
    await third.wait_picture(0)

    # A question among 200 chat messages a second reaches the console while they run.
    tokens = [program.token(room, f"t{n}", "staff") for n in range(sockets_for(FLOOD_PER_S))]
    async with talkers(program.socket_url, tokens) as clients:
        flooding = asyncio.create_task(Flood(clients, "666").run(FLOOD_PER_S), name="flood")
        await viewer.by_id("ask-input").fill(QUESTION)
        await viewer.by_id("ask-send").click()
        question = host.by_id("question-item").filter(has_text=QUESTION)
        await expect(question).to_be_visible(timeout=PATIENCE_MS)
        assert not flooding.done(), "the flood ran until the question was there"
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
    await question.get_by_test_id("answer-live").click()
    await expect(question).to_be_hidden(timeout=PATIENCE_MS)

    subject = await viewer.page.evaluate("() => window.lianmaiRoom.you.subject")
    offers = [await person.offers_sent() for person in (host, third)]

    # The host invites; the viewer accepts; everybody sees and hears the guest.
    await host.page.evaluate("subject => window.lianmaiRoom.invite(subject)", subject)
    await viewer.by_id("accept-invite").click()
    await host.wait_picture(1)
    await third.wait_picture(1)
    await host.wait_heard(1)
    await third.wait_heard(2)
    assert [await person.offers_sent() for person in (host, third)] == offers, (
        "a guest on stage costs nobody else an offer"
    )

    # The host removes the guest; the seat empties everywhere.
    await host.by_id("remove-seat-1").click()
    await host.wait_no_picture(1)
    await third.wait_no_picture(1)

    await viewer.page.context.close()
    staff = program.token(room, "analyst", "staff")
    async with asyncio.timeout(PROFILE_WITHIN_S):
        while True:
            profile = await profile_of(program, room, subject, staff)
            if profile["dwell_ms"] > 0:
                break
            await asyncio.sleep(0.2)
    assert profile["visits"] == 1
    assert profile["questions_asked"] == 1
    assert profile["questions_answered"] == 1
    assert profile["response_ms_total"] > 0
    assert profile["seats_taken"] == 1
    assert profile["seat_ms"] > 0
