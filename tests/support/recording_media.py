"""A `MediaPort` that plays a script: for tests of rooms that do not test media.

It is the other side of a port, not a stand-in for a part under test; real media is tested over real
sockets elsewhere. An "SDP" here is words: `audio video video` offers three m-lines with the mids
0, 1, 2; `refuse:bad_sdp` is refused; `silence` is never answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from media import seam
from media.seam import Kind, PeerId, SlotInfo, TrackInfo, track_id


class RecordingMedia:
    """Answers offers in the next turn of the loop; everything else happens when a test says so."""

    def __init__(self) -> None:
        self.commands: list[seam.Command] = []
        self.tracks: dict[PeerId, tuple[TrackInfo, ...]] = {}
        self.slots: dict[PeerId, tuple[SlotInfo, ...]] = {}
        self.stats: dict[PeerId, seam.PeerStats] = {}
        """What is told of a peer when it is asked for."""
        self._handler: seam.EventHandler | None = None
        self._changed = asyncio.Event()

    def subscribe(self, handler: seam.EventHandler) -> None:
        self._handler = handler

    def send(self, command: seam.Command) -> None:
        self.commands.append(command)
        self._changed.set()
        asyncio.get_running_loop().call_soon(self._answer, command)

    # --- what a test makes happen ---------------------------------------------------------------

    def say(self, event: seam.Event) -> None:
        assert self._handler is not None
        self._handler(event)

    def connect(self, peer_id: str) -> None:
        """ICE and DTLS are done, and the first packet of every track arrives."""
        peer = PeerId(peer_id)
        self.say(seam.PeerConnected(peer, "SRTP_AEAD_AES_128_GCM"))
        for track in self.tracks.get(peer, ()):
            self.say(seam.TrackStarted(peer, track))

    def end(self, peer_id: str, reason: str) -> None:
        """The transport is gone, with all that it carried."""
        peer = PeerId(peer_id)
        for track in self.tracks.pop(peer, ()):
            self.say(seam.TrackEnded(peer, track.track_id))
        self.slots.pop(peer, None)
        self.say(seam.PeerClosed(peer, reason))

    # --- what a test looks at -------------------------------------------------------------------

    def closed(self) -> dict[str, str]:
        """Peers that were commanded to close, with the reason."""
        return {c.peer_id: c.reason for c in self.commands if isinstance(c, seam.ClosePeer)}

    def pointed(self, peer_id: str) -> dict[str, str | None]:
        """What each slot of a viewer was pointed at last."""
        return {
            c.mid: c.track_id
            for c in self.commands
            if isinstance(c, seam.PointSlot) and c.peer_id == peer_id
        }

    async def until(self, is_so: Callable[[], bool], limit_s: float = 5.0) -> None:
        """Wait until something is true after some command."""
        async with asyncio.timeout(limit_s):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    # --- answers --------------------------------------------------------------------------------

    def _answer(self, command: seam.Command) -> None:
        match command:
            case seam.PublishOffer() | seam.PlayOffer():
                self._answer_offer(command)
            case seam.RestartIce():
                self.say(
                    seam.IceRestarted(command.request_id, command.peer_id, "tag2", "u", "p", ())
                )
            case seam.QueryStats():
                known = (self.stats.get(peer_id) for peer_id in command.peer_ids)
                found = tuple(stats for stats in known if stats is not None)
                self.say(seam.Stats(command.request_id, found, {}))
            case seam.ClosePeer():
                if command.peer_id in self.tracks or command.peer_id in self.slots:
                    self.end(command.peer_id, command.reason)
            case _:
                pass

    def _answer_offer(self, command: seam.PublishOffer | seam.PlayOffer) -> None:
        request_id, peer_id = command.request_id, command.peer_id
        if command.sdp == "silence":
            return
        if command.sdp.startswith("refuse:"):
            code = command.sdp.removeprefix("refuse:")
            self.say(seam.Refused(request_id, peer_id, code, "as the test wants"))
            return
        kinds: list[Kind] = ["audio" if w == "audio" else "video" for w in command.sdp.split()]
        if isinstance(command, seam.PublishOffer):
            tracks = tuple(_track(command, str(mid), kind) for mid, kind in enumerate(kinds))
            self.tracks[peer_id] = tracks
            self.say(seam.Answered(request_id, peer_id, "answer", "tag1", tracks=tracks))
        else:
            slots = tuple(SlotInfo(str(mid), kind, ("vp8",)) for mid, kind in enumerate(kinds))
            self.slots[peer_id] = slots
            self.say(seam.Answered(request_id, peer_id, "answer", "tag1", slots=slots))


def _track(command: seam.PublishOffer, mid: str, kind: Kind) -> TrackInfo:
    source = command.sources.get(mid) or command.sources[kind]
    codec = "opus" if kind == "audio" else "vp8"
    return TrackInfo(track_id(command.owner, source), mid, kind, source, codec)
