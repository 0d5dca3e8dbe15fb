"""Capture time from sender reports, or from arrival until there is one."""

from __future__ import annotations

import random

import pytest

from media.media_clock import LeastDelay, MediaClock, PublisherClock

VIDEO, AUDIO = 90_000, 48_000
PUBLISHER_EPOCH = 3_000_000_000.0  # the publisher's clock is decades off ours
SERVER_EPOCH = 500.0


def test_nothing_is_known_before_the_first_packet() -> None:
    clock = MediaClock(VIDEO, PublisherClock())
    assert clock.capture_time(0) is None
    assert clock.timestamp_at(1.0) is None
    assert PublisherClock().to_server(5.0) is None


def test_arrival_serves_until_a_report_comes() -> None:
    clock = MediaClock(VIDEO, PublisherClock())
    clock.handle_packet(1_000_000, 10.0)
    clock.handle_packet(1_000_000 + VIDEO, 11.2)
    clock.handle_packet(1_000_000 + 2 * VIDEO, 11.9)  # the quickest packet decides
    assert clock.capture_time(1_000_000 + 2 * VIDEO) == pytest.approx(11.9)
    assert clock.capture_time(1_000_000) == pytest.approx(9.9)
    assert clock.timestamp_at(11.9) == 1_000_000 + 2 * VIDEO
    assert not clock.is_exact


def publish(seed: int) -> tuple[MediaClock, MediaClock]:
    """Ten seconds of a publisher whose video is encoded 80 ms late, over a jittery network."""
    dice = random.Random(seed)
    publisher = PublisherClock()
    video, audio = MediaClock(VIDEO, publisher), MediaClock(AUDIO, publisher)
    for step in range(500):
        captured = step * 0.02
        network = 0.02 + dice.random() * 0.03
        audio.handle_packet(77_000 + step * 960, SERVER_EPOCH + captured + network)
        video.handle_packet(5_000 + step * 1800, SERVER_EPOCH + captured + 0.08 + network)
        if step % 50 == 10:
            now = SERVER_EPOCH + captured + network
            ntp_s = PUBLISHER_EPOCH + captured
            audio.handle_sender_report(ntp_s, 77_000 + step * 960, now)
            video.handle_sender_report(ntp_s, 5_000 + step * 1800, now + 0.004)
    return video, audio


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reports_put_audio_and_video_on_one_clock(seed: int) -> None:
    video, audio = publish(seed)
    assert video.is_exact
    assert audio.is_exact
    shown, heard = video.capture_time(5_000 + 900_000), audio.capture_time(77_000 + 480_000)
    assert shown is not None
    assert heard is not None
    assert abs(shown - heard) < 0.001, f"seed {seed}"
    assert SERVER_EPOCH + 10.0 <= shown <= SERVER_EPOCH + 10.05
    timestamp = video.timestamp_at(shown)
    assert timestamp == 5_000 + 900_000


def test_the_basis_changes_once() -> None:
    clock = MediaClock(VIDEO, PublisherClock())
    clock.handle_packet(0, 1.0)
    assert clock.revision == 0
    clock.handle_sender_report(PUBLISHER_EPOCH, 0, 1.0)
    clock.handle_sender_report(PUBLISHER_EPOCH + 1, VIDEO, 2.0)
    assert clock.revision == 1


def test_a_broken_report_is_not_believed() -> None:
    clock = MediaClock(VIDEO, PublisherClock())
    clock.handle_packet(0, 1.0)
    clock.handle_sender_report(PUBLISHER_EPOCH, 60 * VIDEO, 1.0)
    assert not clock.is_exact
    assert clock.rejected_reports == 1
    assert clock.capture_time(0) == pytest.approx(1.0)


def test_capture_times_serve_until_the_first_report() -> None:
    clock = MediaClock(VIDEO, PublisherClock())
    clock.handle_packet(0, 1.0)
    clock.handle_capture_time(PUBLISHER_EPOCH, 0, 1.0)
    assert clock.is_exact
    clock.handle_capture_time(PUBLISHER_EPOCH + 9.0, 0, 1.0)
    assert clock.capture_time(0) == pytest.approx(1.0)


def test_a_restarted_source_starts_over() -> None:
    clock = MediaClock(VIDEO, PublisherClock())
    clock.handle_packet(0, 1.0)
    clock.handle_sender_report(PUBLISHER_EPOCH, 0, 1.0)
    clock.reset()
    assert not clock.is_exact
    assert clock.capture_time(0) is None
    assert clock.revision == 2


def test_the_least_delay_follows_a_drifting_clock() -> None:
    delay = LeastDelay()
    delay.observe(1.0, 0.0)
    delay.observe(5.0, 40.0)
    assert delay.value == 1.0
    delay.observe(6.0, 80.0)
    assert delay.value == 5.0
    delay.observe(7.0, 81.0)
    delay.observe(7.0, 120.0)
    assert delay.value == 6.0
