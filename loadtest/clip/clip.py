"""A clip: encoded video and sound of a few seconds, made once and looped by every publisher."""

from __future__ import annotations

import asyncio
import functools
import threading
from dataclasses import dataclass

from loadtest.clip import h264, vp8
from loadtest.clip.encode import EncodedFrame, encode_sound, encode_video
from loadtest.clip.spec import ClipSpec
from loadtest.media_source import PictureSize, SourceError

__all__ = ["Clip", "EncodedFrame", "SourceError", "make_clip"]


@dataclass(frozen=True)
class Clip:
    """Starts with a key frame; nothing refers across a key frame, so every one is an entrance."""

    spec: ClipSpec
    size: PictureSize
    """What was really encoded: pictures of a file keep their shape and a lower rate."""
    frames: tuple[EncodedFrame, ...]
    audio: tuple[bytes, ...]
    """Opus, 48 kHz stereo, 20 ms each."""

    @property
    def seconds(self) -> float:
        return len(self.frames) / self.size.fps

    @property
    def bitrate_bps(self) -> int:
        """The video's real one, over the whole clip."""
        return round(sum(len(frame.data) for frame in self.frames) * 8 / self.seconds)

    @functools.cached_property
    def payloads(self) -> tuple[tuple[bytes, ...], ...]:
        """Each frame cut for its packets, by all publishers of the clip together: H.264 as RTP
        payloads, VP8 without the descriptor, which is every sender's own."""
        cut = vp8.fragments if self.spec.codec == "VP8" else h264.payloads
        return tuple(cut(frame.data) for frame in self.frames)

    def next_key_frame(self, position: int) -> int:
        """The place of the first key frame at or after `position`, around the loop's end."""
        count = len(self.frames)
        return next(
            at % count for at in range(position, position + count) if self.frames[at % count].is_key
        )


async def make_clip(spec: ClipSpec) -> Clip:
    """Encoded once per spec and process, in a thread: the event loop goes on meanwhile.

    Raises `SourceError` (one line) when the file cannot be played or the encoder refuses.
    """
    return await asyncio.to_thread(_make_once, spec)


_making = threading.Lock()


def _make_once(spec: ClipSpec) -> Clip:
    # functools.cache alone would let two threads encode the same clip side by side.
    with _making:
        return _make(spec)


@functools.cache
def _make(spec: ClipSpec) -> Clip:
    size, frames = encode_video(spec)
    clip = Clip(spec, size, frames, encode_sound(spec.file, len(frames) / size.fps))
    assert clip.payloads, "cut here, not while somebody waits for a frame"
    return clip
