"""Evidence that no list of words can hold: 能不能, 防水不, M还是L.

All functions take a clause of a normal text, without its end, and give what they found or None.
"""

from __future__ import annotations

from typing import Final

_NOT: Final = ("不", "没")
_COMES_BACK: Final = tuple("会能是有行要")
"""Verbs that come back at the end of their clause: 会起球不会."""
_NO_VERB: Final = frozenset("不没啊哈哦呀的了我你他它,，＊ ")
"""不 between two of these is no choice between doing and not doing."""

_BEFORE_END: Final = frozenset(
    "不我你她他它们人谁也都就才可要绝从并偏若又更再很太真差该非毫对一说且＊"
)
"""Before a last 不 or 没 these make a statement: 我不, 都没, 要不, 可不, 对不."""
_ENDINGS: Final = ("木有", "没有", "了没", "不", "没", "否")

_PICKS: Final = ("还是", "或者是")
_SAYS_STILL: Final = frozenset("我你他她们都但最果真本结也可想觉咱后今天实")
"""Before 还是 these say "still" or "after all": 我还是, 最后还是."""
_AFTER_STILL: Final = (
    "喜欢", "算了", "买了", "觉得", "忍不住", "要买", "想", "老", "很", "好看", "好用", "最", "挺",
    "蛮", "太", "有点", "原来", "一样", "那么", "这么", "决定", "得", "第一", "推荐", "你", "会",
    "没", "不", "这", "主播", "能", "可以", "贵", "便宜", "算", "比较", "等", "拍了", "下单",
)  # fmt: skip


def choice(clause: str) -> str | None:
    """A不A and A没A, one or two characters: 能不能, 有没有, 适合不适合, 会起球不会."""
    for negation in _NOT:
        at = clause.find(negation, 1)
        while at != -1:
            before = clause[at - 1]
            if before not in _NO_VERB and not before.isascii():
                if clause.startswith(before, at + 1):
                    return clause[at - 1 : at + 2]
                if at >= 2 and clause.startswith(clause[at - 2 : at], at + 1):
                    return clause[at - 2 : at + 3]
                after = clause[at + 1 : at + 2]
                is_last = at + 2 == len(clause) and after in _COMES_BACK
                if is_last and after in clause[: at - 1]:
                    return clause[clause.index(after) : at + 2]
            at = clause.find(negation, at + 1)
    return None


def open_end(clause: str) -> str | None:
    """A last 不, 没 or 没有 after what is asked about: 防水不, 有货没."""
    for ending in _ENDINGS:
        if clause.endswith(ending):
            before = clause[: -len(ending)]
            if not before or before[-1] in _BEFORE_END or before.endswith(_PLAIN_DENIALS):
                return None
            if ending == "没有" and not any(char in _HAPPENED for char in before):
                return None  # 赠品没有 complains; 发货了没有 asks
            return before[-2:] + ending
    return None


_HAPPENED: Final = "有了过到发"
_PLAIN_DENIALS: Final = (
    "还",
    "啥都",
    "根本",
    "压根",
    "一点",
    "从来",
    "确实",
    "所以",
    "因为",
    "但是",
)


def pick(clause: str) -> str | None:
    """One of two: M还是L, 早上用还是晚上用."""
    for word in _PICKS:
        at = clause.find(word)
        if at < 1:
            continue
        after = clause[at + len(word) :]
        says_still = clause[at - 1] in _SAYS_STILL or after.startswith(_AFTER_STILL)
        # 今天发货还是明天发货 is a choice all the same: both sides end alike.
        ends_alike = at >= 2 and len(after) > 2 and clause[at - 2 : at] == after[-2:]
        if not after or (says_still and not ends_alike):
            continue
        return clause[max(0, at - 2) : at + len(word) + 2]
    return None
