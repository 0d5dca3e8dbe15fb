"""Pages, static files and what protects them."""

from __future__ import annotations

import pytest

from server.pages import CONTENT_SECURITY_POLICY, PAGES
from tests.support.server import LiveServer, live

__all__ = ["live"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_there_and_protected(live: LiveServer, path: str) -> None:
    response = await live.http.get(path.replace("{room}", "r1"))
    assert response.status == 200
    assert response.content_type == "text/html"
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "camera=(self)" in response.headers["Permissions-Policy"]
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_a_page_that_did_not_change_is_not_sent_again(live: LiveServer) -> None:
    first = await live.http.get("/room/r1")
    again = await live.http.get("/room/r1", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304


async def test_an_impossible_room_has_no_page(live: LiveServer) -> None:
    assert (await live.http.get("/room/-")).status == 404
    assert (await live.http.get("/room/a%2Fb")).status == 404


async def test_modules_are_sent_as_javascript(live: LiveServer) -> None:
    response = await live.http.get("/static/js/lianmai.js")
    assert response.status == 200
    assert response.content_type == "text/javascript"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/js", "/static/nothing.js"]
)
async def test_only_files_of_the_web_folder_are_sent(live: LiveServer, path: str) -> None:
    response = await live.http.get(path)
    assert response.status in (403, 404)
    assert response.content_type == "application/problem+json"


async def test_without_an_authority_there_is_no_certificate(live: LiveServer) -> None:
    assert (await live.http.get("/ca.crt")).status == 404
