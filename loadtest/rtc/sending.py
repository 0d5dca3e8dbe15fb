"""What a publisher's peer keeps of what it sent: for sender reports, and to send again. A core."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from loadtest.rtc.header_extension import header_bytes
from loadtest.rtc.rtcp import build_sender_report

KEPT_PACKETS: Final = 1024
"""About 2.5 s of a 4 Mbit/s stream; a power of two."""
REPORT_EVERY_S: Final = 1.0
_MARKER: Final = 0x80


@dataclass(slots=True)
class SentStream:
    """One SSRC. `rtx_*` None: it is resent as it was. `rtx_extension` replaces the header
    extension of a retransmission (repaired-rid instead of rid); None leaves it."""

    ssrc: int
    clock_rate: int
    keeps: bool
    rtx_ssrc: int | None = None
    rtx_payload_type: int | None = None
    rtx_extension: bytes | None = None
    rtx_seq: int = 0
    packets: int = 0
    octets: int = 0
    last_timestamp: int = 0
    last_sent_at: float = 0.0
    ring: dict[int, bytes] = field(default_factory=dict)
    """Slot -> plain packet when there is RTX, else the protected datagram."""

    @property
    def has_rtx(self) -> bool:
        return self.rtx_ssrc is not None and self.rtx_payload_type is not None


class Sending:
    """All streams of one peer. `now` is monotonic seconds; Unix time goes into reports alone."""

    def __init__(self, streams: list[SentStream]) -> None:
        self.streams = {each.ssrc: each for each in streams}
        self._fir_numbers: dict[int, int] = {}

    def note(self, plain: bytes, datagram: bytes, now: float) -> None:  # hot path
        """Remember one packet that was sent. Packets of foreign SSRCs are not remembered."""
        stream = self.streams.get(int.from_bytes(plain[8:12], "big"))
        if stream is None:
            return
        stream.packets += 1
        stream.octets += len(plain) - (header_bytes(plain) or 0)
        stream.last_timestamp = int.from_bytes(plain[4:8], "big")
        stream.last_sent_at = now
        if stream.keeps:
            seq = int.from_bytes(plain[2:4], "big")
            stream.ring[seq % KEPT_PACKETS] = plain if stream.has_rtx else datagram

    def reports(self, now: float, wall_s: float, cname: str = "light") -> list[bytes]:
        """A sender report for each stream that has sent. The timestamp is that of this very
        moment: the last one sent, and what has passed since (RFC 3550 §6.4.1)."""
        return [
            build_sender_report(
                each.ssrc,
                wall_s=wall_s,
                rtp_timestamp=each.last_timestamp
                + round((now - each.last_sent_at) * each.clock_rate),
                packets=each.packets,
                octets=each.octets,
                cname=cname,
            )
            for each in self.streams.values()
            if each.packets
        ]

    def resend(self, ssrc: int, seqs: tuple[int, ...]) -> tuple[list[bytes], list[bytes]]:
        """(Plain RTX packets, datagrams to send as they are) for what is still there."""
        stream = self.streams.get(ssrc)
        if stream is None:
            return [], []
        # Both keep the sequence number in the clear, at the same place.
        kept = [stream.ring.get(seq % KEPT_PACKETS, b"") for seq in seqs]
        found = [
            each
            for each, seq in zip(kept, seqs, strict=True)
            if each[2:4] == seq.to_bytes(2, "big")
        ]
        return ([_rtx(stream, each) for each in found], []) if stream.has_rtx else ([], found)

    def is_new_request(self, ssrc: int, number: int) -> bool:
        """Whether a FIR is not the repetition of the one before (RFC 5104 §4.3.1.2)."""
        is_new = self._fir_numbers.get(ssrc) != number
        self._fir_numbers[ssrc] = number
        return is_new and ssrc in self.streams


def _rtx(stream: SentStream, plain: bytes) -> bytes:
    """RFC 4588 §4: the header with another SSRC, number and type; the payload behind the original
    number."""
    assert stream.rtx_ssrc is not None, "only streams with RTX come here"
    assert stream.rtx_payload_type is not None, "only streams with RTX come here"
    end = header_bytes(plain)
    assert end is not None, "our own packets are well formed"
    extension = plain[12 + 4 * (plain[0] & 0x0F) : end]
    if stream.rtx_extension is not None:
        extension = stream.rtx_extension
    first = plain[0] & ~0x10 | (0x10 if extension else 0)
    second = plain[1] & _MARKER | stream.rtx_payload_type
    header = bytes([first, second]) + stream.rtx_seq.to_bytes(2, "big") + plain[4:8]
    stream.rtx_seq = (stream.rtx_seq + 1) & 0xFFFF
    csrcs = plain[12 : 12 + 4 * (plain[0] & 0x0F)]
    ssrc = stream.rtx_ssrc.to_bytes(4, "big")
    return header + ssrc + csrcs + extension + plain[2:4] + plain[end:]
