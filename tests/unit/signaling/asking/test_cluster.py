"""Near-duplicates fold; what differs in a size, a number, a product or a negation never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.asking import Fingerprint, Fold, QuestionIndex
from signaling.asking.cluster import ALIKE, grams_of, pairwise, similarity
from signaling.asking.shipped import shipped_asking
from tests.unit.signaling.asking.conftest import SAMPLE, rows_of

ASKING = shipped_asking()


def fingerprint(text: str) -> Fingerprint:
    return ASKING.fingerprints.of(text, ASKING.detector.detect(text))


def is_folded(one: str, other: str) -> bool:
    index = QuestionIndex()
    index.fold("one", fingerprint(one))
    return not index.fold("other", fingerprint(other)).is_new


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("多少钱", "多少钱啊主播"),
        ("多少钱", "这个多少钱呀"),
        ("M码还有吗", "M码还有没有"),
        ("什么时候发货", "啥时候发货呀"),
        ("几号链接呀", "链接几号"),
        ("这个适合油皮吗", "油皮可以用吗"),
        ("油皮能用吗", "油性皮肤能不能用"),
        ("会掉色吗", "掉不掉色"),
        ("02号还有吗", "二号还有没有"),
        ("包邮吗", "包邮不"),
        ("how much", "how much is it"),
    ],
)
def test_one_question(one: str, other: str) -> None:
    assert is_folded(one, other)
    assert is_folded(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("M码还有吗", "L码还有吗"),
        ("油皮能用吗", "干皮能用吗"),
        ("02号还有吗", "03号还有吗"),
        ("含酒精吗", "不含酒精吗"),
        ("能退吗", "不能退吗"),
        ("怎么洗", "怎么吃"),
        ("M码显胖吗", "M码还有吗"),
        ("什么时候开播", "什么时候下播"),
        ("今天能发货吗", "明天能发货吗"),
        ("粉底液多少钱", "气垫多少钱"),
        ("do you ship to canada", "do you ship to uk"),
        ("多少钱", "什么时候发货"),
    ],
)
def test_two_questions(one: str, other: str) -> None:
    assert not is_folded(one, other)
    assert not is_folded(other, one)


def test_clusters_of_the_sample() -> None:
    questions = [row for row in rows_of(SAMPLE) if row["is_question"]]
    index = QuestionIndex()
    predicted = {
        row["id"]: index.fold(row["id"], fingerprint(row["text"])).cluster_id for row in questions
    }
    labelled = {row["id"]: row["cluster"] or row["id"] for row in questions}
    precision, recall = pairwise(predicted, labelled)
    assert precision == 1.0
    # The tenth pair: 有优惠券吗 and 优惠券怎么领 are two questions to us.
    assert recall == 0.9


def test_a_closed_cluster_takes_no_more() -> None:
    index = QuestionIndex()
    assert index.fold("q1", fingerprint("多少钱")) == Fold("q1", True, 1.0)
    assert index.fold("q2", fingerprint("多少钱呀")) == Fold("q1", False, 1.0)
    assert index.close("q1")
    assert not index.close("q1")
    assert index.fold("q3", fingerprint("多少钱")) == Fold("q3", True, 1.0)


def test_a_founder_that_comes_again_founds_nothing_new() -> None:
    index = QuestionIndex()
    index.fold("q1", fingerprint("多少钱"))
    assert index.fold("q1", fingerprint("油皮能用吗")) == Fold("q1", False, 1.0)
    assert len(index) == 1


def test_an_index_that_is_full_still_folds() -> None:
    index = QuestionIndex(max_clusters=1)
    index.fold("q1", fingerprint("多少钱"))
    assert index.fold("q2", fingerprint("油皮能用吗")).is_new
    assert index.fold("q3", fingerprint("多少钱呀")).cluster_id == "q1"
    assert (len(index), index.unindexed) == (1, 1)


def test_the_oldest_of_equals_is_taken() -> None:
    index = QuestionIndex()
    base = fingerprint("怎么洗")
    for name, grams in (("q1", {"a", "b"}), ("q2", {"c", "d"})):
        chosen = frozenset(grams)
        index.fold(name, Fingerprint(base.intent, base.terms, base.negations, chosen, chosen))
    both = frozenset("abcd")
    found = index.find(Fingerprint(base.intent, base.terms, base.negations, both, both))
    assert found == Fold("q1", False, 0.5)


def test_pairwise() -> None:
    assert pairwise({"a": "1", "b": "1", "c": "1"}, {"a": "x", "b": "x", "c": "y"}) == (1 / 3, 1.0)
    assert pairwise({"a": "1"}, {"a": "x"}) == (1.0, 1.0)


texts = st.lists(
    st.sampled_from(
        [
            "多少钱",
            "多少",
            "呀",
            "M码",
            "L码",
            "还有",
            "吗",
            "油皮",
            "不",
            "能用",
            "02号",
            "how much",
            "?",
        ]
    ),
    min_size=1,
    max_size=6,
).map("".join)


@given(texts, texts)
def test_similarity_is_symmetric_and_bounded(one: str, other: str) -> None:
    a, b = fingerprint(one), fingerprint(other)
    assert 0.0 <= similarity(a, b) <= 1.0
    assert similarity(a, b) == similarity(b, a)
    assert similarity(a, a) == 1.0


@given(st.lists(texts, max_size=20))
def test_folding_is_the_same_each_time_and_keeps_terms_apart(said: list[str]) -> None:
    folds = []
    for _ in range(2):
        index = QuestionIndex(max_clusters=5)
        prints = {f"q{n}": fingerprint(text) for n, text in enumerate(said)}
        folds.append([index.fold(name, printed) for name, printed in prints.items()])
        assert len(index) <= 5
        for fold, printed in zip(folds[-1], prints.values(), strict=True):
            founder = prints[fold.cluster_id]
            assert (founder.terms, founder.negations) == (printed.terms, printed.negations)
            assert fold.is_new or similarity(founder, printed) >= ALIKE
    assert folds[0] == folds[1]


def test_latin_words_are_one_gram() -> None:
    assert grams_of("how much m码") == {"how", "much", "m", "码", "how much", "much m", "m 码"}
