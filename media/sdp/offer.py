"""What an offer says, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from media.certificate import DtlsRole
from media.codecs import Codec
from media.sdp.extensions import Extension
from media.transport import RemoteTransport

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Setup = Literal["actpass", "active", "passive"]


@dataclass(frozen=True, slots=True)
class OfferedSsrc:
    """A stream announced by `a=ssrc`; `rtx_ssrc` is its retransmission stream (FID group)."""

    ssrc: int
    cname: str = ""
    rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class OfferSection:
    """One m-line and what belongs to it."""

    index: int
    kind: str
    """`audio`, `video`, or something we reject (`application` ...)."""
    mid: str
    direction: Direction
    """Seen from the offerer: `sendonly` publishes, `recvonly` plays."""
    protocol: str
    formats: tuple[str, ...]
    """The raw format list of the m-line; a rejected line must echo it (RFC 3264 §6)."""
    is_rejected: bool
    """Port 0 without bundle-only, or neither audio nor video: answered with port 0."""
    codecs: tuple[Codec, ...] = ()
    """In the m-line's order, RTX folded into `Codec.rtx_payload_type`."""
    extensions: tuple[Extension, ...] = ()
    ssrcs: tuple[OfferedSsrc, ...] = ()
    """Primary streams only; empty for simulcast by rid and for receivers."""
    rids: tuple[str, ...] = ()
    """`a=rid:... send` in order (RFC 8851)."""
    simulcast_send: tuple[str, ...] = ()
    """The rids of `a=simulcast:send` (RFC 8853), alternatives and pauses stripped."""
    msid: str = ""
    rtcp_rsize: bool = False

    @property
    def sends(self) -> bool:
        """Whether the offerer wants to send here."""
        return self.direction in ("sendonly", "sendrecv")

    @property
    def receives(self) -> bool:
        """Whether the offerer wants to receive here."""
        return self.direction in ("recvonly", "sendrecv")


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked offer: bundled, muxed, with credentials and a fingerprint we believe."""

    remote: RemoteTransport
    setup: Setup
    sections: tuple[OfferSection, ...]
    candidates: tuple[str, ...] = ()
    """Values of `a=candidate`, unread: a lite agent learns addresses from checks."""
    end_of_candidates: bool = False
    extmap_allow_mixed: bool = False

    @property
    def dtls_role(self) -> DtlsRole:
        """Our role (RFC 5763 §5): client only towards an offerer that insists on `passive`.

        Answering `passive` to `actpass` saves us the first flight and its timer.
        """
        return "client" if self.setup == "passive" else "server"

    @property
    def media_sections(self) -> tuple[OfferSection, ...]:
        """The sections that can carry media: not rejected."""
        return tuple(section for section in self.sections if not section.is_rejected)
