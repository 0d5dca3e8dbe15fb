"""Any bytes in any pieces are cut into datagrams or refused, and little of them is kept.

The pieces do not matter: what is found, and whether it is refused, is the same as for the whole.
"""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import RemoteProtocolError
from media.framing import MAX_FRAME_BYTES, PREFIX_BYTES, Deframer, framed

streams = st.one_of(
    st.binary(max_size=400),
    st.lists(st.binary(min_size=1, max_size=60), max_size=8).map(
        lambda datagrams: b"".join(framed(each) for each in datagrams)
    ),
    st.binary(max_size=3000).map(lambda tail: b"\x00\x05hello\x08\x00" + tail),
)


def outcome(pieces: list[bytes]) -> tuple[int, bool]:
    """Bytes in the frames that were found up to a refusal, and whether there was one.

    Frames of the refused piece itself are not handed out; they are left out of both sides.
    """
    deframer = Deframer()
    found = given_bytes = 0
    for piece in pieces:
        given_bytes += len(piece)
        try:
            found += sum(PREFIX_BYTES + len(each) for each in deframer.frames_untrusted(piece))
        except RemoteProtocolError:
            return found, True
        assert given_bytes - found < PREFIX_BYTES + MAX_FRAME_BYTES
    return found, False


@settings(max_examples=300, deadline=None)
@given(stream=streams, cuts=st.lists(st.integers(0, 3100), max_size=12))
def test_pieces_do_not_matter(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(edges)]
    whole_found, whole_refused = outcome([stream])
    found, refused = outcome(pieces)
    assert refused == whole_refused
    if not refused:
        assert found == whole_found
