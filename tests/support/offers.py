"""SDP offers of a WebRTC client that we did not write (aiortc), without connecting anything."""

from __future__ import annotations

from typing import Literal

from aiortc import RTCPeerConnection


async def offer(
    direction: Literal["sendonly", "recvonly"], *, audio: int = 1, video: int = 1
) -> str:
    """An offer with so many m-lines of each kind, candidates included."""
    peer = RTCPeerConnection()
    try:
        for _ in range(audio):
            peer.addTransceiver("audio", direction=direction)
        for _ in range(video):
            peer.addTransceiver("video", direction=direction)
        await peer.setLocalDescription(await peer.createOffer())
        return peer.localDescription.sdp
    finally:
        await peer.close()


FRAGMENT = (
    "a=ice-ufrag:EsAw\r\n"
    "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
    "a=mid:0\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"
    "a=end-of-candidates\r\n"
)
"""A trickle fragment as in RFC 9725 §4.3.2."""
