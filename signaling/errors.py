"""The one registry of refusals that people and programs see (DESIGN 7.10).

A `Refusal` is expected: the rules of the room, a limit or a missing grant said no. It travels as
`{code, message, retryable, retry_after_ms?, lane?}` on the socket and as a problem body over HTTP.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class RefusalKind(NamedTuple):
    """`http` is the status used when the refusal answers a request over HTTP."""

    message: str
    retryable: bool
    http: int


REFUSALS: Final[dict[str, RefusalKind]] = {
    # who you are
    "bad_token": RefusalKind("The token is malformed or its signature is wrong.", False, 401),
    "token_expired": RefusalKind("The token has expired; get a new one.", False, 401),
    "wrong_room": RefusalKind("The token is for another room.", False, 403),
    "forbidden": RefusalKind("Your role may not do this.", False, 403),
    # what you said
    "bad_message": RefusalKind("The message does not fit the protocol.", False, 400),
    "too_large": RefusalKind("The message is larger than the limit.", False, 413),
    "empty_text": RefusalKind("The text is empty.", False, 422),
    "rate_limited": RefusalKind("Too many messages; wait a moment.", True, 429),
    "slow_mode": RefusalKind("Slow mode: wait before you write again.", True, 429),
    "chat_shed": RefusalKind("Too many people write at once; this was not shown.", True, 429),
    "not_joined": RefusalKind("The first message must be join.", False, 401),
    # the show
    "room_not_found": RefusalKind("There is no such room.", False, 404),
    "room_full": RefusalKind("The room is full; try again later.", True, 503),
    "server_full": RefusalKind("The server is full; try again later.", True, 503),
    "not_live": RefusalKind("The show is not live.", True, 409),
    "already_live": RefusalKind("The show is live already.", False, 409),
    # the stage
    "stage_full": RefusalKind("Every seat is taken or promised.", True, 409),
    "already_on_stage": RefusalKind("This person already has a seat.", False, 409),
    "already_requested": RefusalKind("This person already waits for the mic.", False, 409),
    "already_invited": RefusalKind("This person is already invited.", False, 409),
    "no_request": RefusalKind("There is no such request (any more).", False, 409),
    "no_invite": RefusalKind("There is no such invitation (any more).", False, 409),
    "not_on_stage": RefusalKind("This person has no seat.", False, 409),
    "not_in_room": RefusalKind("This person is not in the room.", False, 409),
    "queue_full": RefusalKind("The queue is full; try again later.", True, 409),
    "source_taken": RefusalKind("Somebody else publishes into this seat.", False, 409),
    # questions
    "question_not_found": RefusalKind("There is no such question (any more).", False, 404),
    "question_closed": RefusalKind("The question is answered or dismissed already.", False, 409),
    "question_claimed": RefusalKind("Somebody else is answering this question.", False, 409),
    "too_many_questions": RefusalKind("Too many open questions; try again later.", True, 429),
    # the shelf
    "product_not_found": RefusalKind("There is no such product in this room.", False, 404),
    "shelf_full": RefusalKind("The room has as many products as it may have.", False, 409),
    # media (same words as media.errors.OFFER_CODES)
    "bad_sdp": RefusalKind("The SDP offer cannot be parsed.", False, 400),
    "unsupported_codec": RefusalKind("No codec of the offer is allowed here.", False, 422),
    "too_many_tracks": RefusalKind("At most one audio and one video track per offer.", False, 422),
    "too_many_slots": RefusalKind("The offer has more m-lines than the room gives.", False, 422),
    "not_bundled": RefusalKind("All m-lines must be bundled with rtcp-mux.", False, 422),
    "unknown_peer": RefusalKind("There is no such media session (any more).", False, 404),
    "too_many_peers": RefusalKind("The media server is full; try again later.", True, 503),
    # us
    "conflict": RefusalKind("The room changed too often at once; try again.", True, 503),
    "store_unavailable": RefusalKind("The store is away; nothing was lost, try again.", True, 503),
    "shutting_down": RefusalKind("The server is stopping; reconnect.", True, 503),
    "internal": RefusalKind("Something broke on our side.", True, 500),
}


class Refusal(Exception):
    """A typed refusal. `code` is a key of `REFUSALS`; `message` may add what is particular."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        retry_after_ms: int | None = None,
        lane: str | None = None,
        reason: str | None = None,
    ) -> None:
        assert code in REFUSALS, f"unregistered refusal code {code}"
        self.code = code
        self.message = message or REFUSALS[code].message
        self.retry_after_ms = retry_after_ms
        self.lane = lane
        self.reason = reason
        """Which limit said no, where there are several: see docs/lanes.md."""
        super().__init__(f"{code}: {self.message}")

    @property
    def retryable(self) -> bool:
        return REFUSALS[self.code].retryable

    @property
    def http(self) -> int:
        return REFUSALS[self.code].http
