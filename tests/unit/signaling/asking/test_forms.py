"""The language of the data files, and where its forms can begin."""

from __future__ import annotations

import re

import pytest

from signaling.asking.forms import FormError, first_characters, source_of
from signaling.asking.matcher import Matcher, places_of

SETS = {"wh": ("什么", "哪"), "asks": ("多少钱", "有没有")}


def found_in(form: str, text: str) -> str | None:
    hit = re.search(source_of(form, SETS), f"。{text}。")
    return hit[0] if hit else None


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("多少钱", "这个多少钱呀", "多少钱"),
        ("(能|可以)用", "油皮可以用", "可以用"),
        ("送(的)?小样", "送小样", "送小样"),
        ("[马妈]", "有货妈", "妈"),
        ("[^的]吗", "好的吗", None),
        ("[a-c]码", "b码", "b码"),
        ("[!我你]不", "我不", None),
        ("[!我你]不", "水不", "不"),
        ("知道!(了)", "知道了", None),
        ("知道!(了)", "知道吗", "知道"),
        ("怎么…好看", "怎么这么好看", "怎么这么好看"),
        ("怎么…好看", "怎么一二三四五六七好看", None),
        ("怎么…好看", "怎么。好看", None),
        ("不知道……都拍", "不知道。都拍", "不知道。都拍"),
        ("不管~", "不管多少。好", "不管多少"),
        ("这么≈", "这么好看多少钱", "这么好看"),
        ("这么≈", "这么好看。多少钱", "这么好看"),
        ("^有", "没有", None),
        ("^有", "有吗", "有"),
        ("吗$", "吗呀", None),
        ("{wh}码", "什么码", "什么码"),
        ("how", "show", None),
        ("how", "how much", "how"),
        ("how", "这个how呀", "how"),
        ("a.c", "abc", None),
    ],
)
def test_a_form_finds(form: str, text: str, found: str | None) -> None:
    assert found_in(form, text) == found


@pytest.mark.parametrize(
    "form", ["", " 有", "…有", "~", "{none}", "(有", "有)", "好?", "(的)?", "[", "有|"]
)
def test_a_form_that_cannot_be_meant_is_named(form: str) -> None:
    with pytest.raises(FormError, match=re.escape(repr(form))):
        source_of(form, SETS)


def test_a_form_that_stops_before_questions_needs_their_words() -> None:
    with pytest.raises(FormError, match="asks"):
        source_of("这么≈", {})


@pytest.mark.parametrize(
    ("form", "first"),
    [
        ("多少", "多"),
        ("(能|可以)用", "能可"),
        ("(的)?小样", "的小"),
        ("((a|b))?(c|d)", "abcd"),
        ("^[!x]有", "有"),
        ("!(好)有", "有"),
        ("[a-c]码", "abc"),
        ("{wh}码", "什哪"),
        ("[^的]吗", None),
    ],
)
def test_first_characters_of_a_form(form: str, first: str | None) -> None:
    assert first_characters(form, SETS) == (None if first is None else frozenset(first))


def test_a_matcher_tells_groups_from_left_to_right() -> None:
    matcher = Matcher([("多少钱", "钱"), ("多少",), ("[^多]少",)], {})
    text = "。多少钱。"
    hits = [tuple(hit) for hit in matcher.hits(text, places_of(text))]
    assert hits == [(0, 1, 4), (1, 1, 3), (0, 3, 4)]
    assert [tuple(hit) for hit in matcher.apart(text, places_of(text))] == [(0, 1, 4)]


def test_forms_that_can_begin_anywhere_are_found_too() -> None:
    matcher = Matcher([("[^的]吗",)], {})
    text = "。好吗。"
    assert [tuple(hit) for hit in matcher.hits(text, places_of(text))] == [(0, 1, 3)]


def test_nothing_begins_inside_a_latin_word() -> None:
    assert [("。ab 12码")[place] for place in places_of("。ab 12码")] == list("。a 1码")
