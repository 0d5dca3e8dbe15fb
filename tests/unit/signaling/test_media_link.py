from __future__ import annotations

import asyncio

import pytest

from media import seam
from media.seam import CodecPolicy, PeerId
from signaling.errors import Refusal
from signaling.media_link import MediaLink, new_peer_id
from tests.support.recording_media import RecordingMedia

POLICY = CodecPolicy()


def heard() -> tuple[list[seam.Event], MediaLink, RecordingMedia]:
    media = RecordingMedia()
    return [], MediaLink(media, reply_limit_s=0.05), media


async def play(link: MediaLink, events: list[seam.Event], sdp: str = "audio") -> seam.Answered:
    return await link.play(new_peer_id(), sdp, 4, 4, POLICY, events.append)


async def test_events_reach_the_owner_until_the_peer_is_closed() -> None:
    events, link, media = heard()
    answered = await play(link, events)
    assert link.has(answered.peer_id)
    media.connect(answered.peer_id)
    link.close_peer(answered.peer_id, "stopped")
    await asyncio.sleep(0)
    assert events == [
        seam.PeerConnected(answered.peer_id, "SRTP_AEAD_AES_128_GCM"),
        seam.PeerClosed(answered.peer_id, "stopped"),
    ]
    media.say(seam.PeerHeard(answered.peer_id))
    assert len(events) == 2
    assert not link.has(answered.peer_id)


async def test_refusals_carry_media_words_and_close_nothing() -> None:
    events, link, media = heard()
    with pytest.raises(Refusal) as refused:
        await play(link, events, "refuse:too_many_slots")
    assert refused.value.code == "too_many_slots"
    await asyncio.sleep(0)
    assert media.closed() == {}


async def test_an_unanswered_offer_is_abandoned() -> None:
    events, link, media = heard()
    with pytest.raises(Refusal) as refused:
        await play(link, events, "silence")
    assert refused.value.code == "internal"
    assert list(media.closed().values()) == ["abandoned"]


async def test_an_offer_whose_asker_gave_up_is_abandoned() -> None:
    events, link, media = heard()
    asking = asyncio.ensure_future(play(link, events, "silence"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    assert list(media.closed().values()) == ["abandoned"]


async def test_closing_waits_for_every_peer() -> None:
    events, link, media = heard()
    peers = [(await play(link, events)).peer_id for _ in range(3)]
    await link.close()
    assert media.closed() == dict.fromkeys(peers, "shutting_down")
    assert len(events) == 3


async def test_closing_does_not_wait_for_ever() -> None:
    events, link, media = heard()
    peer = (await play(link, events)).peer_id
    del media.slots[peer]
    await link.close(limit_s=0.01)
    assert link.has(PeerId(peer))
