"""The room protocol, version 1: every message that crosses `/ws` (docs/protocol.md).

One schema, two encodings chosen by WebSocket subprotocol: JSON text frames (`lianmai.json`) and
MessagePack binary frames (`lianmai.msgpack`). A message is a map whose `type` names it.
A client sends one message per WebSocket frame. The server sends `Batch` frames: direct replies
and broadcasts, already in lane order, with the positions that hold after the batch.

Unknown fields are ignored and unknown server message types must be skipped by clients, so that
N and N-1 understand each other.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from media.seam import LayerName, SlotSize
from signaling.views import (
    ChatView,
    IceServer,
    InviteView,
    MediaChoice,
    ProductView,
    ProfileView,
    QuestionSource,
    QuestionView,
    RequestView,
    Role,
    SeatSignal,
    SeatView,
    ShelfView,
    ShowView,
    SlotMap,
    SourceName,
    StageView,
)

VERSION: Final = 1
SUBPROTOCOLS: Final = ("lianmai.json", "lianmai.msgpack")
MAX_FRAME_BYTES: Final = 64 * 1024
"""Largest client frame; an SDP offer of 8 m-lines is some 20 kB."""
MAX_TEXT_CHARS: Final = 500

MessageKey = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""Chosen by the client, unique per person: makes a retry harmless and names the reply."""
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)]
Sdp = Annotated[str, msgspec.Meta(max_length=MAX_FRAME_BYTES)]
Name = Annotated[str, msgspec.Meta(max_length=64)]
Position = Annotated[str, msgspec.Meta(max_length=64)]
Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Mid = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
"""RFC 8843 §9.1 leaves its length open; browsers use one or two digits."""
Millis = Annotated[int, msgspec.Meta(ge=0, le=600_000)]
"""A stretch of time that a client measured: ten minutes at most."""
Permille = Annotated[int, msgspec.Meta(ge=0, le=1_000)]
Kbps = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Pixels = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


# --- client -> server ---------------------------------------------------------------------------


class Positions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a client stands in the room's two streams; opaque strings of the server's."""

    log: Position | None = None
    chat: Position | None = None


class ClientMessage(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=False):
    """Base of everything that a client may send."""


class Join(ClientMessage, frozen=True, tag="join"):
    """The first message, within 5 s. `resume` asks for what was missed since those positions."""

    token: Annotated[str, msgspec.Meta(max_length=4096)]
    resume: Positions | None = None
    conn: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """The connection id of the socket that this one continues (from its `welcome`)."""
    lang: Annotated[str, msgspec.Meta(max_length=16)] | None = None
    client: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Chat(ClientMessage, frozen=True, tag="chat"):
    id: MessageKey
    text: Text


class Ask(ClientMessage, frozen=True, tag="ask"):
    """A buyer's question; acknowledged only when durable."""

    id: MessageKey
    text: Text
    product_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Like(ClientMessage, frozen=True, tag="like"):
    """`count` taps since the last one; not acknowledged."""

    count: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1


class AnswerQuestion(ClientMessage, frozen=True, tag="answer_question"):
    """Host or staff: answered live when `text` is None."""

    id: MessageKey
    question_id: MessageKey
    text: Text | None = None


class DismissQuestion(ClientMessage, frozen=True, tag="dismiss_question"):
    id: MessageKey
    question_id: MessageKey


class ClaimQuestion(ClientMessage, frozen=True, tag="claim_question"):
    """Host or staff: "I answer this one". Everybody is told, the askers' pages light up."""

    id: MessageKey
    question_id: MessageKey


class ReleaseQuestion(ClientMessage, frozen=True, tag="release_question"):
    """Host or staff: nobody answers it at the moment."""

    id: MessageKey
    question_id: MessageKey


class RequestMic(ClientMessage, frozen=True, tag="request_mic"):
    id: MessageKey
    media: MediaChoice = "video"


class CancelRequest(ClientMessage, frozen=True, tag="cancel_request"):
    id: MessageKey


class AcceptRequest(ClientMessage, frozen=True, tag="accept_request"):
    """Host or staff: the waiting viewer takes a free seat at once."""

    id: MessageKey
    subject: Name


class RejectRequest(ClientMessage, frozen=True, tag="reject_request"):
    id: MessageKey
    subject: Name


class Invite(ClientMessage, frozen=True, tag="invite"):
    """Host or staff: promise a seat to a viewer for 30 s."""

    id: MessageKey
    subject: Name


class CancelInvite(ClientMessage, frozen=True, tag="cancel_invite"):
    id: MessageKey
    subject: Name


class AcceptInvite(ClientMessage, frozen=True, tag="accept_invite"):
    id: MessageKey


class DeclineInvite(ClientMessage, frozen=True, tag="decline_invite"):
    id: MessageKey


class LeaveSeat(ClientMessage, frozen=True, tag="leave_seat"):
    id: MessageKey


class RemoveGuest(ClientMessage, frozen=True, tag="remove_guest"):
    """Host or staff: empty a guest's seat."""

    id: MessageKey
    subject: Name


class MuteSeat(ClientMessage, frozen=True, tag="mute_seat"):
    """Host or staff: stop (or allow again) one source of a seat for everybody."""

    id: MessageKey
    subject: Name
    source: SourceName
    muted: bool


class SetSlowMode(ClientMessage, frozen=True, tag="set_slow_mode"):
    """Host or staff: seconds between two chat messages of one person; 0 ends slow mode."""

    id: MessageKey
    seconds: Annotated[int, msgspec.Meta(ge=0, le=600)]


class StartShow(ClientMessage, frozen=True, tag="start_show"):
    """Host: a new show begins (publishing as host does the same)."""

    id: MessageKey
    title: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class EndShow(ClientMessage, frozen=True, tag="end_show"):
    id: MessageKey


class PinProduct(ClientMessage, frozen=True, tag="pin_product"):
    """Host or staff: show the card of a product on every page, instead of the one before."""

    id: MessageKey
    sku: Sku


class UnpinProduct(ClientMessage, frozen=True, tag="unpin_product"):
    """Host or staff: take the card down; without effect when another product is pinned."""

    id: MessageKey
    sku: Sku


class ClickProduct(ClientMessage, frozen=True, tag="click_product"):
    """The person followed the card of the pinned product. Not acknowledged; a product that is
    not on the shelf is ignored, as the card may have changed under the finger."""

    sku: Sku


class Publish(ClientMessage, frozen=True, tag="publish"):
    """An SDP offer that sends; replied by `sdp_answer`. `sources` maps m-line `mid` to source."""

    id: MessageKey
    sdp: Sdp
    sources: dict[str, SourceName]


class Play(ClientMessage, frozen=True, tag="play"):
    """An SDP offer of receive-only slots; replied by `sdp_answer`, then `slots`."""

    id: MessageKey
    sdp: Sdp


class StopMedia(ClientMessage, frozen=True, tag="stop_media"):
    """Close a transport of this connection (`peer_id` from `sdp_answer`)."""

    id: MessageKey
    peer_id: Name


class ShapeSlot(ClientMessage, frozen=True, tag="shape_slot"):
    """How this viewer shows a slot of its transport, and the best layer wanted there (None: no
    limit). Not acknowledged; unknown peers and mids are ignored, as a departure may race it."""

    peer_id: Name
    mid: Mid
    size: SlotSize
    max_layer: LayerName | None = None


class RestartIce(ClientMessage, frozen=True, tag="restart_ice"):
    """New ICE credentials of a transport of this connection (RFC 8839 §5.4); replied by
    `ice_restarted`. Media goes on meanwhile."""

    id: MessageKey
    peer_id: Name
    ufrag: Annotated[str, msgspec.Meta(min_length=4, max_length=256, pattern="^[A-Za-z0-9+/]+$")]
    pwd: Annotated[str, msgspec.Meta(min_length=22, max_length=256, pattern="^[A-Za-z0-9+/]+$")]


class Trickle(ClientMessage, frozen=True, tag="trickle"):
    """A candidate found later (None: there will be no more). Acknowledged and not needed: the
    server is ICE-lite and learns addresses from checks."""

    id: MessageKey
    peer_id: Name
    candidate: Annotated[str, msgspec.Meta(max_length=512)] | None


class ReportQuality(ClientMessage, frozen=True, tag="report_quality"):
    """What the client saw of one transport over the last `window_ms` (about 10 s); not
    acknowledged, unknown peers are ignored. Pictures: the largest one shown or sent."""

    peer_id: Name
    window_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)]
    loss_pm: Permille
    fps: Annotated[int, msgspec.Meta(ge=0, le=1_000)]
    width: Pixels
    height: Pixels
    kbps_in: Kbps
    kbps_out: Kbps
    freezes: Count
    freeze_ms: Millis
    concealed_pm: Permille
    """Of all audio samples played in the window, those that were made up."""
    rtt_ms: Millis | None = None
    jitter_ms: Millis | None = None
    av_skew_ms: Annotated[int, msgspec.Meta(ge=-600_000, le=600_000)] | None = None
    """How much the picture is shown after its sound; negative: before."""


class ReportJoin(ClientMessage, frozen=True, tag="report_join"):
    """How long joining took, once a transport: milliseconds since the ask (`publish`, `play`, or
    the POST) began, None when not known. Not acknowledged, unknown peers are ignored."""

    peer_id: Name
    http_ms: Millis | None = None
    """Until the answer was there."""
    ice_ms: Millis | None = None
    dtls_ms: Millis | None = None
    first_packet_ms: Millis | None = None
    first_frame_ms: Millis | None = None
    """Until the first picture was decoded (playing) or encoded (publishing)."""


class GetProfile(ClientMessage, frozen=True, tag="get_profile"):
    """Host or staff: what the room remembers about a person; replied by `profile`."""

    id: MessageKey
    subject: Name


class Ping(ClientMessage, frozen=True, tag="ping"):
    """Browsers cannot see WebSocket pings; this one is answered by `pong`."""

    id: MessageKey


InMessage = (
    Join
    | Chat
    | Ask
    | Like
    | AnswerQuestion
    | DismissQuestion
    | ClaimQuestion
    | ReleaseQuestion
    | RequestMic
    | CancelRequest
    | AcceptRequest
    | RejectRequest
    | Invite
    | CancelInvite
    | AcceptInvite
    | DeclineInvite
    | LeaveSeat
    | RemoveGuest
    | MuteSeat
    | SetSlowMode
    | StartShow
    | EndShow
    | PinProduct
    | UnpinProduct
    | ClickProduct
    | Publish
    | Play
    | StopMedia
    | ShapeSlot
    | RestartIce
    | Trickle
    | ReportQuality
    | ReportJoin
    | GetProfile
    | Ping
)


# --- server -> client: room events (kept in the room log) -----------------------------------------


class RoomEvent(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """Base of everything that the room log keeps; past tense, the state change already holds."""


class ShowChanged(RoomEvent, frozen=True, tag="show_changed"):
    show: ShowView


class SeatTaken(RoomEvent, frozen=True, tag="seat_taken"):
    seat: SeatView


class SeatChanged(RoomEvent, frozen=True, tag="seat_changed"):
    """Sources, mutes or the reconnecting state of a seat changed."""

    seat: SeatView


class SeatLeft(RoomEvent, frozen=True, tag="seat_left"):
    seat: int
    subject: str
    reason: Literal["left", "removed", "grace_expired", "show_ended"]
    on_ms: int
    """How long the seat was taken."""


class MicRequested(RoomEvent, frozen=True, tag="mic_requested"):
    """Audience: staff and the person."""

    request: RequestView


class MicRequestEnded(RoomEvent, frozen=True, tag="mic_request_ended"):
    """Audience: staff and the person."""

    subject: str
    outcome: Literal["accepted", "rejected", "cancelled", "expired", "left", "show_ended"]
    """`left`: the person left the room."""


class InviteSent(RoomEvent, frozen=True, tag="invite_sent"):
    """Audience: staff and the person."""

    invite: InviteView


class InviteEnded(RoomEvent, frozen=True, tag="invite_ended"):
    """Audience: staff and the person."""

    subject: str
    outcome: Literal["accepted", "declined", "cancelled", "expired", "left", "show_ended"]
    """`left`: the person left the room."""


class QuestionAsked(RoomEvent, frozen=True, tag="question_asked"):
    """Audience: staff and the asker (later: everybody, as a card)."""

    question: QuestionView


class QuestionJoined(RoomEvent, frozen=True, tag="question_joined"):
    """Somebody asked what an open question asks already: it folds into that card.
    Audience: staff and the person."""

    question_id: str
    """The card's."""
    ask_id: str
    """Of this asking: what its `ack` named."""
    subject: str
    name: str
    text: str
    asked_ms: int
    count: int
    """People who ask it now."""
    source: QuestionSource = "asked"


class QuestionClaimed(RoomEvent, frozen=True, tag="question_claimed"):
    """Audience: everybody. `by` is the display name of who answers it now; None: nobody."""

    question_id: str
    by: str | None = None
    claimed_ms: int | None = None


class QuestionAnswered(RoomEvent, frozen=True, tag="question_answered"):
    """Audience: everybody, so every asker hears it at once. `response_ms` runs from the first
    asking to answering."""

    question: QuestionView
    response_ms: int


class QuestionDismissed(RoomEvent, frozen=True, tag="question_dismissed"):
    """Audience: staff and the asker; everybody when several asked it, and `subject` is empty."""

    question_id: str
    subject: str


class QuestionExpired(RoomEvent, frozen=True, tag="question_expired"):
    """Nobody answered it for so long that nobody will. Audience: as of `question_dismissed`."""

    question_id: str
    subject: str


class ProductListed(RoomEvent, frozen=True, tag="product_listed"):
    """Audience: staff. The shop added a product to the room, or changed it."""

    product: ProductView


class ProductDelisted(RoomEvent, frozen=True, tag="product_delisted"):
    """Audience: staff. The product is not sold here any more."""

    sku: str


class ProductPinned(RoomEvent, frozen=True, tag="product_pinned"):
    """Audience: everybody. Its card replaces the one before; said again when it changed."""

    product: ProductView


class ProductUnpinned(RoomEvent, frozen=True, tag="product_unpinned"):
    """Audience: everybody."""

    sku: str


class OrderPlaced(RoomEvent, frozen=True, tag="order_placed"):
    """Audience: everybody. Somebody bought a product of the room; `name` is masked."""

    name: str
    sku: str
    title: str
    qty: int
    at_ms: int


class SlowModeChanged(RoomEvent, frozen=True, tag="slow_mode_changed"):
    """Seconds between two chat messages of one person from now on; 0: slow mode is over.
    `by` is a display name."""

    slow_mode_s: int
    by: str


class ChatSaid(RoomEvent, frozen=True, tag="chat_said"):
    """Kept in the chat stream; audience: everybody."""

    chat: ChatView


LogEvent = (
    ShowChanged
    | SeatTaken
    | SeatChanged
    | SeatLeft
    | MicRequested
    | MicRequestEnded
    | InviteSent
    | InviteEnded
    | QuestionAsked
    | QuestionJoined
    | QuestionClaimed
    | QuestionAnswered
    | QuestionDismissed
    | QuestionExpired
    | ProductListed
    | ProductDelisted
    | ProductPinned
    | ProductUnpinned
    | OrderPlaced
    | SlowModeChanged
    | ChatSaid
)


# --- server -> client: direct and ambient (never stored) ------------------------------------------


class ServerMessage(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """Base of everything that is not kept: replies, slots, counts."""


class You(msgspec.Struct, frozen=True):
    subject: str
    name: str
    role: Role
    grants: tuple[str, ...]


class SlotCounts(msgspec.Struct, frozen=True):
    audio: int
    video: int


class Welcome(ServerMessage, frozen=True, tag="welcome"):
    """The reply to `join`. Without `recovered` the snapshot replaces what the client knew;
    with it, the missed events follow and the snapshot is still the state after them."""

    version: int
    room: str
    conn: str
    you: You
    server_ms: int
    recovered: bool
    show: ShowView
    stage: StageView
    questions: tuple[QuestionView, ...]
    """Open ones: all for host and staff, one's own for others; then the latest answered."""
    chat: tuple[ChatView, ...]
    """Latest history, oldest first; empty when resuming."""
    slots: SlotCounts
    viewers: int
    likes: int
    ice_servers: tuple[IceServer, ...] = ()
    shelf: ShelfView = ShelfView()
    slow_mode_s: int = 0
    """Seconds between two chat messages of one person; 0: no slow mode."""


class TokenRenewed(ServerMessage, frozen=True, tag="token_renewed"):
    """A fresh token to come back with; sent well before the old one expires."""

    token: str
    expires_ms: int


class Ack(ServerMessage, frozen=True, tag="ack"):
    """Message `id` was accepted (durable lanes: and is durable). `result` may name what it made."""

    id: str
    result: dict[str, str | int] | None = None


class Error(ServerMessage, frozen=True, tag="error"):
    """The one error shape (DESIGN 7.10); codes are listed in `signaling.errors`. With `lane` it
    is the receipt of a message that was not let in: `reason` says which limit it met."""

    code: str
    message: str
    retryable: bool
    id: str | None = None
    retry_after_ms: int | None = None
    lane: str | None = None
    reason: str | None = None


class SdpAnswer(ServerMessage, frozen=True, tag="sdp_answer"):
    id: str
    peer_id: str
    sdp: str


class IceRestarted(ServerMessage, frozen=True, tag="ice_restarted"):
    """Our new ICE credentials; `candidates` are the values of `a=candidate:` lines."""

    id: str
    peer_id: str
    ufrag: str
    pwd: str
    candidates: tuple[str, ...]


class Slots(ServerMessage, frozen=True, tag="slots"):
    """The full map of one transport: after `play` and after a resume."""

    peer_id: str
    slots: tuple[SlotMap, ...]


class SlotAssigned(ServerMessage, frozen=True, tag="slot_assigned"):
    peer_id: str
    slot: SlotMap


class SlotIsLive(ServerMessage, frozen=True, tag="slot_live"):
    """The new source's first key frame left for you: show it, not the old picture."""

    peer_id: str
    mid: str
    generation: int
    rtp_timestamp: int
    media_time_ms: int | None = None


class SlotProblem(ServerMessage, frozen=True, tag="slot_problem"):
    """Your browser lacks the codec of this source (`unsupported_codec`)."""

    peer_id: str
    mid: str
    generation: int
    code: str
    codec: str


class PeerState(ServerMessage, frozen=True, tag="peer_state"):
    """A media transport of this connection changed."""

    peer_id: str
    state: Literal["connected", "silent", "heard", "closed"]
    reason: str = ""


class Counts(ServerMessage, frozen=True, tag="counts"):
    """At most one a second: who is here, likes of the show."""

    viewers: int
    likes: int


class SeatQuality(ServerMessage, frozen=True, tag="seat_quality"):
    """Host and staff: how well each seat that publishes is heard, every 2 to 3 s while it
    changes. A seat that is missing publishes nothing."""

    seats: tuple[SeatSignal, ...]


class Shed(ServerMessage, frozen=True, tag="shed"):
    """`count` messages of `lane` did not reach you."""

    lane: str
    count: int
    reason: Literal["slow_reader", "flood"]


class MessageShed(ServerMessage, frozen=True, tag="message_shed"):
    """To the author alone: your message `message_id` was acknowledged, but more was said than a
    room can read, and readers of this server were not shown it. Say it again later."""

    message_id: str
    lane: str
    reason: Literal["flood"]
    retry_after_ms: int


class ChatRate(ServerMessage, frozen=True, tag="chat_rate"):
    """Chat messages a second, here: what is shown of what was received. To host and staff each
    second in which somebody wrote, to everybody only while not everything is shown."""

    shown: int
    received: int


class Profile(ServerMessage, frozen=True, tag="profile"):
    id: str
    profile: ProfileView


class Pong(ServerMessage, frozen=True, tag="pong"):
    id: str
    server_ms: int


DirectMessage = (
    Welcome
    | TokenRenewed
    | Ack
    | Error
    | SdpAnswer
    | IceRestarted
    | Slots
    | SlotAssigned
    | SlotIsLive
    | SlotProblem
    | PeerState
    | Counts
    | SeatQuality
    | Shed
    | MessageShed
    | ChatRate
    | Profile
    | Pong
)

OutMessage = (
    ShowChanged
    | SeatTaken
    | SeatChanged
    | SeatLeft
    | MicRequested
    | MicRequestEnded
    | InviteSent
    | InviteEnded
    | QuestionAsked
    | QuestionJoined
    | QuestionClaimed
    | QuestionAnswered
    | QuestionDismissed
    | QuestionExpired
    | ProductListed
    | ProductDelisted
    | ProductPinned
    | ProductUnpinned
    | OrderPlaced
    | SlowModeChanged
    | ChatSaid
    | Welcome
    | TokenRenewed
    | Ack
    | Error
    | SdpAnswer
    | IceRestarted
    | Slots
    | SlotAssigned
    | SlotIsLive
    | SlotProblem
    | PeerState
    | Counts
    | SeatQuality
    | Shed
    | MessageShed
    | ChatRate
    | Profile
    | Pong
)


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """One server frame. `log` and `chat` are the positions after it, when it moved them."""

    messages: tuple[OutMessage, ...]
    log: str | None = None
    chat: str | None = None
