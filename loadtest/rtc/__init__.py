"""A light WebRTC peer: real ICE, DTLS-SRTP and RTCP, no codec."""
