from __future__ import annotations

from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from loadtest.media_source import TimedFrame
from loadtest.whip_encoder import HALTED_S, in_real_time


def picture(at_s: float) -> TimedFrame:
    return TimedFrame(at_s, VideoFrame(16, 16, "yuv420p"))


def sound(at_s: float) -> TimedFrame:
    return TimedFrame(at_s, AudioFrame("s16", "stereo", 960))


class HandClock:
    """Time that passes only when somebody sleeps, or the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


def test_frames_wait_for_their_time() -> None:
    clock = HandClock()
    frames = iter([picture(0.0), sound(0.02), picture(0.1)])
    assert [(timed.at_s, clock.now) for timed in in_real_time(frames, clock)] == [
        (0.0, 0.0),
        (0.02, 0.02),
        (0.1, 0.1),
    ]


def test_late_pictures_are_left_out_and_late_sound_is_not() -> None:
    clock = HandClock()
    frames = in_real_time(iter([picture(0.0), sound(0.01), picture(0.02), picture(1.0)]), clock)
    sent = [next(frames).frame]
    clock.now += 0.4  # what a slow encoder does to the others
    sent += [timed.frame for timed in frames]
    assert [type(frame) for frame in sent] == [VideoFrame, AudioFrame, VideoFrame]


def test_after_a_halt_nothing_is_made_up_in_a_burst() -> None:
    clock = HandClock()
    sent = []
    for timed in in_real_time((picture(n / 10) for n in range(4)), clock):
        sent.append((timed.at_s, round(clock.now, 3)))
        if timed.at_s == 0.1:
            clock.now += HALTED_S + 10
    assert sent == [(0.0, 0.0), (0.1, 0.1), (0.2, 12.1), (0.3, 12.2)]
