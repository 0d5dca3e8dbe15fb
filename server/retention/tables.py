"""Profiles and shard status as tables for people, 中文 or English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

from rich.table import Table

from server.retention.status import ShardStatus
from signaling.views import ProfileView

Lang = Literal["zh", "en"]

_LABELS: Final[dict[str, tuple[str, str]]] = {
    # key -> 中文, English
    "profile": ("用户档案", "Profile"),
    "subject": ("匿名编号", "Subject"),
    "name": ("昵称", "Name"),
    "first_seen_ms": ("首次来访", "First seen"),
    "seen_ms": ("最近来访", "Last seen"),
    "visits": ("来访次数", "Visits"),
    "dwell_ms": ("停留时长", "Time in rooms"),
    "messages": ("弹幕条数", "Messages"),
    "questions_asked": ("提问", "Questions asked"),
    "questions_answered": ("获答", "Questions answered"),
    "response_ms": ("平均响应", "Mean response"),
    "mic_requests": ("申请连麦", "Mic requests"),
    "seats_taken": ("上麦次数", "Times on stage"),
    "seat_ms": ("麦上时长", "Time on stage"),
    "likes": ("点赞", "Likes"),
    "product_clicks": ("点击商品", "Product clicks"),
    "orders": ("订单", "Orders"),
    "paid_minor": ("支付（最小单位）", "Paid, minor units"),
    "last_paid_ms": ("最近支付", "Last paid"),
    "status": ("事件流", "Event streams"),
    "shard": ("分片", "Shard"),
    "entries": ("条目", "Entries"),
    "unread": ("未读", "Unread"),
    "pending": ("处理中", "Pending"),
    "lag": ("延迟", "Lag"),
    "dead_letters": ("死信", "Dead letters"),
    "owner": ("处理者", "Projector"),
    "never": ("从未", "never"),
    "nobody": ("无", "nobody"),
}


def language(environ: Mapping[str, str]) -> Lang:
    """The language of messages, by the usual precedence of locale variables."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return "zh" if environ[name].lower().startswith("zh") else "en"
    return "en"


def label(key: str, lang: Lang) -> str:
    return _LABELS[key][0 if lang == "zh" else 1]


def profile_table(view: ProfileView, name: str | None, lang: Lang) -> Table:
    """One person, one row a field. Times are in the time zone of this machine."""
    answered = view.questions_answered
    mean = duration(view.response_ms_total // answered) if answered else "-"
    rows = (
        ("subject", view.subject),
        ("name", name or "-"),
        ("first_seen_ms", moment(view.first_seen_ms, lang)),
        ("seen_ms", moment(view.seen_ms, lang)),
        ("visits", str(view.visits)),
        ("dwell_ms", duration(view.dwell_ms)),
        ("messages", str(view.messages)),
        ("questions_asked", str(view.questions_asked)),
        ("questions_answered", str(answered)),
        ("response_ms", mean),
        ("mic_requests", str(view.mic_requests)),
        ("seats_taken", str(view.seats_taken)),
        ("seat_ms", duration(view.seat_ms)),
        ("likes", str(view.likes)),
        ("product_clicks", str(view.product_clicks)),
        ("orders", str(view.orders)),
        ("paid_minor", str(view.paid_minor)),
        ("last_paid_ms", moment(view.last_paid_ms, lang)),
    )
    table = Table(title=label("profile", lang), show_header=False)
    for key, value in rows:
        table.add_row(label(key, lang), value)
    return table


def status_table(shards: Iterable[ShardStatus], lang: Lang) -> Table:
    table = Table(title=label("status", lang))
    for key in ("shard", "entries", "unread", "pending", "lag", "dead_letters", "owner"):
        table.add_column(label(key, lang), justify="left" if key == "owner" else "right")
    for shard in shards:
        table.add_row(
            str(shard.shard),
            str(shard.entries),
            "?" if shard.unread is None else str(shard.unread),
            str(shard.pending),
            duration(shard.lag_ms),
            str(shard.dead_letters),
            _process(shard.owner) or label("nobody", lang),
        )
    return table


def moment(at_ms: int | None, lang: Lang) -> str:
    if at_ms is None:
        return label("never", lang)
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(" ", "seconds")


def duration(ms: int) -> str:
    """`2:05:09` from an hour, `5:09` from a minute, else seconds with a tenth."""
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _process(owner: str | None) -> str | None:
    """`pid 123` of an owner's token."""
    return None if owner is None else f"pid {owner.split(':')[1]}" if ":" in owner else owner
