from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from loadtest.media_source import (
    HD,
    OPUS_FRAME_SAMPLES,
    PictureSize,
    Source,
    SourceError,
    TimedFrame,
    moving_picture,
    open_file,
)
from tests.support.videos import make_sound, make_video, turn_clockwise

SMALL = PictureSize(160, 90, 25)
FRAME_S = 0.02


def pictures(frames: list[TimedFrame]) -> list[TimedFrame]:
    return [timed for timed in frames if isinstance(timed.frame, VideoFrame)]


def sounds(frames: list[TimedFrame]) -> list[TimedFrame]:
    return [timed for timed in frames if isinstance(timed.frame, AudioFrame)]


def loud(timed: TimedFrame) -> bool:
    return any(bytes(timed.frame.planes[0]))


def seconds_of(source: Source, seconds: float) -> list[TimedFrame]:
    return list(itertools.takewhile(lambda timed: timed.at_s < seconds, source.frames))


def assert_good(frames: list[TimedFrame], size: PictureSize) -> None:
    """Ordered, one size, even steps, sound in frames that libopus takes."""
    assert [timed.at_s for timed in frames] == sorted(timed.at_s for timed in frames)
    times = [timed.at_s for timed in pictures(frames)]
    assert times[0] == pytest.approx(0, abs=1 / size.fps)
    steps = [late - early for early, late in itertools.pairwise(times)]
    assert all(step == pytest.approx(1 / size.fps, abs=0.001) for step in steps)
    for timed in frames:
        if isinstance(timed.frame, VideoFrame):
            assert (timed.frame.width, timed.frame.height) == (size.width, size.height)
            assert timed.frame.format.name == "yuv420p"
        else:
            assert timed.frame.samples == OPUS_FRAME_SAMPLES
            assert timed.frame.sample_rate == 48_000
            assert timed.frame.layout.name == "stereo"


def test_the_moving_picture_has_picture_and_sound_in_step() -> None:
    source = moving_picture(SMALL)
    assert source.size == SMALL
    frames = seconds_of(source, 1.0)
    assert len(pictures(frames)) == 25
    assert len(sounds(frames)) == 50
    assert sum(map(loud, sounds(frames))) >= 49
    first = frames[0].frame
    assert isinstance(first, AudioFrame), "sound of a moment comes before its picture"
    times = [timed.at_s for timed in sounds(frames)]
    assert times == pytest.approx([n * FRAME_S for n in range(50)])


def test_a_file_is_played_once(tmp_path: Path) -> None:
    source = open_file(make_video(tmp_path / "v.mp4"), HD, loop=False)
    assert source.size == SMALL
    frames = list(source.frames)
    assert_good(frames, SMALL)
    assert len(pictures(frames)) == 25
    assert sum(map(loud, sounds(frames))) >= 47
    assert sounds(frames)[-1].at_s == pytest.approx(0.96)


def test_a_loop_goes_on_without_going_back(tmp_path: Path) -> None:
    source = open_file(make_video(tmp_path / "v.mp4", seconds=0.4), HD, loop=True)
    frames = seconds_of(source, 2.0)
    assert_good(frames, SMALL)
    assert len(pictures(frames)) == 50
    times = [timed.at_s for timed in sounds(frames)]
    assert all(0.01 < late - early < 0.06 for early, late in itertools.pairwise(times))


def test_without_sound_there_is_silence(tmp_path: Path) -> None:
    frames = list(open_file(make_video(tmp_path / "v.mp4", sound_s=0), HD, loop=False).frames)
    assert_good(frames, SMALL)
    assert len(sounds(frames)) == 49
    assert not any(map(loud, sounds(frames)))


def test_sound_that_ends_early_is_followed_by_silence(tmp_path: Path) -> None:
    frames = list(open_file(make_video(tmp_path / "v.mp4", sound_s=0.4), HD, loop=False).frames)
    assert_good(frames, SMALL)
    assert len(sounds(frames)) == 49
    assert not any(map(loud, sounds(frames)[25:]))


def test_sound_that_begins_late_stays_in_step(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", sound_s=0.4, sound_from_s=0.5)
    frames = list(open_file(path, HD, loop=False).frames)
    assert_good(frames, SMALL)
    heard = [timed.at_s for timed in sounds(frames) if loud(timed)]
    assert heard[0] == pytest.approx(0.5, abs=0.05)


def test_a_stream_whose_clock_does_not_begin_at_zero(tmp_path: Path) -> None:
    frames = list(open_file(make_video(tmp_path / "v.ts"), HD, loop=False).frames)
    assert_good(frames, SMALL)
    assert loud(sounds(frames)[5])


@pytest.mark.parametrize(
    ("made", "limit", "size"),
    [
        ((320, 180, 50), PictureSize(160, 120, 30), PictureSize(160, 90, 30)),
        ((180, 320, 25), PictureSize(160, 90, 30), PictureSize(90, 160, 25)),
        ((160, 160, 10), PictureSize(160, 90, 30), PictureSize(90, 90, 10)),
        ((64, 48, 30), HD, PictureSize(64, 48, 30)),
    ],
)
def test_pictures_keep_their_shape_inside_the_limit(
    made: tuple[int, int, int], limit: PictureSize, size: PictureSize, tmp_path: Path
) -> None:
    width, height, fps = made
    path = make_video(tmp_path / "v.mp4", width=width, height=height, fps=fps, seconds=0.5)
    source = open_file(path, limit, loop=False)
    assert source.size == size
    assert_good(list(source.frames), size)


def test_a_phone_held_upright_is_shown_upright(tmp_path: Path) -> None:
    path = turn_clockwise(make_video(tmp_path / "v.mp4", seconds=0.4))
    source = open_file(path, HD, loop=False)
    assert source.size == PictureSize(90, 160, 25)
    frames = list(source.frames)
    assert_good(frames, source.size)
    plain = luma(pictures(list(_plain(tmp_path).frames))[0])
    assert mean_difference(luma(pictures(frames)[0]), clockwise(plain)) < 2
    assert mean_difference(luma(pictures(frames)[0]), clockwise(clockwise(clockwise(plain)))) > 20


def luma(timed: TimedFrame) -> list[bytes]:
    """Rows of brightness."""
    plane = timed.frame.planes[0]
    assert isinstance(plane, VideoPlane)
    content = bytes(plane)
    return [
        content[row * plane.line_size : row * plane.line_size + plane.width]
        for row in range(plane.height)
    ]


def clockwise(rows: list[bytes]) -> list[bytes]:
    return [bytes(column)[::-1] for column in zip(*rows, strict=True)]


def mean_difference(one: list[bytes], other: list[bytes]) -> float:
    pairs = [pair for rows in zip(one, other, strict=True) for pair in zip(*rows, strict=True)]
    return sum(abs(a - b) for a, b in pairs) / len(pairs)


def _plain(folder: Path) -> Source:
    return open_file(make_video(folder / "plain.mp4", seconds=0.4), HD, loop=False)


def test_what_is_no_video(tmp_path: Path) -> None:
    text, other_text = tmp_path / "notes.txt", tmp_path / "notes.md"
    for path in (text, other_text):
        path.write_text("not a video at all\n" * 50)
    with pytest.raises(SourceError, match="is a text; give a video"):
        open_file(text, HD, loop=False)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for path in (other_text, empty, tmp_path):
        with pytest.raises(SourceError, match=rf"{path}: is no video that FFmpeg can read"):
            open_file(path, HD, loop=False)
    with pytest.raises(SourceError, match="no such file"):
        open_file(tmp_path / "gone.mp4", HD, loop=False)
    with pytest.raises(SourceError, match="has no video stream"):
        open_file(make_sound(tmp_path / "song.m4a"), HD, loop=False)


def test_a_file_cut_off_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", seconds=2.0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    frames = list(open_file(path, HD, loop=False).frames)
    assert 5 < len(pictures(frames)) < 50


def test_a_file_cut_off_before_its_index_cannot_be_played(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SourceError, match="is no video"):
        open_file(path, HD, loop=True)


def test_damage_costs_pictures_and_not_the_show(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.ts", seconds=2.0)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = b"\xff" * 4000
    path.write_bytes(content)
    frames = list(open_file(path, HD, loop=False).frames)
    assert pictures(frames)[-1].at_s > 1.5
