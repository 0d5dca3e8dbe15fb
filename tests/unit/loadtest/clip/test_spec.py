from __future__ import annotations

from dataclasses import replace

import pytest

from loadtest.clip.spec import LOWEST_BPS, SIZES, ClipSpec, clip_spec, simulcast_specs

SPEC = ClipSpec("VP8", 1280, 720, 30, 1_200_000)


@pytest.mark.parametrize(
    ("name", "size", "bitrate_bps"),
    [
        ("high", (1280, 720, 30), 1_200_000),
        ("medium", (640, 360, 30), 600_000),
        ("low", (320, 180, 15), 150_000),
        ("1280x720@30", (1280, 720, 30), 1_200_000),
        ("1280x720@15", (1280, 720, 15), 600_000),
        ("16x16@1", (16, 16, 1), LOWEST_BPS),
    ],
)
def test_names_and_sizes(name: str, size: tuple[int, int, int], bitrate_bps: int) -> None:
    spec = clip_spec(name, "H264")
    assert spec == ClipSpec("H264", *size, bitrate_bps=bitrate_bps)
    assert clip_spec(name, "H264", bitrate_bps=99_000) == replace(spec, bitrate_bps=99_000)


@pytest.mark.parametrize("text", ["hihg", "1280", "1280x720@0", "8x8@30", ""])
def test_wrong_names_are_one_line(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        clip_spec(text)
    assert "\n" not in str(refusal.value)
    assert all(name in str(refusal.value) for name in SIZES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 1281}, "1281x720@30: width and height must be even"),
        ({"height": 8}, "1280x8@30: 16x16 to 3840x2160"),
        ({"fps": 61}, "at 1 to 60 pictures/s"),
        ({"bitrate_bps": 0}, "0 bit/s: a clip has 20000 to 50000000 bit/s"),
        ({"seconds": 1.0}, "at least one group of pictures"),
        ({"seconds": 61.0}, "60 s at most"),
        ({"gop_s": 0.0}, "a key frame every 0 s"),
    ],
)
def test_nonsense_is_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(SPEC, **change)  # type: ignore[arg-type]  # each is a number of its field


def test_simulcast_layers_halve() -> None:
    (q, low), (h, middle), (f, top) = simulcast_specs(SPEC, ("q", "h", "f"))
    assert (q, h, f) == ("q", "h", "f")
    assert top == SPEC
    assert (middle.width, middle.height, middle.bitrate_bps) == (640, 360, 300_000)
    assert (low.width, low.height, low.bitrate_bps) == (320, 180, 75_000)
    small = ClipSpec("VP8", 18, 18, 30, LOWEST_BPS)
    assert simulcast_specs(small, ("l", "h"))[0][1] == ClipSpec("VP8", 16, 16, 30, LOWEST_BPS)
