"""Checks of the media libraries: encryption and codecs."""

from __future__ import annotations

from typing import Final

from server.doctor.check import Check, fail, ok, warn

CODECS: Final = ("libvpx", "libx264", "libopus")
"""The demo, `lianmai publish` and thumbnails encode with these; forwarding needs none."""


def srtp() -> Check:
    """AEAD_AES_128_GCM halves the CPU of a protected packet (DESIGN 3.9)."""
    import pylibsrtp

    try:
        policy = pylibsrtp.Policy(
            key=bytes(28),
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
        pylibsrtp.Session(policy)
    except (AttributeError, ValueError, pylibsrtp.Error) as error:
        how = "install a pylibsrtp built with OpenSSL: make setup"
        return warn("SRTP AES-GCM", f"missing ({error}); AES-CM with SHA-1 is used", how)
    return ok("SRTP AES-GCM", "available")


def codecs() -> Check:
    import av

    missing = []
    for name in CODECS:
        try:
            av.codec.Codec(name, "w")
        except ValueError:
            missing.append(name)
    if missing:
        how = "make setup (the wheel of av has them)"
        return warn("codecs", f"missing: {', '.join(missing)}; the demo needs them", how)
    return ok("codecs", ", ".join(CODECS))


def dtls() -> Check:
    try:
        from OpenSSL import SSL
    except ImportError as error:
        return fail("DTLS", f"pyOpenSSL cannot be loaded: {error}", "make setup")
    return ok("DTLS", SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode())
