"""Pictures of a file as a live stream wants them: upright, square pixels, one size, one rate."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from av.filter import Graph
from av.video.frame import VideoFrame

_TURNS: Final = {
    # `VideoFrame.rotation` counts counter-clockwise; phones write it instead of turning pixels.
    -90: ("transpose", "clock"),
    90: ("transpose", "cclock"),
}


def shown_size(
    frame: VideoFrame, pixel_aspect: Fraction | None, max_width: int, max_height: int
) -> tuple[int, int]:
    """Width and height to send a picture with: its shape, even, never enlarged.

    The limit is meant for landscape; a portrait picture gets it turned by 90 degrees.
    """
    width, height = frame.width * float(pixel_aspect or 1), float(frame.height)
    if frame.rotation % 180:
        width, height = height, width
    if (width < height) != (max_width < max_height):
        max_width, max_height = max_height, max_width
    scale = min(1.0, max_width / width, max_height / height)
    return _even(width * scale), _even(height * scale)


class PictureFilter:
    """FFmpeg filters: turn, scale, rate, yuv420p. Rebuilt when the file changes its format."""

    def __init__(self, width: int, height: int, fps: int) -> None:
        self._width, self._height, self._fps = width, height, fps
        self._graph: Graph | None = None
        self._made_for: tuple[int, int, str, int] | None = None

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """What comes out for a picture that goes in: none, one or several (the rate is fixed)."""
        key = (frame.width, frame.height, frame.format.name, frame.rotation)
        if self._graph is None or key != self._made_for:
            yield from self.finish()
            self._graph, self._made_for = self._make(frame), key
        self._graph.push(frame)
        yield from self._pull(self._graph)

    def finish(self) -> Iterator[VideoFrame]:
        """What the filters still hold."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull(self._graph)
            self._graph = None

    def _pull(self, graph: Graph) -> Iterator[VideoFrame]:
        while True:
            try:
                frame = graph.vpull()
            except (BlockingIOError, EOFError):
                return  # it wants more pictures first, or there are no more
            yield frame

    def _make(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        nodes = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base,
            )
        ]
        if frame.rotation in _TURNS:
            nodes.append(graph.add(*_TURNS[frame.rotation]))
        elif frame.rotation % 360:
            nodes += [graph.add("hflip"), graph.add("vflip")]
        nodes += [
            graph.add("scale", f"{self._width}:{self._height}"),
            graph.add("setsar", "1"),
            graph.add("fps", str(self._fps)),
            graph.add("format", "yuv420p"),
            graph.add("buffersink"),
        ]
        for one, other in itertools.pairwise(nodes):
            one.link_to(other)
        graph.configure()
        return graph


def _even(pixels: float) -> int:
    """4:2:0 halves the colour planes, so both sides must be even."""
    return max(16, round(pixels / 2) * 2)
