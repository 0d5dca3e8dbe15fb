"""Which encoding a packet of a new SSRC belongs to, by its header extensions (RFC 8852).

Offers of simulcast name no SSRCs. A sender writes the rid of the encoding (rtp-stream-id) into its
media, and into retransmissions the rid of what they repair (repaired-rtp-stream-id), until we have
reported on the SSRC.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from media.rtp import parse_rtp_untrusted, read_extensions_untrusted

MAX_RID_BYTES: Final = 16
"""What a one-byte header extension carries; longer rids are not negotiated."""


class StreamId(NamedTuple):
    """`rid` is empty when the packet names none; `is_repair`: it was the repaired one."""

    rid: str
    is_repair: bool


NO_STREAM_ID: Final = StreamId("", False)


def read_stream_id_untrusted(data: bytes, rid_id: int, repaired_id: int) -> StreamId:
    """The stream id of one decrypted RTP packet; ids 0 were not negotiated.

    Raises `RemoteProtocolError` for malformed packets. A value that cannot be a rid of ours (too
    long, not ASCII) counts as none.
    """
    header = parse_rtp_untrusted(data)
    if not header.extension_profile:
        return NO_STREAM_ID
    elements = read_extensions_untrusted(data, header)
    repaired = elements.get(repaired_id) if repaired_id else None
    value = repaired or (elements.get(rid_id) if rid_id else None)
    if not value or len(value) > MAX_RID_BYTES or not value.isascii():
        return NO_STREAM_ID
    return StreamId(value.decode("ascii"), repaired is not None and value is repaired)
