"""Key frame requests: at once when quiet, merged, throttled; deaf sources found out."""

from __future__ import annotations

from media.keyframe_requests import KeyframeLimits, KeyframeRequests

INTERVAL = KeyframeLimits().interval_s


def is_deaf(requests: KeyframeRequests) -> bool:
    """Asked anew each time, so that mypy does not take the last answer for granted."""
    return requests.ignores_pli


def test_nothing_is_sent_unasked() -> None:
    requests = KeyframeRequests()
    assert requests.next_deadline() is None
    assert not requests.take_due(100.0)


def test_the_first_request_goes_out_at_once() -> None:
    requests = KeyframeRequests()
    requests.request()
    assert requests.take_due(5.0)
    assert not requests.take_due(5.0)
    assert requests.sent == 1


def test_ten_thousand_requests_are_one() -> None:
    requests = KeyframeRequests()
    sent = 0
    for step in range(10_000):
        requests.request()
        sent += requests.take_due(step * 0.00005)
    assert sent == 1


def test_the_answer_serves_all_who_waited() -> None:
    requests = KeyframeRequests()
    requests.request()
    requests.take_due(0.0)
    requests.request()
    requests.keyframe_started(0.2)
    assert requests.next_deadline() is None


def test_a_request_soon_after_an_answer_waits_for_the_rest_of_the_second() -> None:
    requests = KeyframeRequests()
    requests.request()
    requests.take_due(0.0)
    requests.keyframe_started(0.1)
    requests.request()
    assert requests.next_deadline() == INTERVAL
    assert not requests.take_due(0.5)
    assert requests.take_due(INTERVAL)


def test_a_request_after_quiet_goes_out_at_once() -> None:
    requests = KeyframeRequests()
    requests.request()
    requests.take_due(0.0)
    requests.keyframe_started(0.1)
    requests.request()
    assert requests.take_due(30.0)


def test_a_source_that_ignores_two_is_known_for_it() -> None:
    requests = KeyframeRequests()
    requests.request()
    assert requests.take_due(0.0)
    assert requests.take_due(INTERVAL)
    assert not is_deaf(requests)
    assert requests.take_due(2 * INTERVAL)
    assert is_deaf(requests)
    # Its own key frame, late, is not an answer.
    requests.keyframe_started(3.5 * INTERVAL)
    assert requests.ignores_pli


def test_an_answer_in_time_clears_the_count() -> None:
    requests = KeyframeRequests()
    now = 0.0
    for _ in range(5):
        requests.request()
        assert requests.take_due(now)
        assert requests.take_due(now + INTERVAL)
        requests.keyframe_started(now + INTERVAL + 0.2)
        now += 10.0
    assert not requests.ignores_pli


def test_two_prompt_answers_rehabilitate() -> None:
    requests = KeyframeRequests()
    requests.request()
    for step in range(3):
        requests.take_due(step * INTERVAL)
    assert is_deaf(requests)
    requests.keyframe_started(2.1 * INTERVAL)
    assert is_deaf(requests)
    requests.request()
    requests.take_due(10.0)
    requests.keyframe_started(10.1)
    assert not is_deaf(requests)


def test_unasked_key_frames_count_for_nothing() -> None:
    requests = KeyframeRequests()
    requests.keyframe_started(1.0)
    requests.request()
    assert requests.take_due(1.0)
