from __future__ import annotations

import pytest

from signaling.asking.structure import choice, open_end, pick


@pytest.mark.parametrize(
    ("clause", "found"),
    [
        ("能不能用", "能不能"),
        ("还有没有", "有没有"),
        ("适合不适合我", "适合不适合"),
        ("会起球不会", "会起球不会"),
        ("不不不", None),
        ("了不了", None),
        ("＊不＊", None),
        ("不错", None),
        ("不", None),
        ("", None),
    ],
)
def test_choice(clause: str, found: str | None) -> None:
    assert choice(clause) == found


@pytest.mark.parametrize(
    ("clause", "found"),
    [
        ("防水不", "防水不"),
        ("有货没", "有货没"),
        ("发货了没有", "货了没有"),
        ("赠品没有", None),
        ("我不", None),
        ("都没", None),
        ("要不", None),
        ("不", None),
        ("", None),
    ],
)
def test_open_end(clause: str, found: str | None) -> None:
    assert open_end(clause) == found


@pytest.mark.parametrize(
    ("clause", "found"),
    [
        ("m还是l", "m还是l"),
        ("先用水乳还是先涂精华", "水乳还是先涂"),
        ("今天发货还是明天发货", "发货还是明天"),
        ("我还是喜欢红色", None),
        ("最后还是拍了", None),
        ("还是红色", None),
        ("m还是", None),
    ],
)
def test_pick(clause: str, found: str | None) -> None:
    assert pick(clause) == found
