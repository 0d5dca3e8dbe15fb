"""`/healthz` says the loop turns; `/readyz` says whether to send people here, and if not, why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from server.app_keys import HEALTH
from server.http_json import json_response

CHECK_TIMEOUT_S: Final = 1.0
"""A store that does not answer a ping within this is not there for viewers either."""

Check = Callable[[], Awaitable[str | None]]
"""Returns None when well, else one sentence that says what is wrong."""


class Health:
    """Named checks, and whether the server is on its way out."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self.is_draining = False

    def add(self, name: str, check: Check) -> None:
        """Register a check; its name is the key in the report."""
        self._checks[name] = check

    async def report(self) -> dict[str, str]:
        """Every check by name: `"ok"` or what is wrong. Runs them side by side."""
        results = await asyncio.gather(*(self._run(check) for check in self._checks.values()))
        report = {name: wrong or "ok" for name, wrong in zip(self._checks, results, strict=True)}
        report["serving"] = "the server is stopping" if self.is_draining else "ok"
        return report

    @staticmethod
    async def _run(check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await check()
        except TimeoutError:
            return f"no answer within {CHECK_TIMEOUT_S:g} s"


async def healthz(request: web.Request) -> web.Response:
    """200 while the event loop turns."""
    return json_response({"alive": True})


async def readyz(request: web.Request) -> web.Response:
    """200 when the store answers and the UDP port is bound, else 503 with the reasons."""
    checks = await request.app[HEALTH].report()
    ready = all(state == "ok" for state in checks.values())
    return json_response({"ready": ready, "checks": checks}, status=200 if ready else 503)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
