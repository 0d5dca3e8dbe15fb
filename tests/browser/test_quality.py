"""What a page asks of its transports: sizes of slots, a mended path, figures for people to read."""

from __future__ import annotations

from typing import Final

from playwright.async_api import Browser, expect

from loadtest.targets.program import Program
from tests.browser.people import PATIENCE_MS, Person, enter

SHOW_PAGE: Final = """
state => {
  Object.defineProperty(document, 'visibilityState', {get: () => state, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}
"""
"""A headless page is never hidden by itself."""
STANDS_STILL: Final = """
async video => {
  const shown = () => video.getVideoPlaybackQuality().totalVideoFrames;
  for (let before = -1; before !== shown();) {
    before = shown();
    await new Promise(done => setTimeout(done, 1000));
  }
}
"""
PATH: Final = """
() => {
  const { link } = window.lianmaiRoom.media.playback;
  const { sdp } = link.pc.currentRemoteDescription;
  return [link.peerId, /a=ice-ufrag:(.*)/.exec(sdp)[1]];
}
"""
FREEZES: Final = "async () => (await window.lianmaiRoom.getQuality()).play.freezes"


async def watch(browser: Browser, program: Program, room: str) -> tuple[Person, Person]:
    host = await enter(browser, program, room, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
    viewer = await enter(browser, program, room, "viewer", "viewer")
    await viewer.wait_picture(0)
    return host, viewer


async def test_a_hidden_page_gets_no_picture_and_a_mended_path_is_no_new_join(
    browser: Browser, program: Program, room: str
) -> None:
    _, viewer = await watch(browser, program, room)
    offers, freezes = await viewer.offers_sent(), await viewer.page.evaluate(FREEZES)
    video = viewer.by_id("stage-video-0")

    await viewer.page.evaluate(SHOW_PAGE, "hidden")
    await video.evaluate(STANDS_STILL)
    await viewer.page.evaluate(SHOW_PAGE, "visible")
    await viewer.wait_picture(0)
    assert await viewer.page.evaluate(FREEZES) == freezes, "nobody saw it stand still"

    peer, old = await viewer.page.evaluate(PATH)
    await viewer.page.evaluate("window.dispatchEvent(new Event('online'))")
    await viewer.page.wait_for_function(f"old => ({PATH})()[1] !== old", arg=old)
    await viewer.wait_picture(0)
    assert (await viewer.page.evaluate(PATH))[0] == peer
    assert await viewer.offers_sent() == offers


async def test_people_see_how_the_picture_arrives(
    browser: Browser, program: Program, room: str
) -> None:
    host, viewer = await watch(browser, program, room)
    await viewer.by_id("quality").click()
    await expect(viewer.by_id("quality-picture")).to_contain_text("×", timeout=PATIENCE_MS)
    await expect(viewer.by_id("quality-path")).to_have_text("UDP 直连")
    await expect(viewer.by_id("quality-join")).to_contain_text("毫秒")
    await viewer.by_id("layer-medium").click()
    await viewer.page.reload()
    await viewer.wait_picture(0)
    assert await viewer.page.evaluate("window.lianmaiRoom.media.maxLayer") == "medium"

    bars = host.by_id("signal-0")
    await expect(bars).to_be_visible(timeout=PATIENCE_MS)
    await host.by_id("lang").click()
    assert "signal" in (await bars.get_attribute("title") or "").lower()


async def test_a_chosen_layer_comes_without_an_offer_and_goes_again(
    browser: Browser, program: Program, room: str
) -> None:
    host, viewer = await watch(browser, program, room)
    offers = [await person.offers_sent() for person in (host, viewer)]
    video = await viewer.by_id("stage-video-0").element_handle()
    await viewer.by_id("quality").click()
    for layer, is_reached in (
        ("low", "video.videoHeight <= 180"),
        ("auto", "video.videoHeight > 180"),
    ):
        await viewer.by_id(f"layer-{layer}").click()
        await viewer.page.wait_for_function(f"video => {is_reached}", arg=video)
    await viewer.wait_picture(0)
    assert [await person.offers_sent() for person in (host, viewer)] == offers
