"""The seam between signaling and media: commands in, events out, plain values only.

Everything that crosses is a small `msgspec.Struct`, so that the same calls work inside one event
loop (`media.worker.LocalMedia`) and over a Unix socket to a media process (`media.seam_socket`).
No object is shared: a struct that crossed belongs to the receiver.

Commands that answer carry a `request_id`; exactly one of `Answered`, `IceRestarted`, `Stats`,
or `Refused` comes back with it. All other events are notifications.

Identifiers: `peer_id` names one transport (one WHIP, WHEP or SDK PeerConnection) and is an
unguessable string chosen by the caller. `track_id` is `participant/session/source`.
A slot is named by the `mid` of the viewer's offer (DESIGN 7.4).
"""

from __future__ import annotations

from typing import Literal, NewType, Protocol

import msgspec

PeerId = NewType("PeerId", str)
TrackId = NewType("TrackId", str)
RequestId = NewType("RequestId", str)

Kind = Literal["audio", "video"]
Source = Literal["camera", "microphone", "screen", "screen_audio"]
AUDIO_SOURCES: tuple[Source, ...] = ("microphone", "screen_audio")
SlotSize = Literal["big", "small", "hidden"]
"""How large a viewer shows a slot: the main picture, a tile, or not at all."""
LayerName = Literal["low", "medium", "high"]
"""Simulcast layers as people choose them. Of two encodings the upper is `high`; one is `high`."""


class CodecPolicy(msgspec.Struct, frozen=True):
    """What a room accepts, most preferred first, as lower-case encoding names."""

    audio: tuple[str, ...] = ("opus",)
    video: tuple[str, ...] = ("vp8", "h264", "vp9", "av1")


# --- commands: signaling -> media ---------------------------------------------------------------


class PublishOffer(msgspec.Struct, frozen=True, tag=True):
    """Answer a publisher's SDP offer (WHIP or SDK). Replies `Answered` or `Refused`.

    `owner` is `participant/session`; each m-line's source is looked up in `sources` by `mid`
    first, then by kind (`"audio"`, `"video"`). An m-line with neither is refused as `bad_sdp`.
    Peers of one `group` see each other's sources: with several workers they are kept together.
    """

    request_id: RequestId
    peer_id: PeerId
    sdp: str
    owner: str
    sources: dict[str, Source]
    policy: CodecPolicy = CodecPolicy()
    group: str = ""


class PlayOffer(msgspec.Struct, frozen=True, tag=True):
    """Answer a viewer's SDP offer (WHEP or SDK): every receive-only m-line becomes a slot.

    More m-lines of a kind than `max_audio` / `max_video` are refused as `too_many_slots`.
    Slots start empty; `PointSlot` fills them. `group` as in `PublishOffer`.
    """

    request_id: RequestId
    peer_id: PeerId
    sdp: str
    max_audio: int = 4
    max_video: int = 4
    policy: CodecPolicy = CodecPolicy()
    group: str = ""


class RestartIce(msgspec.Struct, frozen=True, tag=True):
    """New remote ICE credentials for a live peer (RFC 9725 §4.3.3). Replies `IceRestarted`.

    The old credentials keep working until the first authenticated check with the new ones.
    """

    request_id: RequestId
    peer_id: PeerId
    ufrag: str
    pwd: str


class PointSlot(msgspec.Struct, frozen=True, tag=True):
    """Feed slot `mid` of a viewer from `track_id`; None empties it.

    `generation` is chosen by signaling, grows with every change of the slot and comes back in
    `SlotLive`, so that a late event of an earlier assignment is never mistaken for the new one.
    Unknown peers, mids and tracks are ignored and counted: a hand-over may race a departure.
    """

    peer_id: PeerId
    mid: str
    track_id: TrackId | None
    generation: int


class PauseSlot(msgspec.Struct, frozen=True, tag=True):
    """Stop (or resume) sending on a slot without releasing it; it resumes on a key frame."""

    peer_id: PeerId
    mid: str
    paused: bool


class ShapeSlot(msgspec.Struct, frozen=True, tag=True):
    """How a viewer shows slot `mid`, and the best layer he wants there (None: no limit).

    A hidden slot costs no bandwidth; shown again it resumes on a key frame. A small one gets no
    more than the middle layer. New slots are big and without limit.
    """

    peer_id: PeerId
    mid: str
    size: SlotSize = "big"
    max_layer: LayerName | None = None


class MuteTrack(msgspec.Struct, frozen=True, tag=True):
    """Stop (or resume) forwarding a track to everybody; the publisher keeps sending."""

    track_id: TrackId
    muted: bool


class ClosePeer(msgspec.Struct, frozen=True, tag=True):
    """Close a transport and all its tracks or slots. Always followed by `PeerClosed`."""

    peer_id: PeerId
    reason: str


class QueryStats(msgspec.Struct, frozen=True, tag=True):
    """Ask for a `Stats` snapshot of some peers (all when `peer_ids` is empty)."""

    request_id: RequestId
    peer_ids: tuple[PeerId, ...] = ()


class TrackFormat(msgspec.Struct, frozen=True):
    """What was negotiated for a track, as far as another media worker must know it: the payload
    format that viewers' formats are compared with. `block_payload_type`: see `SourceOptions`."""

    payload_type: int
    clock_rate: int
    channels: int = 1
    parameters: tuple[tuple[str, str], ...] = ()
    block_payload_type: int | None = None


class ExportTrack(msgspec.Struct, frozen=True, tag=True):
    """Between workers: send a track published here to another worker, too, as `channel`.

    `link` is where that worker listens. Ends with `StopRelay`, or with the track.
    """

    channel: int
    track_id: TrackId
    link: str


class ImportTrack(msgspec.Struct, frozen=True, tag=True):
    """Between workers: a track published elsewhere will come as `channel`; slots may be pointed at
    it from now on. Its `TrackStarted` and `TrackEnded` are told by the worker of the publisher."""

    channel: int
    track: TrackInfo
    format: TrackFormat


class StopRelay(msgspec.Struct, frozen=True, tag=True):
    """Between workers: forget a channel, at either end."""

    channel: int


Command = (
    PublishOffer
    | PlayOffer
    | RestartIce
    | PointSlot
    | PauseSlot
    | ShapeSlot
    | MuteTrack
    | ClosePeer
    | QueryStats
    | ExportTrack
    | ImportTrack
    | StopRelay
)


# --- events: media -> signaling -----------------------------------------------------------------


class TrackInfo(msgspec.Struct, frozen=True):
    """One published track: `codec` is the lower-case encoding name (`"vp8"`, `"opus"`)."""

    track_id: TrackId
    mid: str
    kind: Kind
    source: Source
    codec: str
    rids: tuple[str, ...] = ()
    """Simulcast encodings (RFC 8853), lowest first; empty without simulcast."""


class SlotInfo(msgspec.Struct, frozen=True):
    """One receive-only place of a viewer's offer; `codecs` is what the viewer can take there."""

    mid: str
    kind: Kind
    codecs: tuple[str, ...]


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The SDP answer to an offer. `ice_tag` identifies the ICE session (the WHIP ETag); `formats`
    are of `tracks`, in their order."""

    request_id: RequestId
    peer_id: PeerId
    sdp: str
    ice_tag: str
    tracks: tuple[TrackInfo, ...] = ()
    slots: tuple[SlotInfo, ...] = ()
    formats: tuple[TrackFormat, ...] = ()


class IceRestarted(msgspec.Struct, frozen=True, tag=True):
    """New local ICE credentials and candidates (values of `a=candidate:` lines)."""

    request_id: RequestId
    peer_id: PeerId
    ice_tag: str
    ufrag: str
    pwd: str
    candidates: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True, tag=True):
    """A command that wanted an answer was refused; `code` is listed in `media.errors`."""

    request_id: RequestId
    peer_id: PeerId
    code: str
    message: str


class PeerConnected(msgspec.Struct, frozen=True, tag=True):
    """ICE and DTLS are done, the fingerprint matched; `srtp_profile` is the IANA name.

    `ice_ms` ran from our answer to the first authenticated check, `dtls_ms` from there to the keys.
    """

    peer_id: PeerId
    srtp_profile: str
    ice_ms: float | None = None
    dtls_ms: float | None = None


class PeerSilent(msgspec.Struct, frozen=True, tag=True):
    """No authenticated check and no SRTP for 5 s (DESIGN 3.1)."""

    peer_id: PeerId


class PeerHeard(msgspec.Struct, frozen=True, tag=True):
    """A silent peer is heard again."""

    peer_id: PeerId


class PeerClosed(msgspec.Struct, frozen=True, tag=True):
    """A transport is gone: `reason` is the one commanded, or `silent`, `dtls_failed`,
    `dtls_timeout`, `ice_timeout`, `remote_closed`."""

    peer_id: PeerId
    reason: str


class TrackStarted(msgspec.Struct, frozen=True, tag=True):
    """The first packet of a track arrived."""

    peer_id: PeerId
    track: TrackInfo


class TrackEnded(msgspec.Struct, frozen=True, tag=True):
    """A started track will send no more (its peer closed or was replaced)."""

    peer_id: PeerId
    track_id: TrackId


class SlotLive(msgspec.Struct, frozen=True, tag=True):
    """The first forwarded packet (video: of a key frame) of an assignment left for the viewer.

    `rtp_timestamp` is that packet's outgoing timestamp in ticks of the codec clock;
    `media_time_ms` its capture time on the server's wall clock (None until a sender report).
    """

    peer_id: PeerId
    mid: str
    generation: int
    rtp_timestamp: int
    media_time_ms: int | None


class SlotUnsupported(msgspec.Struct, frozen=True, tag=True):
    """The viewer cannot take the codec of the track it was pointed at; nothing is sent."""

    peer_id: PeerId
    mid: str
    generation: int
    codec: str


class QualitySample(msgspec.Struct, frozen=True, tag=True):
    """What one connection looked like over the last `window_s` seconds.

    `loss` is a fraction 0..1 (uplink: packets that never arrived; downlink: from the viewer's
    receiver reports). None means not known (yet); `estimate_bps` is what a viewer's receiver says
    that it can take (REMB).
    """

    peer_id: PeerId
    direction: Literal["uplink", "downlink"]
    window_s: float
    bitrate_bps: int
    loss: float
    rtt_ms: float | None
    jitter_ms: float | None = None
    estimate_bps: int | None = None


class LayerStats(msgspec.Struct, frozen=True):
    """One encoding of a published track. `rid` is empty without simulcast; `bitrate_bps` is of the
    last seconds, 0 while it is not being sent. Counters run since the track began."""

    rid: str
    bitrate_bps: int
    packets: int
    lost: int
    recovered: int
    loss: float
    jitter_ms: float
    nacks: int
    plis: int
    keyframes: int


class TrackStats(msgspec.Struct, frozen=True):
    """One published track; `layers` lowest first."""

    track_id: TrackId
    codec: str
    layers: tuple[LayerStats, ...]


class SlotStats(msgspec.Struct, frozen=True):
    """One slot of a viewer. `layer` is what is being sent (None: nothing), `temporal` the highest
    temporal layer let through (None: all), `limited_by` why it is not more."""

    mid: str
    track_id: TrackId | None
    size: SlotSize
    layer: LayerName | None
    temporal: int | None
    limited_by: Literal["nothing", "bandwidth", "size", "choice"]
    bitrate_bps: int
    packets: int
    lost: int
    loss: float
    jitter_ms: float
    rtt_ms: float | None
    nacks: int
    retransmitted: int
    switches: int


class PeerStats(msgspec.Struct, frozen=True):
    """Counters of one transport since it was created (packets, bytes of RTP incl. header).

    Loss is counted per hop. `lost_in`: packets of a publisher that never came, not even again;
    `recovered` those that came after we asked. `lost_out`: what a viewer's receiver reports say
    was lost (before repair), `retransmitted` what was sent again, `resend_missing` what we had not
    (any more) when asked. `loss` (0..1) is the share lost on the hop, before repair, between the
    last two reports; of a viewer's slots the worst. `rtt_ms` is None while not known.
    """

    peer_id: PeerId
    state: str
    srtp_profile: str | None
    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int
    nacks_in: int
    nacks_out: int
    plis_in: int
    plis_out: int
    twcc_out: int
    """Transport-wide feedback packets to a publisher."""
    retransmitted: int
    resend_missing: int
    recovered: int
    lost_in: int
    lost_out: int
    loss: float
    dropped: dict[str, int]
    rtt_ms: float | None
    estimate_bps: int | None
    tracks: tuple[TrackStats, ...] = ()
    slots: tuple[SlotStats, ...] = ()


class Stats(msgspec.Struct, frozen=True, tag=True):
    """Answer to `QueryStats`. `totals` are the counters of the whole plane, for `/metrics`; empty
    when some peers were asked for."""

    request_id: RequestId
    peers: tuple[PeerStats, ...]
    totals: dict[str, int]


Event = (
    Answered
    | IceRestarted
    | Refused
    | PeerConnected
    | PeerSilent
    | PeerHeard
    | PeerClosed
    | TrackStarted
    | TrackEnded
    | SlotLive
    | SlotUnsupported
    | QualitySample
    | Stats
)


class EventHandler(Protocol):
    """Called in the event loop for every event, in order; must not block or raise."""

    def __call__(self, event: Event, /) -> None: ...


class MediaPort(Protocol):
    """Signaling's only door to media. `send` never blocks and never raises."""

    def send(self, command: Command) -> None: ...

    def subscribe(self, handler: EventHandler) -> None:
        """Set the one receiver of events; must be called before the first `send`."""
        ...


def track_id(owner: str, source: Source) -> TrackId:
    """`participant/session` + source -> the track's id."""
    return TrackId(f"{owner}/{source}")
