from __future__ import annotations

import time

import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from loadtest.media_source import Frame, TimedFrame
from loadtest.whip_encoder import HALTED_S, in_real_time


def picture(at_s: float) -> TimedFrame:
    return TimedFrame(at_s, VideoFrame(16, 16, "yuv420p"))


def sound(at_s: float) -> TimedFrame:
    return TimedFrame(at_s, AudioFrame("s16", "stereo", 960))


def test_frames_wait_for_their_time() -> None:
    started = time.monotonic()
    for timed in in_real_time(iter([picture(0.0), sound(0.02), picture(0.1)])):
        assert time.monotonic() - started >= timed.at_s


def test_late_pictures_are_left_out_and_late_sound_is_not() -> None:
    def slow() -> list[Frame]:
        frames = in_real_time(iter([picture(0.0), sound(0.01), picture(0.02), picture(1.0)]))
        sent = [next(frames).frame]
        time.sleep(0.4)  # what a slow encoder does to the others
        return sent + [timed.frame for timed in frames]

    assert [type(frame) for frame in slow()] == [VideoFrame, AudioFrame, VideoFrame]


def test_after_a_halt_nothing_is_made_up_in_a_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    sent = []
    for timed in in_real_time(picture(n / 10) for n in range(4)):
        sent.append((timed.at_s, round(clock[0], 3)))
        if timed.at_s == 0.1:
            clock[0] += HALTED_S + 10
    assert sent == [(0.0, 0.0), (0.1, 0.1), (0.2, 12.1), (0.3, 12.2)]
