"""A network that lets nothing through but the relay: Chromium sees and is seen through coturn."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from loadtest.bench.first_frame import CHROMIUM_FLAGS
from loadtest.targets.program import Program, serving
from tests.browser.conftest import FAKE_CAMERA, SETTINGS
from tests.browser.people import PATIENCE_MS, Person, enter
from tests.support.relay import TURN_SECRET, Relay, coturn

ONLY_RELAYED = """
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(options) { super({...options, iceTransportPolicy: 'relay'}); }
};
"""
"""As behind a firewall that blocks everything else; the SDK itself knows nothing of it."""

PATHS = """
async pc => {
  const stats = await pc.getStats();
  return [...stats.values()]
    .filter(report => report.type === 'candidate-pair' && report.state === 'succeeded')
    .map(pair => stats.get(pair.localCandidateId))
    .map(local => [local.candidateType, local.relayProtocol]);
}
"""

PLAY = """
async ([url, token]) => {
  const headers = {'Authorization': 'Bearer ' + token};
  const asked = await fetch(url, {method: 'OPTIONS', headers});
  const iceServers = [...asked.headers.get('Link').matchAll(
    /<([^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"/g,
  )].map(([, urls, username, credential]) => ({urls, username, credential}));
  const pc = new RTCPeerConnection({iceServers, iceTransportPolicy: 'relay'});
  const video = document.createElement('video');
  video.muted = true; video.autoplay = true;
  document.body.append(video);
  pc.addTransceiver('audio', {direction: 'recvonly'});
  pc.addTransceiver('video', {direction: 'recvonly'});
  pc.ontrack = ({track}) => {
    if (track.kind === 'video') video.srcObject = new MediaStream([track]);
  };
  await pc.setLocalDescription();
  const response = await fetch(url, {
    method: 'POST', body: pc.localDescription.sdp,
    headers: {...headers, 'Content-Type': 'application/sdp'},
  });
  if (response.status !== 201) throw new Error(response.status + ' ' + await response.text());
  const first = new Promise(resolve => video.requestVideoFrameCallback(resolve));
  await pc.setRemoteDescription({type: 'answer', sdp: await response.text()});
  await first;
  window.played = pc;
  return iceServers.length;
}
"""


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with coturn(tmp_path) as started:
        yield started


@pytest.fixture
async def trusting() -> AsyncIterator[Browser]:
    """A browser that takes the self-signed certificate of the relay."""
    executable = shutil.which("chromium")
    assert executable is not None, "no chromium: run `make test` as root, or install chromium"
    flags = [*CHROMIUM_FLAGS, *FAKE_CAMERA, "--ignore-certificate-errors"]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=executable, args=flags)
        try:
            yield started
        finally:
            await started.close()


def told(relay: Relay, *transports: str) -> dict[str, str]:
    urls = ",".join(relay.url(transport) for transport in transports)
    return {**SETTINGS, "LIANMAI_TURN_SERVERS": urls, "LIANMAI_TURN_SECRET": TURN_SECRET}


async def go_live(browser: Browser, program: Program, room: str) -> Person:
    host = await enter(browser, program, room, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
    return host


async def enter_relayed(
    browser: Browser, program: Program, room: str, path: str, token: str
) -> Page:
    context = await browser.new_context(permissions=["camera", "microphone"])
    await context.add_init_script(ONLY_RELAYED)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{program.url}/{path}/{room}#token={token}")
    return page


async def paths(page: Page, connection: str) -> set[tuple[str, str]]:
    """Candidate types, and protocols to the relay, of all paths that work."""
    found = await page.evaluate(f"() => ({PATHS})({connection})")
    return {(kind, protocol) for kind, protocol in found}


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_the_page_shows_the_room_through_the_relay(
    trusting: Browser, relay: Relay, room: str, transport: str
) -> None:
    async with serving(told(relay, transport)) as program:
        await go_live(trusting, program, room)
        token = program.token(room, "viewer", "viewer")
        page = await enter_relayed(trusting, program, room, "room", token)
        viewer = Person("viewer", page)
        await viewer.wait_picture(0)
        assert await paths(page, "window.lianmaiRoom.media.downlink") == {("relay", transport)}


async def test_a_host_publishes_through_the_relay(
    browser: Browser, relay: Relay, room: str
) -> None:
    async with serving(told(relay, "udp")) as program:
        token = program.token(room, "host", "host")
        page = await enter_relayed(browser, program, room, "console", token)
        await page.get_by_test_id("go-live").click()
        viewer = await enter(browser, program, room, "viewer", "viewer")
        await viewer.wait_picture(0)
        assert await paths(page, "window.lianmaiRoom.media.uplink") == {("relay", "udp")}


async def test_a_whep_player_asks_for_the_relay_first(
    browser: Browser, relay: Relay, room: str
) -> None:
    async with serving(told(relay, "udp", "tcp")) as program:
        host = await go_live(browser, program, room)
        token = program.token(room, "player", "viewer")
        page = await host.page.context.new_page()
        await page.goto(f"{program.url}/healthz")
        page.set_default_timeout(PATIENCE_MS)
        assert await page.evaluate(PLAY, [f"{program.url}/whep/{room}", token]) == 2
        assert {kind for kind, _ in await paths(page, "window.played")} == {"relay"}


async def test_a_resumed_socket_brings_new_credentials(
    browser: Browser, relay: Relay, room: str
) -> None:
    async with serving(told(relay, "udp")) as program:
        await go_live(browser, program, room)
        viewer = await enter(browser, program, room, "viewer", "viewer")
        await viewer.wait_picture(0)
        changed = await viewer.page.evaluate("""
            async () => {
              const room = window.lianmaiRoom;
              const pc = room.media.downlink;
              pc.setConfiguration({...pc.getConfiguration(), iceServers: []});
              const welcomed = new Promise(done =>
                room.addEventListener('welcome', done, {once: true}));
              room.reconnect();
              await welcomed;
              const [used] = pc.getConfiguration().iceServers;
              const [told] = room.state.iceServers;
              return [pc === room.media.downlink, used.username === told.username];
            }
        """)
        assert changed == [True, True]


async def test_a_socket_that_outlived_them_gets_new_ones_before_it_offers(
    browser: Browser, relay: Relay, room: str
) -> None:
    async with serving(told(relay, "udp")) as program:
        await go_live(browser, program, room)
        viewer = await enter(browser, program, room, "viewer", "viewer")
        await viewer.wait_picture(0)
        told_ms, now_ms = await viewer.page.evaluate("""
            async () => {
              const room = window.lianmaiRoom;
              room.stopPlaying();
              for (const server of room.state.iceServers) server.username = '1767369600:u_1';
              await room.play();
              const [used] = room.media.downlink.getConfiguration().iceServers;
              return [parseInt(used.username) * 1000, room.now()];
            }
        """)
        assert told_ms > now_ms
        await viewer.wait_picture(0)
