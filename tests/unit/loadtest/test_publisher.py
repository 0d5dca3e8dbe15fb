from __future__ import annotations

import argparse
import time
from pathlib import Path

import av
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from loadtest.media_source import HD, Frame, PictureSize, TimedFrame
from loadtest.publisher import (
    HALTED_S,
    PublishError,
    WhipPublisher,
    in_real_time,
    parse_kbps,
    parse_size,
)
from tests.support.server import free_port


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1280x720@30", HD),
        ("640x360", PictureSize(640, 360, 30)),
        ("641X361@25", PictureSize(640, 360, 25)),
        ("3840x2160@60", PictureSize(3840, 2160, 60)),
    ],
)
def test_sizes_are_read_and_made_even(text: str, size: PictureSize) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "x", "720p", "1280x", "8x8", "1280x720@0", "1280x720@61", "9999x9@30", "1x2x3"]
)
def test_sizes_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}'"):
        parse_size(text)


def test_bitrates() -> None:
    assert parse_kbps("800") == 800
    for text in ("0", "-1", "1.5", "fast", "99999999"):
        with pytest.raises(argparse.ArgumentTypeError, match="50 to 50000"):
            parse_kbps(text)


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


def test_nobody_there_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    url = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}/whip/r1"
    with pytest.raises(PublishError, match="nothing listens there"):
        WhipPublisher(url, "token", PictureSize(160, 90, 10), 200_000)
    assert list(tmp_path.iterdir()) == []
    assert issubclass(av.error.ConnectionRefusedError, ConnectionRefusedError)
