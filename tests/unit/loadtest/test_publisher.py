from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from loadtest.media_source import HD, PictureSize, SourceError
from loadtest.publisher import PublishError, Show, parse_kbps, parse_size, publish
from loadtest.targets.program import free_port
from tests.support.videos import make_video


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


def test_nobody_there_is_one_sentence() -> None:
    url = f"http://127.0.0.1:{free_port()}/whip/r1"
    with pytest.raises(PublishError, match=f"^{url}: nothing listens there; start it"):
        publish(url, "token", Show(None, PictureSize(160, 90, 10), 200_000))


def test_a_show_knows_the_size_of_its_file(tmp_path: Path) -> None:
    show = Show(make_video(tmp_path / "v.mp4"), HD, 500_000, loop=False).checked()
    assert show.size == PictureSize(160, 90, 25)
    assert show.as_arguments()[-1] == "--once"
    assert Show(None, HD, 1).checked().size == HD
    with pytest.raises(SourceError, match="no such file"):
        Show(tmp_path / "gone.mp4", HD, 1).checked()
