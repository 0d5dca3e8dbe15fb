"""`--tls auto`: a phone that trusts our CA gets a secure context, and with it its camera."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, expect

from tests.browser.people import PATIENCE_MS
from tests.support.server import serving


async def test_the_ca_that_is_handed_out_vouches_for_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path, tls={"mode": "auto"}) as server:
        assert server.url.startswith("https://")
        async with (
            aiohttp.ClientSession() as stranger,
            stranger.get(f"{server.url}/ca.crt", ssl=False) as response,
        ):
            assert response.status == 200
            ca = await response.read()
        trusting = ssl.create_default_context(cadata=_pem(ca))
        async with (
            aiohttp.ClientSession() as friend,
            friend.get(f"{server.url}/healthz", ssl=trusting) as response,
        ):
            assert response.status == 200


async def test_a_host_goes_live_over_https(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, tls={"mode": "auto"}) as server:
        room = server.new_room()
        context = await browser.new_context(
            ignore_https_errors=True, locale="zh-CN", permissions=["camera", "microphone"]
        )
        page = await context.new_page()
        await page.goto(f"{server.url}/console/{room}#token={server.token('host', 'host', room)}")
        assert await page.evaluate("() => window.isSecureContext")
        await page.get_by_test_id("go-live").click(timeout=PATIENCE_MS)
        await expect(page.get_by_test_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
        guide = await context.new_page()
        await guide.goto(f"{server.url}/guide/phone")
        await expect(guide.get_by_test_id("ca-download")).to_be_visible(timeout=PATIENCE_MS)


def _pem(certificate: bytes) -> str:
    if certificate.startswith(b"-----BEGIN"):
        return certificate.decode()
    return ssl.DER_cert_to_PEM_cert(certificate)
