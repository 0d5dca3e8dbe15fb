"""Checks, answers, roles and consent, with aioice's messages as the other side."""

from __future__ import annotations

import random

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from loadtest.rtc.ice import (
    CONSENT_EVERY_S,
    CONSENT_LOST_S,
    CONSENT_SPREAD,
    Credentials,
    IceAgent,
)

OURS, THEIRS = Credentials("ours", "our password"), Credentials("theirs", "their password")
A, B = ("192.0.2.1", 1000), ("192.0.2.2", 2000)


def agent(*, controlling: bool = True, candidates: list[tuple[str, int]] | None = None) -> IceAgent:
    made = IceAgent(OURS, random.Random(1), controlling=controlling)
    made.start(THEIRS, candidates or [A], 0.0)
    return made


def sent(ice: IceAgent) -> list[tuple[stun.Message, tuple[str, int]]]:
    found = []
    while (out := ice.poll_transmit()) is not None:
        found.append((stun.parse_message(out[0]), out[1]))
    return found


def answer(request: stun.Message, pwd: str = THEIRS.pwd) -> bytes:
    message = stun.Message(
        stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=request.transaction_id
    )
    message.attributes["XOR-MAPPED-ADDRESS"] = ("198.51.100.1", 9)
    message.add_message_integrity(pwd.encode())
    return bytes(message)


def error(request: stun.Message, code: int, pwd: str = THEIRS.pwd) -> bytes:
    message = stun.Message(
        stun.Method.BINDING, stun.Class.ERROR, transaction_id=request.transaction_id
    )
    message.attributes["ERROR-CODE"] = (code, "No")
    message.add_message_integrity(pwd.encode())
    return bytes(message)


def check(
    *,
    controlling: bool = True,
    tie_breaker: int = 5,
    pwd: str = OURS.pwd,
    user: str = "ours:theirs",
    use_candidate: bool = False,
) -> bytes:
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = user
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING" if controlling else "ICE-CONTROLLED"] = tie_breaker
    if use_candidate:
        request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity(pwd.encode())
    return bytes(request)


def selected(ice: IceAgent, address: tuple[str, int] = A, now: float = 0.1) -> IceAgent:
    request = next(message for message, to in sent(ice) if to == address)
    ice.handle_untrusted(answer(request), address, now)
    assert ice.selected == address
    return ice


def test_a_check_is_signed_and_nominates() -> None:
    ((request, address),) = sent(agent())
    assert address == A
    assert request.attributes["USERNAME"] == "theirs:ours"
    assert request.check_message_integrity(THEIRS.pwd.encode())
    assert "USE-CANDIDATE" in request.attributes
    assert "ICE-CONTROLLING" in request.attributes
    assert "FINGERPRINT" in request.attributes


def test_the_controlled_side_does_not_nominate() -> None:
    ((request, _),) = sent(agent(controlling=False))
    assert "USE-CANDIDATE" not in request.attributes
    assert "ICE-CONTROLLED" in request.attributes


def test_all_candidates_are_checked_until_one_answers() -> None:
    ice = agent(candidates=[A, B])
    assert [to for _, to in sent(ice)] == [A, B]
    now = ice.next_deadline()
    assert now is not None
    ice.handle_timeout(now)
    again = sent(ice)
    assert [to for _, to in again] == [A, B]
    ice.handle_untrusted(answer(again[1][0]), B, now + 0.03)
    assert ice.selected == B
    assert ice.rtt_s == pytest.approx(0.03)


def test_forged_foreign_and_late_answers_select_nothing() -> None:
    ice = agent()
    ((request, _),) = sent(ice)
    stranger = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    for data, source in (
        (answer(request, "another password"), A),
        (answer(request), B),
        (answer(stranger), A),
        (answer(request)[:-3], A),
        (b"\x00" * 20, A),
        (b"", A),
        (bytes(4000), A),
    ):
        ice.handle_untrusted(data, source, 0.1)
    assert ice.selected is None


def test_its_checks_are_answered_before_we_know_its_password() -> None:
    ice = IceAgent(OURS, random.Random(1))
    ice.handle_untrusted(check(controlling=False), B, 0.0)
    ((response, to),) = sent(ice)
    assert to == B
    assert response.message_class == stun.Class.RESPONSE
    assert response.attributes["XOR-MAPPED-ADDRESS"] == B
    assert response.check_message_integrity(OURS.pwd.encode())
    assert ice.selected is None


def test_wrong_checks_are_not_answered() -> None:
    ice = IceAgent(OURS, random.Random(1))
    ice.handle_untrusted(check(controlling=False, pwd="wrong"), B, 0.0)
    ice.handle_untrusted(check(controlling=False, user="other:theirs"), B, 0.0)
    assert sent(ice) == []


def test_the_controlled_side_follows_the_nomination() -> None:
    ice = selected(agent(controlling=False, candidates=[A, B]))
    ice.handle_untrusted(check(use_candidate=True), B, 0.2)
    assert ice.selected == A, "B never answered a check of ours"
    sent(ice)
    both = agent(controlling=False, candidates=[A, B])
    requests = {to: message for message, to in sent(both)}
    both.handle_untrusted(answer(requests[A]), A, 0.1)
    both.handle_untrusted(answer(requests[B]), B, 0.1)
    both.handle_untrusted(check(), B, 0.2)
    assert both.selected == A
    both.handle_untrusted(check(use_candidate=True), B, 0.2)
    assert both.selected == B


@pytest.mark.parametrize("controlling", [True, False])
@pytest.mark.parametrize("theirs_is_greater", [True, False])
def test_a_role_conflict_is_settled_by_the_tie_breaker(
    controlling: bool, theirs_is_greater: bool
) -> None:
    ice = agent(controlling=controlling)
    sent(ice)
    tie_breaker = 2**64 - 1 if theirs_is_greater else 0
    ice.handle_untrusted(check(controlling=controlling, tie_breaker=tie_breaker), A, 0.1)
    ((response, _),) = sent(ice)
    keeps_role = theirs_is_greater != controlling
    assert ice.controlling is (controlling if keeps_role else not controlling)
    assert (response.error_code == 487) is keeps_role


def test_487_switches_the_role_and_checks_again() -> None:
    ice = agent()
    ((request, _),) = sent(ice)
    ice.handle_untrusted(error(request, 487, "wrong"), A, 0.1)
    assert sent(ice) == []
    ice.handle_untrusted(error(request, 487), A, 0.1)
    assert not ice.controlling
    ((again, _),) = sent(ice)
    assert "ICE-CONTROLLED" in again.attributes


def test_a_refusal_is_remembered_for_the_message() -> None:
    ice = agent()
    ((request, _),) = sent(ice)
    ice.handle_untrusted(error(request, 401), A, 0.1)
    assert ice.refusal == "401 No"
    assert ice.selected is None


def test_consent_is_asked_for_at_random_intervals() -> None:
    ice = selected(agent())
    heard = now = 0.1
    intervals = []
    for _ in range(200):
        deadline = ice.next_deadline()
        assert deadline is not None
        intervals.append(deadline - now)
        now = deadline
        ice.handle_timeout(now)
        ((request, _),) = sent(ice)
        heard = now
        ice.handle_untrusted(answer(request), A, heard)
    low, high = CONSENT_EVERY_S * (1 - CONSENT_SPREAD), CONSENT_EVERY_S * (1 + CONSENT_SPREAD)
    assert low <= min(intervals) < max(intervals) <= high
    assert max(intervals) - min(intervals) > CONSENT_EVERY_S * CONSENT_SPREAD
    assert not ice.is_lost


def test_consent_is_lost_after_15_s_without_an_answer() -> None:
    ice = selected(agent(), now=0.1)
    while (deadline := ice.next_deadline()) is not None:
        assert deadline <= 0.1 + CONSENT_LOST_S
        now = deadline
        ice.handle_timeout(now)
    assert ice.is_lost
    assert now == pytest.approx(0.1 + CONSENT_LOST_S)


@given(st.binary(max_size=120))
def test_any_bytes_are_harmless(data: bytes) -> None:
    ice = agent()
    ice.handle_untrusted(data, A, 0.1)
    assert ice.selected is None
    assert ice.controlling
