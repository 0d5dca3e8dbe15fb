"""Firefox as Debian ships it, with its fake camera and microphone, without a screen."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from loadtest.targets.program import running
from tests.support.bidi import BidiConnection, BidiError, connected

PATIENCE_MS: Final = 15_000
"""Longest wait for anything a person waits for; a shared machine may be slow."""

_LISTENING: Final = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_PREFERENCES: Final = {
    "browser.shell.checkDefaultBrowser": False,
    "intl.accept_languages": "zh-CN, zh, en",
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # As people have it: sound only after a tap.
    "media.autoplay.default": 1,
}

_CALL: Final = "async json => JSON.stringify(await (%s)(JSON.parse(json)) ?? null)"
_UNTIL: Final = """
async ([arg, patienceMs]) => {
  const giveUp = performance.now() + patienceMs;
  for (;;) {
    const found = await (%s)(arg);
    if (found || performance.now() > giveUp) return found;
    await new Promise(done => setTimeout(done, 50));
  }
}
"""
_HITTABLE: Final = """
async selector => {
  const element = document.querySelector(selector);
  if (!element?.checkVisibility() || element.disabled) return false;
  element.scrollIntoView({block: 'center', behavior: 'instant'});
  const before = element.getBoundingClientRect();
  await new Promise(done => setTimeout(done, 100));
  const {x, y, width, height} = element.getBoundingClientRect();
  if (x !== before.x || y !== before.y) return false;
  return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}
"""


class FirefoxPage:
    """One window (a tab behind another one would count as hidden)."""

    def __init__(self, connection: BidiConnection, context: str) -> None:
        self.context = context
        self.complaints: list[str] = []
        """Errors in the console, and those that no script caught."""
        self._connection = connection

    async def goto(self, url: str) -> None:
        await self._connection.command(
            "browsingContext.navigate", context=self.context, url=url, wait="complete"
        )

    async def evaluate(self, function: str, arg: object = None) -> Any:  # noqa: ANN401 any JSON
        """What a JavaScript function of one argument gives; both must be JSON."""
        return await self._call(function, arg)

    async def wait(self, function: str, arg: object = None, *, what: str) -> Any:  # noqa: ANN401 any JSON
        """Until the function gives something true, and that; `what` is for the failure."""
        found = await self._call(_UNTIL % function, [arg, PATIENCE_MS])
        assert found, f"no {what} within {PATIENCE_MS} ms; console: {self.complaints}"
        return found

    async def click(self, test_id: str) -> None:
        """By mouse, once it can be hit and does not move any more."""
        selector = f'[data-testid="{test_id}"]'
        await self.wait(_HITTABLE, selector, what=f"{test_id} to click")
        located = await self._connection.command(
            "browsingContext.locateNodes",
            context=self.context,
            locator={"type": "css", "value": selector},
        )
        element = {"type": "element", "element": {"sharedId": located["nodes"][0]["sharedId"]}}
        await self._connection.command(
            "input.performActions",
            context=self.context,
            actions=[
                {
                    "type": "pointer",
                    "id": "mouse",
                    "actions": [
                        {"type": "pointerMove", "x": 0, "y": 0, "origin": element},
                        {"type": "pointerDown", "button": 0},
                        {"type": "pointerUp", "button": 0},
                    ],
                }
            ],
        )

    async def _call(self, function: str, arg: object) -> Any:  # noqa: ANN401 any JSON
        answer = await self._connection.command(
            "script.callFunction",
            functionDeclaration=_CALL % function.strip(),
            awaitPromise=True,
            target={"context": self.context},
            arguments=[{"type": "string", "value": json.dumps(arg)}],
        )
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])


class Firefox:
    def __init__(self) -> None:
        self._pages: dict[str, FirefoxPage] = {}
        self._connection: BidiConnection | None = None

    async def new_page(self) -> FirefoxPage:
        """With storage of its own."""
        assert self._connection is not None, "Firefox runs"
        user = await self._connection.command("browser.createUserContext")
        made = await self._connection.command(
            "browsingContext.create", type="window", userContext=user["userContext"]
        )
        context = made["context"]
        await self._connection.command(
            "browsingContext.setViewport",
            context=context,
            viewport={"width": 1280, "height": 800},
        )
        page = self._pages[context] = FirefoxPage(self._connection, context)
        return page

    @contextlib.asynccontextmanager
    async def driven(self, url: str) -> AsyncIterator[None]:
        async with connected(url, self._hear) as self._connection:
            await self._connection.command("session.subscribe", events=["log.entryAdded"])
            yield
            with contextlib.suppress(BidiError):  # it may be gone before it can answer
                await self._connection.command("browser.close")

    def _hear(self, event: Mapping[str, Any]) -> None:
        entry = event["params"]
        page = self._pages.get(entry.get("source", {}).get("context", ""))
        if page is not None and entry.get("level") == "error":
            page.complaints.append(entry["text"])


@contextlib.asynccontextmanager
async def firefox(
    folder: Path, preferences: Mapping[str, bool | int | str] = MappingProxyType({})
) -> AsyncIterator[Firefox]:
    """A browser with a profile of its own in the folder, and these of its preferences (as
    `about:config` names them) beside ours. Raises `TargetError` when it does not start:
    one line with what it said."""
    executable = shutil.which("firefox-esr")
    assert executable is not None, (
        "no firefox-esr: run `make test` as root, or install it (apt-get install firefox-esr)"
    )
    profile, log = folder / "profile", folder / "firefox.log"
    profile.mkdir()
    chosen = {**_PREFERENCES, **preferences}
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in chosen.items()]
    (profile / "user.js").write_text("\n".join(lines))
    log.touch()
    argv = [executable, "--headless", "--no-remote", "--profile", str(profile)]

    async def is_ready() -> bool:
        return _LISTENING.search(log.read_text()) is not None

    async with running("Firefox", [*argv, "--remote-debugging-port", "0"], is_ready, log=log):
        found = _LISTENING.search(log.read_text())
        assert found is not None, "it is ready"
        browser = Firefox()
        async with browser.driven(f"{found[1]}/session"):
            yield browser
