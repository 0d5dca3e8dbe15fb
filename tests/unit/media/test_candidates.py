"""What we offer to be reached by: UDP first, TCP on the same port number after it."""

from __future__ import annotations

from media.sdp import TcpCandidate, candidate_values


def test_tcp_candidates_follow_udp_with_the_formula_of_their_own() -> None:
    udp = (("203.0.113.5", 7882), ("2001:db8::1", 7882))
    values = candidate_values((*udp, *(TcpCandidate(*each) for each in udp)))
    assert values[:2] == candidate_values(udp), "whoever reads only the first takes UDP"
    # RFC 6544 §4.2: direction preference 4 (passive) << 13, and 8191 less the place in the list.
    assert values[2:] == (
        f"3 1 tcp {126 << 24 | (4 * 8192 + 8189) << 8 | 255} 203.0.113.5 7882"
        " typ host tcptype passive",
        f"4 1 tcp {126 << 24 | (4 * 8192 + 8188) << 8 | 255} 2001:db8::1 7882"
        " typ host tcptype passive",
    )
    priorities = [int(each.split()[3]) for each in values]
    assert priorities == sorted(priorities, reverse=True)
