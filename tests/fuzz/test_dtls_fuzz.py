"""Invariant: whatever datagrams come, before, during or after a handshake, an endpoint raises
nothing; it goes on, or ends with one `DtlsFailed` or `DtlsClosed`."""

from hypothesis import given, settings
from hypothesis import strategies as st

from media.certificate import Certificate
from media.dtls import DtlsClosed, DtlsEvent, DtlsFailed, DtlsState
from tests.support.dtls_pair import ANY_DAY, DtlsPair

CERTIFICATE = Certificate.generate(ANY_DAY)

records = st.builds(
    lambda kind, version, epoch, seq, body: (
        bytes([kind])
        + version
        + epoch.to_bytes(2, "big")
        + seq.to_bytes(6, "big")
        + len(body).to_bytes(2, "big")
        + body
    ),
    st.sampled_from([20, 21, 22, 23, 24, 25, 63]),
    st.sampled_from([b"\xfe\xff", b"\xfe\xfd", b"\xfe\xfc", b"\x03\x03"]),
    st.integers(0, 2),
    st.integers(0, 10),
    st.binary(max_size=80),
)
garbage = st.one_of(st.binary(max_size=100), records, st.lists(records, max_size=4).map(b"".join))

# (which datagram of the handshake, which byte of it, the bits to turn over)
flip = st.tuples(st.integers(0, 7), st.integers(0, 1199), st.integers(1, 255))


def assert_ended_at_most_once(events: list[DtlsEvent], state: DtlsState) -> None:
    ends = [event for event in events if isinstance(event, (DtlsFailed, DtlsClosed))]
    assert len(ends) == (1 if state in (DtlsState.FAILED, DtlsState.CLOSED) else 0)


@settings(max_examples=100, deadline=None)
@given(
    noise=st.lists(garbage, max_size=5),
    flips=st.lists(flip, max_size=4),
    after=st.lists(garbage, max_size=3),
)
def test_no_datagram_raises(
    noise: list[bytes], flips: list[tuple[int, int, int]], after: list[bytes]
) -> None:
    count = 0

    def link(_sender: str, data: bytes) -> list[bytes]:
        nonlocal count
        twisted = bytearray(data)
        for number, index, mask in flips:
            if number == count:
                twisted[index % len(twisted)] ^= mask
        count += 1
        return [bytes(twisted)]

    pair = DtlsPair(link=link, client_certificate=CERTIFICATE, server_certificate=CERTIFICATE)
    pair.server.start(0.0)
    pair.client.start(0.0)
    for data in noise:
        pair.server.handle_datagram(data, 0.0)
        pair.client.handle_datagram(data, 0.0)
    pair.step()
    for _ in range(3):
        pair.advance(0.5)
    for data in after:
        pair.server.handle_datagram(data, pair.now)
        pair.client.handle_datagram(data, pair.now)
    pair.step()
    assert_ended_at_most_once(pair.events["client"], pair.client.state)
    assert_ended_at_most_once(pair.events["server"], pair.server.state)
