"""`/healthz` and `/readyz`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server import health
from server.app_keys import HEALTH
from server.health import Health
from tests.support.server import serving
from tests.support.store import StoreProcess, own_store

__all__ = ["own_store"]


async def test_ready_says_what_it_looked_at(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        alive = await server.http.get("/healthz")
        assert alive.status == 200
        ready = await server.http.get("/readyz")
        assert ready.status == 200
        body = await ready.json()
        assert body == {"ready": True, "checks": {"store": "ok", "media": "ok", "serving": "ok"}}
        server.running.app[HEALTH].is_draining = True
        draining = await server.http.get("/readyz")
        assert draining.status == 503
        assert (await draining.json())["checks"]["serving"] == "the server is stopping"
        assert (await server.http.get("/healthz")).status == 200


async def test_a_store_that_is_away_is_said_and_comes_back(
    tmp_path: Path, own_store: StoreProcess
) -> None:
    async with serving(tmp_path / "data", redis=own_store.url) as server:
        assert (await server.http.get("/readyz")).status == 200
        own_store.kill()
        ready = await server.http.get("/readyz")
        assert ready.status == 503
        assert "store" in (await ready.json())["checks"]["store"]
        assert (await server.http.get("/healthz")).status == 200
        guest = await server.http.post("/api/v1/rooms/r1/guest", json={})
        assert guest.status == 503
        assert "Retry-After" in guest.headers
        assert (await guest.json(content_type=None))["code"] == "store_unavailable"
        own_store.start()
        assert (await server.http.get("/readyz")).status == 200
        assert (await server.http.post("/api/v1/rooms/r1/guest", json={})).status == 201


async def test_what_is_wrong_is_named() -> None:
    async def well() -> None:
        return None

    async def ill() -> str:
        return "the store does not answer: ConnectionError"

    report = Health()
    report.add("media", well)
    report.add("store", ill)
    assert await report.report() == {
        "media": "ok",
        "store": "the store does not answer: ConnectionError",
        "serving": "ok",
    }


async def test_a_check_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.01)

    async def hangs() -> None:
        await asyncio.Event().wait()

    report = Health()
    report.add("store", hangs)
    assert (await report.report())["store"] == "no answer within 0.01 s"
