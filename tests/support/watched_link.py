"""A host and a viewer, each a Chromium behind a link of its own, and the server between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import expect

from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.impaired import ImpairedNetwork, impaired
from loadtest.targets.program import serving
from tests.browser.people import PATIENCE_MS, Person, enter
from tests.support import watching
from tests.support.busy_camera import HEIGHT, camera_flag, make_camera_file
from tests.support.chromium_inside import chromium_inside, seen_from
from tests.support.watching import Seen

SEED: Final = 11
_LAYERS_S: Final = 30.0
"""A browser begins with its smallest layer and adds the others as its estimate grows."""


@dataclass
class WatchedLink:
    """The host is live, the viewer sees the full picture, both links are good."""

    host: Person
    viewer: Person
    host_network: ImpairedNetwork
    viewer_network: ImpairedNetwork

    async def watch(self, seconds: float) -> Seen:
        """What the viewer sees meanwhile."""
        return await self.watch_while(asyncio.sleep, seconds)

    async def watch_while(
        self, happens: Callable[[float], Awaitable[None]], seconds: float = 0.0
    ) -> Seen:
        """What the viewer sees while something happens."""
        await watching.begin(self.viewer.page, self.host.page)
        await happens(seconds)
        return await watching.end(self.viewer.page, self.host.page)

    async def narrow(
        self, downlink: Conditions | None = None, *, uplink: Conditions | None = None
    ) -> None:
        """Other conditions towards the viewer, and from the host (None: good ones)."""
        good = Conditions()
        await self.viewer_network.change(LinkConditions(downlink=downlink or good))
        await self.host_network.change(LinkConditions(uplink=uplink or good))

    async def mend(self) -> None:
        """Both links are good again."""
        await self.narrow()

    async def change_viewers(self, conditions: LinkConditions) -> None:
        """Both directions of the viewer's link."""
        await self.viewer_network.change(conditions)

    async def wait_height(self, lines: int, patience_s: float = _LAYERS_S) -> None:
        """Until the viewer decodes a picture of so many lines."""
        await self.viewer.page.wait_for_function(
            "lines => document.querySelector('[data-testid=stage-video-0]').videoHeight >= lines",
            arg=lines,
            timeout=1000 * patience_s,
        )


@contextlib.asynccontextmanager
async def watched_link(folder: Path, room: str) -> AsyncIterator[WatchedLink]:
    """Started in some 15 s; change the conditions as often as you like."""
    camera = camera_flag(make_camera_file(folder / "camera.y4m"))
    good = LinkConditions()
    async with (
        impaired(good, SEED, how="tun") as host_network,
        impaired(good, SEED + 1, how="tun") as viewer_network,
    ):
        addresses = f"{host_network.gateway_address},{viewer_network.gateway_address}"
        settings = {"LIANMAI_PUBLIC_IP": addresses}
        async with serving(settings, host="0.0.0.0") as program:
            hosts, viewers = seen_from(host_network, program), seen_from(viewer_network, program)
            async with (
                chromium_inside(host_network, hosts, folder, camera) as hosts_browser,
                chromium_inside(viewer_network, viewers, folder) as viewers_browser,
            ):
                host = await enter(hosts_browser, hosts, room, "host", "host")
                await host.by_id("go-live").click()
                await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
                viewer = await enter(viewers_browser, viewers, room, "viewer", "viewer")
                await viewer.wait_picture(0)
                await viewer.wait_heard(1)
                watched = WatchedLink(host, viewer, host_network, viewer_network)
                await watched.wait_height(HEIGHT)
                yield watched
