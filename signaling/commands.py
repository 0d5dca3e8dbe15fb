"""Commands of a room: what folds are asked to do, after authentication, as plain values.

A command with an `actor` comes from a person, who needs the grant in `GRANT_OF`. The others
state facts that the media plane or a socket noticed; they are never refused, except
`SourceStarted` of somebody without a seat (its transport has to be closed).

Identifiers (`show_id`, `request_id`, `question_id`) are made by the caller: folds know no
randomness, and a repeated command carries the same id again.
"""

from __future__ import annotations

from typing import Final

import msgspec

from signaling.actor import Actor
from signaling.ids import QuestionId, ShowId, Subject
from signaling.views import MediaChoice, ProductView, QuestionSource, SourceName


class Command(msgspec.Struct, frozen=True, tag=True):
    """Base of every command."""


class PersonCommand(Command, frozen=True):
    """Base of what a person asks for."""

    actor: Actor


# --- the show -----------------------------------------------------------------------------------


class StartShow(PersonCommand, frozen=True):
    """Begin a show (or come back into one that lost its host); the actor takes seat 0.

    `show_id` names the new show; it is ignored when the host comes back into a running one.
    `title` None keeps the room's title.
    """

    show_id: ShowId
    title: str | None = None


class EndShow(PersonCommand, frozen=True):
    """End the show: seats, requests and invites are emptied with it."""


class HostLost(Command, frozen=True):
    """Nothing is heard of the host's transport; the host grace starts."""

    subject: Subject


class HostReturned(Command, frozen=True):
    """The host's transport is heard again."""

    subject: Subject


# --- the stage ----------------------------------------------------------------------------------


class RequestMic(PersonCommand, frozen=True):
    """`request_id` is the stable id of this stage episode, from request to leaving the seat."""

    request_id: str
    media: MediaChoice = "video"


class CancelRequest(PersonCommand, frozen=True):
    pass


class AcceptRequest(PersonCommand, frozen=True):
    subject: Subject


class RejectRequest(PersonCommand, frozen=True):
    subject: Subject


class Target(msgspec.Struct, frozen=True):
    """The person who is to be invited, as presence knows them."""

    subject: Subject
    name: str
    is_present: bool


class Invite(PersonCommand, frozen=True):
    """`request_id` as in `RequestMic`."""

    request_id: str
    target: Target


class CancelInvite(PersonCommand, frozen=True):
    subject: Subject


class AcceptInvite(PersonCommand, frozen=True):
    pass


class DeclineInvite(PersonCommand, frozen=True):
    pass


class LeaveSeat(PersonCommand, frozen=True):
    pass


class RemoveGuest(PersonCommand, frozen=True):
    subject: Subject


class MuteSeat(PersonCommand, frozen=True):
    subject: Subject
    source: SourceName
    muted: bool


class SourceStarted(Command, frozen=True):
    """A source of a seated person sends; it also ends that person's reconnecting."""

    subject: Subject
    source: SourceName


class SourceStopped(Command, frozen=True):
    subject: Subject
    source: SourceName


class SeatConnectionLost(Command, frozen=True):
    """Nothing is heard of a seated person's transport; for the host it means `HostLost`."""

    subject: Subject


class SeatConnectionBack(Command, frozen=True):
    """A seated person is heard again; for the host it means `HostReturned`."""

    subject: Subject


class PersonLeft(Command, frozen=True):
    """The last socket of a person is gone for good: their request and invite end.

    A seat is not touched: OBS publishes without a socket, and a lost transport says
    `SeatConnectionLost`.
    """

    subject: Subject


# --- the chat -----------------------------------------------------------------------------------


class SetSlowMode(PersonCommand, frozen=True):
    """`seconds` between two chat messages of one person; 0 ends slow mode."""

    seconds: int


# --- questions ----------------------------------------------------------------------------------


class Ask(PersonCommand, frozen=True):
    """`question_id` is unique within the shop; asking again with it changes nothing.

    Which open question asks the same is found where the command is made, as the fold must say the
    same on every node: it folds into `into` when that is open, else into one with the same `key`.
    """

    question_id: QuestionId
    text: str
    product_id: str | None = None
    source: QuestionSource = "asked"
    intent: str | None = None
    reasons: tuple[str, ...] = ()
    into: QuestionId | None = None
    """The open question that is near enough."""
    key: str | None = None
    """Equal for questions that are surely one, so that two nodes that race make one card; None:
    it is like no other."""


class AnswerQuestion(PersonCommand, frozen=True):
    """`text` None: answered live, by voice."""

    question_id: QuestionId
    text: str | None = None


class DismissQuestion(PersonCommand, frozen=True):
    question_id: QuestionId


class ClaimQuestion(PersonCommand, frozen=True):
    """The actor answers it now; others see who."""

    question_id: QuestionId


class ReleaseQuestion(PersonCommand, frozen=True):
    """Nobody answers it at the moment; staff may release for each other."""

    question_id: QuestionId


# --- the shelf ----------------------------------------------------------------------------------


class PutProduct(PersonCommand, frozen=True):
    """List a product, or change the one with its sku."""

    product: ProductView


class RemoveProduct(PersonCommand, frozen=True):
    sku: str


class PinProduct(PersonCommand, frozen=True):
    sku: str


class UnpinProduct(PersonCommand, frozen=True):
    sku: str


class OrderLine(msgspec.Struct, frozen=True):
    sku: str
    qty: int


class PlaceOrder(Command, frozen=True):
    """The shop's back end says that an order was paid; `name` is the buyer's display name."""

    order_id: str
    name: str
    lines: tuple[OrderLine, ...]
    paid_ms: int


# --- time ---------------------------------------------------------------------------------------


class Tick(Command, frozen=True):
    """Nothing but time: settles every deadline that is due. Any node may send it."""


RoomCommand = (
    StartShow
    | EndShow
    | HostLost
    | HostReturned
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
    | SourceStarted
    | SourceStopped
    | SeatConnectionLost
    | SeatConnectionBack
    | PersonLeft
    | SetSlowMode
    | Ask
    | AnswerQuestion
    | DismissQuestion
    | ClaimQuestion
    | ReleaseQuestion
    | PutProduct
    | RemoveProduct
    | PinProduct
    | UnpinProduct
    | PlaceOrder
    | Tick
)

GRANT_OF: Final[dict[type[Command], str]] = {
    StartShow: "host_show",
    EndShow: "host_show",
    RequestMic: "request_mic",
    AcceptRequest: "manage_stage",
    RejectRequest: "manage_stage",
    Invite: "manage_stage",
    CancelInvite: "manage_stage",
    RemoveGuest: "manage_stage",
    MuteSeat: "manage_stage",
    SetSlowMode: "manage_stage",
    Ask: "ask",
    AnswerQuestion: "manage_questions",
    DismissQuestion: "manage_questions",
    ClaimQuestion: "manage_questions",
    ReleaseQuestion: "manage_questions",
    PutProduct: "api",
    RemoveProduct: "api",
    PinProduct: "manage_stage",
    UnpinProduct: "manage_stage",
}
"""What a person needs to be allowed to say it. Commands of persons that are missing here concern
only the actor (`AcceptInvite`, `LeaveSeat`, ...): the state decides about them."""


def check_grant(command: Command) -> None:
    """Raise `Refusal("forbidden")` when the actor lacks the grant of the command."""
    grant = GRANT_OF.get(type(command))
    if grant is not None:
        assert isinstance(command, PersonCommand), "grants are for what people say"
        command.actor.require(grant)
