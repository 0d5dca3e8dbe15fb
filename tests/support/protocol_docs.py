"""The parts of docs/protocol.md that the code can write itself, between `<!-- name -->` marks.

`python -m tests.support.protocol_docs` writes them anew; a test checks that they are current.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

from media.errors import OFFER_CODES
from signaling import codec, limits, protocol, questions, rules, shelf, show, stage_table
from signaling.audience import LANES
from signaling.close_codes import CloseCode
from signaling.commands import GRANT_OF
from signaling.errors import REFUSALS
from signaling.lane import Lane
from signaling.lanes import MAX_BUFFERED_BYTES, MAX_CHAT_PER_FLUSH, TICK_S

PATH: Final = Path(__file__).parents[2] / "docs" / "protocol.md"

STAFF_AND_PERSON: Final = "staff and the person"
AUDIENCES: Final = {
    protocol.MicRequested: STAFF_AND_PERSON,
    protocol.MicRequestEnded: STAFF_AND_PERSON,
    protocol.InviteSent: STAFF_AND_PERSON,
    protocol.InviteEnded: STAFF_AND_PERSON,
    protocol.QuestionAsked: STAFF_AND_PERSON,
    protocol.QuestionJoined: STAFF_AND_PERSON,
    protocol.QuestionDismissed: f"{STAFF_AND_PERSON}; everybody when it was asked by several",
    protocol.QuestionExpired: f"{STAFF_AND_PERSON}; everybody when it was asked by several",
    protocol.ProductListed: "staff",
    protocol.ProductDelisted: "staff",
}
ELSEWHERE: Final[dict[type, tuple[str, str]]] = {
    protocol.ShowChanged: ("`room.opened`, `room.closed`", "`room_started`, `room_finished`"),
    protocol.SeatTaken: ("`mic.joined` (guests)", "`stage_joined`"),
    protocol.SeatLeft: ("`mic.left` (guests)", "`stage_left`"),
    protocol.MicRequested: ("`mic.requested`", "`stage_requested`"),
    protocol.MicRequestEnded: ("`mic.rejected`, unless accepted", "–"),
    protocol.InviteSent: ("`mic.invited`", "`stage_invited`"),
    protocol.InviteEnded: ("`mic.rejected`, unless accepted", "`stage_accepted`, if accepted"),
    protocol.QuestionAsked: ("`question.asked`", "`question_received`"),
    protocol.QuestionJoined: ("`question.asked`", "`question_received`"),
    protocol.QuestionAnswered: ("`question.answered`", "`question_answered`"),
    protocol.ProductPinned: ("`product.shown`, when newly pinned", "–"),
    protocol.ProductUnpinned: ("`product.hidden`", "–"),
    protocol.OrderPlaced: ("`order.paid`", "–"),
    protocol.ChatSaid: ("`message.sent`", "–"),
}
"""Names of the same fact in the retention store and (reserved, not sent yet) in webhooks."""

_UPKEEP: Final = {
    limits.Upkeep.SHAPE: "`shape_slot`",
    limits.Upkeep.TRICKLE: "`trickle`",
    limits.Upkeep.REPORT: "`report_quality`, `report_join`",
}


def wire_name(message: type) -> str:
    return str(message.__struct_config__.tag)  # type: ignore[attr-defined] # a msgspec.Struct


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _events() -> str:
    rows = []
    for event in get_args(protocol.LogEvent):
        retention, webhook = ELSEWHERE.get(event, ("–", "–"))
        lane = LANES.get(event, Lane.CONTROL).name.lower()
        audience = AUDIENCES.get(event, "everybody")
        name = f"`{wire_name(event)}`"
        rows.append([f"`{event.__name__}`", name, lane, audience, retention, webhook])
    head = ["class", "wire name", "lane", "audience", "retention event", "webhook (reserved)"]
    return _table(head, rows)


def _errors() -> str:
    rows = [
        [
            f"`{code}`",
            "`OfferRefused`, `Refusal`" if code in OFFER_CODES else "`Refusal`",
            str(kind.http),
            "yes" if kind.retryable else "no",
            kind.message,
            "–",
            "–",
        ]
        for code, kind in REFUSALS.items()
    ]
    head = ["code", "class", "HTTP", "retryable", "meaning", "retention event", "webhook"]
    return _table(head, rows)


def _close_codes() -> str:
    rows = [
        [str(code.value), f"`{code.reason}`", "yes" if code.may_return else "no"]
        for code in CloseCode
    ]
    return _table(["code", "reason", "come back"], rows)


def _lanes() -> str:
    loses = {
        Lane.CHAT: f"oldest of the loudest beyond {MAX_CHAT_PER_FLUSH} a flush; slow readers: all",
        Lane.AMBIENT: "everything but the latest of each type",
    }
    rows = []
    for lane in Lane:
        tick_ms = round(TICK_S[lane] * 1000)
        allowance = limits.DEFAULT_ALLOWANCES[lane]
        per_minute = round(allowance.rate_per_s * 60)
        rows.append(
            [
                f"`{lane.name.lower()}`",
                "at once" if tick_ms == 0 else f"at once, then every {tick_ms} ms",
                loses.get(lane, "nothing"),
                f"{per_minute} a minute, {allowance.burst:g} at once",
            ]
        )
    return _table(["lane", "leaves", "may lose", "default limit per person"], rows)


def _limits() -> str:
    rows = [
        ["client frame", f"{protocol.MAX_FRAME_BYTES} bytes", "`too_large`"],
        ["`text`", f"{protocol.MAX_TEXT_CHARS} characters", "`bad_message`, `too_large`"],
        ["`title`", f"{codec.MAX_TITLE_CHARS} characters", "`bad_message`, `too_large`"],
        ["`publish.sources`", f"{codec.MAX_SOURCES} entries", "`bad_message`"],
        ["people waiting for the mic", str(rules.MAX_REQUESTS), "`queue_full`"],
        ["open questions of a room", str(rules.MAX_OPEN_QUESTIONS), "`too_many_questions`"],
        [
            "open questions of one person",
            str(rules.MAX_OPEN_QUESTIONS_EACH),
            "`too_many_questions`",
        ],
        ["people of one card", str(rules.MAX_ASKERS + 1), "another card begins"],
        ["people in all cards of a room", str(rules.MAX_OPEN_ASKERS), "`too_many_questions`"],
        ["answers shown to newcomers", str(rules.KEPT_ANSWERS), "older ones are left out"],
        ["products of a room", str(shelf.MAX_PRODUCTS), "`shelf_full`"],
        *(
            [
                _UPKEEP[upkeep],
                f"{allowance.rate_per_s:g} a second, {allowance.burst:g} at once, of one person",
                "`rate_limited`",
            ]
            for upkeep, allowance in limits.UPKEEP_ALLOWANCES.items()
        ),
        ["unsent bytes of one connection", str(MAX_BUFFERED_BYTES), "closed, 4001"],
    ]
    return _table(["what", "limit", "beyond it"], rows)


def _grants() -> str:
    rows = [[f"`{command.__name__}`", f"`{grant}`"] for command, grant in GRANT_OF.items()]
    return _table(["command", "grant"], rows)


def _mermaid(diagram: str) -> str:
    return f"```mermaid\n{diagram}\n```"


def sections() -> dict[str, str]:
    """The written parts by the name of their mark."""
    return {
        "events": _events(),
        "errors": _errors(),
        "close-codes": _close_codes(),
        "lanes": _lanes(),
        "limits": _limits(),
        "grants": _grants(),
        "show-diagram": _mermaid(show.TABLE.mermaid()),
        "show-table": show.TABLE.markdown(),
        "stage-diagram": _mermaid(stage_table.TABLE.mermaid()),
        "stage-table": stage_table.TABLE.markdown(),
        "question-diagram": _mermaid(questions.TABLE.mermaid()),
        "question-table": questions.TABLE.markdown(),
    }


def written(text: str) -> str:
    """The page with every written part current. Raises ValueError when a mark is missing."""
    for name, content in sections().items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
        text, found = mark.subn(lambda m, c=content: f"{m[1]}{c}{m[2]}", text)  # type: ignore[misc] # lambda default
        if found != 1:
            raise ValueError(f"docs/protocol.md needs one mark named {name}")
    return text


if __name__ == "__main__":
    PATH.write_text(written(PATH.read_text(encoding="utf-8")), encoding="utf-8")
