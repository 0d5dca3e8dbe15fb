"""Against a peer of another make (aiortc) that does full ICE, offers itself, and answers active."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from loadtest.rtc.light_peer import CM_SHA1, LightPeer, PeerError
from tests.support.crowd_room import sending
from tests.unit.loadtest.rtc.test_light_peer import until


@contextlib.asynccontextmanager
async def other_make() -> AsyncIterator[RTCPeerConnection]:
    pc = RTCPeerConnection()
    try:
        yield pc
    finally:
        await pc.close()


async def statistics(pc: RTCPeerConnection, kind: str) -> list[Any]:
    return [each for each in (await pc.getStats()).values() if each.type == kind]


async def offered(pc: RTCPeerConnection) -> str:
    for track in (AudioStreamTrack(), VideoStreamTrack()):
        pc.addTransceiver(track, direction="sendonly")
    await pc.setLocalDescription(await pc.createOffer())
    return str(pc.localDescription.sdp)


async def answer_with(pc: RTCPeerConnection, peer: LightPeer, offer: str) -> None:
    await pc.setRemoteDescription(RTCSessionDescription(peer.answer(offer), "answer"))


async def test_it_answers_a_server_that_offers() -> None:
    peer = LightPeer("recvonly", feedback=True, srtp=(CM_SHA1,))
    async with other_make() as pc:
        try:
            await answer_with(pc, peer, await offered(pc))
            await peer.establish()
            assert not peer._transport.ice.controlling
            assert peer.srtp_profile is CM_SHA1
            await until(lambda: peer.counts.packets > 80 and peer.counts.rrs_sent > 1)
            reported = await statistics(pc, "remote-inbound-rtp")
            counts = peer.counts
            assert (counts.holes, counts.unopened) == (0, 0)
            assert {each.kind for each in peer.streams.values()} == {"audio", "video"}
            # What aiortc read in our receiver reports.
            assert {each.kind for each in reported} == {"audio", "video"}
            assert all(each.packetsLost == 0 for each in reported)
            sent = sum(each.packetsSent for each in await statistics(pc, "outbound-rtp"))
            await until(lambda: peer.packets >= sent)
        finally:
            await peer.close()


async def test_its_pli_reaches_an_encoder_of_another_make() -> None:
    peer = LightPeer("recvonly", feedback=True)
    async with other_make() as pc:
        try:
            await answer_with(pc, peer, await offered(pc))
            await peer.establish()
            feedback = peer._reception.feedback
            assert feedback is not None
            await until(lambda: len(peer.streams) == 2)
            (video,) = [ssrc for ssrc, each in peer.streams.items() if each.kind == "video"]
            await until(lambda: not feedback.awaits_key_frame(video))
            feedback._watched[video].pli_at = 0.0  # as after a hole that was given up
            await until(lambda: peer.counts.plis_sent == 1)
            await until(lambda: not feedback.awaits_key_frame(video))
        finally:
            await peer.close()


async def test_it_offers_and_is_the_dtls_server_of_an_active_answer() -> None:
    peer = LightPeer("sendonly")
    async with other_make() as pc:
        try:
            await pc.setRemoteDescription(RTCSessionDescription(peer.offer(), "offer"))
            await pc.setLocalDescription(await pc.createAnswer())
            answer = str(pc.localDescription.sdp)
            assert "a=setup:active" in answer
            peer.accept(answer)
            await peer.establish()
            assert peer.video_codec == "VP8"
            async with sending(peer):
                await until(lambda: peer._sending.streams[peer.ssrc_of("video")].packets > 60)
                # Our sender reports gave it the clock.
                await until(lambda: peer._upkeeps > 1)
            received = await statistics(pc, "inbound-rtp")
            assert {each.kind for each in received} == {"audio", "video"}
            assert all(each.packetsLost == 0 for each in received)
            assert sum(each.packetsReceived for each in received) > 60
        finally:
            await peer.close()


async def test_an_end_of_the_other_side_is_heard() -> None:
    peer = LightPeer("recvonly")
    ended = asyncio.Event()
    try:
        async with other_make() as pc:
            await answer_with(pc, peer, await offered(pc))
            await peer.establish()
            peer.on_dead = ended.set
        async with asyncio.timeout(10):
            await ended.wait()
        assert peer.why_dead == "the server closed the connection"
    finally:
        await peer.close()


def with_candidate(sdp: str, candidate: str) -> str:
    lines = [line for line in sdp.splitlines() if not line.startswith("a=candidate:")]
    at = next(index for index, line in enumerate(lines) if line.startswith("m="))
    return "\r\n".join([*lines[: at + 1], candidate, *lines[at + 1 :]])


async def test_a_wrong_fingerprint_is_said() -> None:
    peer = LightPeer("recvonly")
    async with other_make() as pc:
        try:
            offer = await offered(pc)
            digest = re.search(r"a=fingerprint:sha-256 (\S+)", offer)
            assert digest is not None
            await answer_with(pc, peer, offer.replace(digest[1], ":".join(["AB"] * 32)))
            with pytest.raises(PeerError, match="does not match its SDP fingerprint"):
                await peer.establish()
        finally:
            await peer.close()


async def join(peer: LightPeer, offer: str) -> None:
    peer.answer(offer)
    await peer.establish(timeout_s=0.2)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        ("a=candidate:1 1 udp 1 127.0.0.1 9 typ host", "no answer to ICE checks from 127.0.0.1:9 "),
        ("a=candidate:1 1 udp 1 2001:db8::1 9 typ host", "no UDP candidate over IPv4"),
    ],
)
async def test_a_port_that_nobody_answers_on(candidate: str, words: str) -> None:
    peer = LightPeer("recvonly")
    async with other_make() as pc:
        offer = with_candidate(await offered(pc), candidate)
    try:
        with pytest.raises(PeerError, match=words):
            await join(peer, offer)
    finally:
        await peer.close()


async def test_only_a_receiving_peer_answers() -> None:
    peer = LightPeer("sendonly")
    try:
        with pytest.raises(PeerError, match="only a receiving peer"):
            peer.answer("")
    finally:
        await peer.close()
