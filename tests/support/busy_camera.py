"""A picture that takes real bits: FFmpeg's test pattern with grain, as a file that Chromium takes
for its camera. The browser's own fake one is so plain that an encoder is done with 400 kbit/s."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import av
from av.video.stream import VideoStream

WIDTH: Final = 720
HEIGHT: Final = 720
"""Enough lines for three layers of simulcast."""
FPS: Final = 12
"""Two cores encode, forward and decode it, and show it in time."""
SECONDS: Final = 2.0
_GRAIN: Final = 8


def make_camera_file(path: Path) -> Path:
    """About 40 MB; Chromium plays it in a loop."""
    pattern = (
        f"testsrc2=size={WIDTH}x{HEIGHT}:rate={FPS}:duration={SECONDS:g}"
        f",noise=alls={_GRAIN}:allf=t,format=yuv420p"
    )
    with av.open(pattern, format="lavfi") as source, av.open(str(path), "w") as container:
        stream = container.add_stream("wrapped_avframe", rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in source.decode(video=0):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def camera_flag(path: Path) -> str:
    """For Chromium's command line, beside those of its fake devices."""
    return f"--use-file-for-fake-video-capture={path}"
