"""The pure parts of the browser SDK, run by the browser they are made for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route

from server.pages import WEB_DIR

ORIGIN = "http://sdk.invalid"
SEAT = {"seat": 1, "subject": "u_1", "name": "小鹿", "role": "guest", "taken_ms": 5}
QUESTION = {
    "question_id": "q_1",
    "subject": "u_1",
    "name": "小鹿",
    "text": "这个适合油皮吗？",
    "asked_ms": 10,
    "phase": "open",
}
WELCOME = {
    "type": "welcome",
    "version": 1,
    "room": "demo",
    "conn": "c_1",
    "you": {"subject": "u_1", "name": "小鹿", "role": "viewer", "grants": ["chat"]},
    "server_ms": 100,
    "recovered": False,
    "show": {"show_id": "s", "phase": "live", "title": ""},
    "stage": {"seats_total": 4, "seats": [SEAT], "requests": [], "invites": []},
    "questions": [QUESTION],
    "chat": [],
    "slots": {"audio": 4, "video": 4},
    "viewers": 3,
    "likes": 4,
}

FOLD = """
async messages => {
  const { applyMessage, emptyState } = await import('/static/js/sdk/state.js');
  const state = emptyState();
  const topics = messages.map(message => applyMessage(state, message));
  return {...state, questions: [...state.questions.values()], topics};
}
"""


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that finds the SDK's files and nothing else."""
    context = await browser.new_context()

    async def serve(route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        if path == "/":
            await route.fulfill(body="<!doctype html>", content_type="text/html")
        else:
            await route.fulfill(path=WEB_DIR / path.removeprefix("/static/"))

    await context.route("**/*", serve)
    opened = await context.new_page()
    await opened.goto(f"{ORIGIN}/")
    yield opened
    await context.close()


async def fold(page: Page, *messages: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = await page.evaluate(FOLD, list(messages))
    return state


async def test_snapshot_then_events(page: Page) -> None:
    state = await fold(
        page,
        WELCOME,
        {"type": "seat_left", "seat": 1, "subject": "u_1", "reason": "left", "on_ms": 1},
        {"type": "question_answered", "question": {**QUESTION, "phase": "answered"}},
        {"type": "counts", "viewers": 9, "likes": 10},
        {"type": "of_a_later_version"},
    )
    assert state["stage"]["seats"] == []
    assert [question["phase"] for question in state["questions"]] == ["answered"]
    assert (state["viewers"], state["likes"]) == (9, 10)
    assert state["topics"][1:] == [["stage"], ["questions"], ["counts"], []]


async def test_a_replayed_event_never_undoes_a_later_one(page: Page) -> None:
    other = {**SEAT, "subject": "u_2"}
    state = await fold(
        page,
        {**WELCOME, "stage": {"seats_total": 4, "seats": [other]}},
        {"type": "seat_left", "seat": 1, "subject": "u_1", "reason": "left", "on_ms": 1},
        {"type": "question_answered", "question": {**QUESTION, "phase": "answered"}},
        {"type": "question_asked", "question": QUESTION},
    )
    assert [seat["subject"] for seat in state["stage"]["seats"]] == ["u_2"]
    assert [question["phase"] for question in state["questions"]] == ["answered"]


async def test_the_shelf_keeps_the_pinned_product(page: Page) -> None:
    soap = {"sku": "soap", "title": "手工皂", "price_minor": 2990, "currency": "CNY"}
    lamp = {**soap, "sku": "lamp"}
    state = await fold(
        page,
        {**WELCOME, "shelf": {"products": [soap], "pinned": "soap"}},
        {"type": "product_pinned", "product": lamp},
        {"type": "product_unpinned", "sku": "soap"},
        {"type": "product_listed", "product": {**soap, "price_minor": 1}},
    )
    assert state["shelf"] == {"products": [{**soap, "price_minor": 1}, lamp], "pinned": "lamp"}
    assert (await fold(page, WELCOME))["shelf"] == {"products": [], "pinned": None}


async def test_fields_left_out_are_empty(page: Page) -> None:
    state = await fold(page, WELCOME, {"type": "seat_changed", "seat": SEAT})
    seat = state["stage"]["seats"][0]
    assert (seat["sources"], seat["muted"], seat["reconnecting_until_ms"]) == ([], [], None)


async def test_requests_and_invites_are_one_a_person(page: Page) -> None:
    request = {"subject": "u_1", "name": "小鹿", "media": "video", "requested_ms": 1}
    invite = {"subject": "u_1", "name": "小鹿", "by": "h", "seat": 1, "invited_ms": 1}
    state = await fold(
        page,
        WELCOME,
        {"type": "mic_requested", "request": request},
        {"type": "mic_requested", "request": {**request, "requested_ms": 2}},
        {"type": "invite_sent", "invite": {**invite, "expires_ms": 2}},
        {"type": "invite_ended", "subject": "u_1", "outcome": "declined"},
    )
    assert [each["requested_ms"] for each in state["stage"]["requests"]] == [2]
    assert state["stage"]["invites"] == []


async def test_chat_is_bounded_and_without_repeats(page: Page) -> None:
    lines = [
        {
            "type": "chat_said",
            "chat": {
                "message_id": f"m_{number}",
                "subject": "u_2",
                "name": "橙子",
                "role": "viewer",
                "text": "666",
                "at_ms": number,
            },
        }
        for number in range(500)
    ]
    state = await fold(page, WELCOME, *lines, *lines[-3:])
    assert [line["message_id"] for line in state["chat"]] == [f"m_{n}" for n in range(300, 500)]


async def test_close_codes_say_whether_to_return(page: Page) -> None:
    returns = await page.evaluate("""async () => {
      const { mayReturn } = await import('/static/js/lianmai.js');
      return [1006, 1001, 4000, 4499, 4500, 4999].map(mayReturn);
    }""")
    assert returns == [True, True, True, True, False, False]


async def test_relays_end_when_their_username_says(page: Page) -> None:
    ends = await page.evaluate("""async () => {
      const { relaysEndMs } = await import('/static/js/sdk/relays.js');
      const stun = { urls: ['stun:stun.example'] };
      const turn = username => ({ urls: ['turn:turn.example'], username, credential: 'x' });
      const ending = [stun, turn('1700000000:u_1'), turn('1600000000:u_1')];
      return [[], [stun], [turn('of a fixed account')], ending]
        .map(servers => String(relaysEndMs(servers)));
    }""")
    assert ends == ["Infinity", "Infinity", "Infinity", "1600000000000"]


async def test_back_off_has_full_jitter_and_a_ceiling(page: Page) -> None:
    waits = await page.evaluate("""async () => {
      const { Backoff } = await import('/static/js/sdk/backoff.js');
      const ceiling = new Backoff({ random: () => 1 });
      const floor = new Backoff({ random: () => 0 });
      return [[1, 2, 3, 4, 5, 6, 7].map(() => ceiling.next()), [floor.next(), floor.next()]];
    }""")
    assert waits == [[500, 1000, 2000, 4000, 8000, 15000, 15000], [0, 0]]


async def test_a_command_survives_a_dropped_socket_under_its_id(page: Page) -> None:
    result = await page.evaluate("""async () => {
      const { Commands } = await import('/static/js/sdk/commands.js');
      const sent = [];
      let isOpen = false;
      const commands = new Commands(message => { if (isOpen) sent.push(message); return isOpen; });
      const question = commands.request({ type: 'ask', text: 'q' });
      const offer = commands.request({ type: 'play', sdp: 's' }, { isVolatile: true })
        .catch(error => error.code);
      isOpen = true;
      commands.resend();
      commands.resend();
      commands.settle({ type: 'ack', id: sent[0].id, result: { question_id: 'q_1' } });
      const again = commands.settle({ type: 'ack', id: sent[0].id });
      const refused = commands.request({ type: 'chat', text: 't' })
        .catch(error => [error.code, error.retryAfterMs]);
      commands.settle({ type: 'error', id: sent.at(-1).id, code: 'rate_limited', message: '',
        retryable: true, retry_after_ms: 480 });
      return { sameId: sent[0].id === sent[1].id, ack: (await question).result,
        offer: await offer, again, refused: await refused };
    }""")
    assert result == {
        "sameId": True,
        "ack": {"question_id": "q_1"},
        "offer": "disconnected",
        "again": False,
        "refused": ["rate_limited", 480],
    }


async def test_an_offer_says_that_lost_sound_is_asked_for_again(page: Page) -> None:
    offers = await page.evaluate("""async () => {
      const { withAudioNack } = await import('/static/js/sdk/audio-nack.js');
      const pc = new RTCPeerConnection();
      for (const kind of ['audio', 'audio', 'video']) pc.addTransceiver(kind);
      const { sdp } = await pc.createOffer();
      const once = withAudioNack(sdp);
      return [sdp, once, withAudioNack(once)];
    }""")
    plain, once, twice = offers
    assert once == twice
    added = [line for line in once.split("\r\n") if line.endswith(" nack")]
    added = [line for line in added if line not in plain]
    opus = [line.split()[0][9:] for line in plain.split("\r\n") if line.endswith(" opus/48000/2")]
    assert len(opus) == 2
    assert set(opus) <= {line.split()[0][10:] for line in added}
    assert len(once.split("\r\n")) == len(plain.split("\r\n")) + len(added)
    assert once.count(f"a=rtcp-fb:{opus[0]} nack\r\n") == 2, "in each section"


async def test_small_pictures_and_guests_send_fewer_layers(page: Page) -> None:
    sent = await page.evaluate("""async () => {
      const { videoEncodings } = await import('/static/js/sdk/encodings.js');
      const hd = { width: 1280, height: 720 };
      const sizes = [hd, { width: 360, height: 640 }, { width: 640, height: 640 },
        { width: 320, height: 180 }, {}];
      const captures = sizes.map((size) => ({ ...size, isHost: true, source: 'camera' }));
      captures.push({ ...hd, isHost: false, source: 'camera' });
      captures.push({ isHost: true, width: 1920, height: 1080, source: 'screen' });
      captures.push({ ...hd, isHost: true, source: 'camera', simulcast: false });
      return captures.map(videoEncodings).map(layers => layers
        .map(({ rid, scaleResolutionDownBy, maxBitrate }) =>
          [rid ?? '', scaleResolutionDownBy, maxBitrate]));
    }""")
    low, half, full = ["q", 4, 200_000], ["h", 2, 700_000], ["f", 1, 2_500_000]
    alone = ["", 1, 2_500_000]
    guest = [["h", 2, 336_000], ["f", 1, 1_200_000]]
    all_three = [low, half, full]
    two = [half, full]
    assert sent == [all_three, two, two, [alone], all_three, guest, two, [alone]]


async def test_the_answer_to_an_ice_restart_is_the_old_one_with_a_new_path(page: Page) -> None:
    section = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=ice-ufrag:old", "a=ice-pwd:older"]
    listed = [*section, "a=candidate:1 1 udp 9 192.0.2.1 7 typ host", "a=candidate:2", "a=mid:0"]
    answer = "\r\n".join(["v=0", *listed, *section, "a=mid:1", ""])
    restarted = {"ufrag": "new", "pwd": "newer", "candidates": ["3 1 udp 9 192.0.2.9 7 typ host"]}
    made = await page.evaluate(
        """async ([answer, restarted]) => {
      const { iceCredentials, restartedAnswer } = await import('/static/js/sdk/ice-restart.js');
      const sdp = restartedAnswer(answer, restarted);
      return { sdp, old: iceCredentials(answer), credentials: iceCredentials(sdp) };
    }""",
        [answer, restarted],
    )
    renewed = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=ice-ufrag:new", "a=ice-pwd:newer"]
    candidate = "a=candidate:3 1 udp 9 192.0.2.9 7 typ host"
    expected = ["v=0", *renewed, candidate, "a=mid:0", *renewed, "a=mid:1", ""]
    assert made["sdp"] == "\r\n".join(expected)
    assert made["old"] == {"ufrag": "old", "pwd": "older"}
    assert made["credentials"] == {"ufrag": "new", "pwd": "newer"}


async def test_slots_are_shaped_by_what_is_seen(page: Page) -> None:
    told = await page.evaluate("""async () => {
      const { SlotShapes } = await import('/static/js/sdk/slot-shapes.js');
      const told = [];
      let isJoined = true;
      const shapes = new SlotShapes(({ mid, size, max_layer }) => {
        if (isJoined) told.push([mid, size, max_layer ?? null]);
        return isJoined;
      });
      const tile = document.createElement('div');
      Object.assign(tile.style, { width: '300px', height: '200px' });
      document.body.append(tile);
      shapes.watch(1, tile);
      shapes.watch(2, null);
      await new Promise(measured => new ResizeObserver(measured).observe(tile));
      const until = count => new Promise(done => {
        const look = () => (told.length >= count ? done() : setTimeout(look, 10));
        look();
      });
      shapes.setSlots(new Map([['4', 1], ['5', 2], ['6', 0]]));
      await until(2);
      tile.style.width = '600px';
      await until(3);
      tile.style.display = 'none';
      await until(4);
      isJoined = false;
      shapes.setMaxLayer('low');
      isJoined = true;
      shapes.resend();
      await until(7);
      return [told, shapes.wasHidden('4', performance.now()), shapes.wasHidden('6', 0)];
    }""")
    first = [["4", "small", None], ["5", "hidden", None], ["4", "big", None], ["4", "hidden", None]]
    again = [["4", "hidden", "low"], ["5", "hidden", "low"], ["6", "big", "low"]]
    assert told == [[*first, *again], True, False]
