"""A product from the shop's back end to a buyer's click, and back to the console as a buyer."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from playwright.async_api import Browser, expect

from loadtest.targets.program import Program
from tests.browser.people import PATIENCE_MS, enter

MONEY = {"order_id": "A-1", "ccy": "CNY", "paid_minor": 6800}


async def tell(
    program: Program, room: str, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {program.token(room, 'shop', 'staff')}"}
    async with (
        aiohttp.ClientSession(program.url, headers=headers) as http,
        http.request(method, f"/api/v1/{path}", json=body) as response,
    ):
        assert response.status == 200, await response.text()
        said: dict[str, Any] = await response.json()
        return said


async def test_a_pinned_card_is_followed_and_bought(
    browser: Browser, program: Program, room: str
) -> None:
    product = {
        "title": "手作陶杯",
        "price_minor": 6800,
        "currency": "CNY",
        "picture_url": "/static/img/demo/cup.svg",
        "link": f"{program.url}/guide/phone",
    }
    await tell(program, room, "PUT", f"rooms/{room}/products/cup", product)
    host = await enter(browser, program, room, "host", "host")
    viewer = await enter(browser, program, room, "ann", "viewer")
    await host.page.evaluate("() => window.lianmaiRoom.startShow()")
    await expect(viewer.by_id("product-card")).to_be_hidden()
    await host.by_id("pin-cup").click()
    await expect(viewer.by_id("product-card")).to_be_visible(timeout=PATIENCE_MS)
    await expect(viewer.by_id("product-title")).to_have_text("手作陶杯")
    await expect(viewer.by_id("product-price")).to_have_text("¥68.00")
    await expect(host.by_id("shelf-row")).to_have_attribute("data-pinned", "true")
    picture = viewer.by_id("product-card").locator("img")
    assert await picture.evaluate("async img => (await img.decode(), img.naturalWidth)") > 0

    async with viewer.page.context.expect_page() as opened:
        await viewer.by_id("product-buy").click()
    assert (await opened.value).url == product["link"]
    order = MONEY | {"type": "order.paid", "user": "ann", "room": room, "lines": [{"sku": "cup"}]}
    await tell(program, room, "POST", "events", {"events": [order]})
    await expect(viewer.by_id("chat-rows")).to_contain_text("买了 手作陶杯", timeout=PATIENCE_MS)

    subject = await viewer.page.evaluate("() => window.lianmaiRoom.you.subject")
    async with asyncio.timeout(PATIENCE_MS / 1000):  # the projector is a process of its own
        while True:
            profile = await tell(program, room, "GET", f"rooms/{room}/profiles/{subject}")
            if profile["orders"]:
                break
            await asyncio.sleep(0.2)
    assert (profile["orders"], profile["paid_minor"], profile["product_clicks"]) == (1, 6800, 1)

    await host.by_id("pin-cup").click()
    await expect(viewer.by_id("product-card")).to_be_hidden(timeout=PATIENCE_MS)
