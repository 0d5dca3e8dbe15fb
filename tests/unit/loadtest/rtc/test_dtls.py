"""Two of our endpoints against each other, and what can go wrong."""

from __future__ import annotations

import pytest

from loadtest.rtc.dtls import DtlsEndpoint, local_fingerprint
from loadtest.rtc.srtp import CM_SHA1, GCM, SrtpProfile

OWN = ("sha-256", bytes.fromhex(local_fingerprint().replace(":", "")))


def shake(client: DtlsEndpoint, server: DtlsEndpoint) -> None:
    client.start(0.0)
    server.start(0.0)
    pump(client, server)


def shake_from(hello: bytes, client: DtlsEndpoint, server: DtlsEndpoint) -> None:
    """On from a hello that was sent already."""
    server.take_untrusted(hello, 0.0)
    pump(client, server)


def pump(client: DtlsEndpoint, server: DtlsEndpoint) -> None:
    moved = True
    while moved:
        moved = False
        for one, other in ((client, server), (server, client)):
            while (datagram := one.poll_transmit()) is not None:
                assert len(datagram) <= 1200
                other.take_untrusted(datagram, 0.0)
                moved = True


def pair(
    client: tuple[SrtpProfile, ...] = (GCM, CM_SHA1),
    server: tuple[SrtpProfile, ...] = (GCM, CM_SHA1),
    fingerprint: tuple[str, bytes] = OWN,
) -> tuple[DtlsEndpoint, DtlsEndpoint]:
    return DtlsEndpoint("client", client, fingerprint), DtlsEndpoint("server", server, OWN)


@pytest.mark.parametrize("profile", [GCM, CM_SHA1])
def test_both_sides_hold_the_same_keys(profile: SrtpProfile) -> None:
    client, server = pair(client=(profile,))
    shake(client, server)
    assert client.keys is not None
    assert server.keys is not None
    assert client.keys.profile is server.keys.profile is profile
    assert client.keys.local == server.keys.remote != client.keys.remote
    assert client.keys.remote == server.keys.local
    assert client.next_deadline(0.0) is None


@pytest.mark.parametrize(("server", "agreed"), [((GCM, CM_SHA1), GCM), ((CM_SHA1, GCM), CM_SHA1)])
def test_the_servers_order_decides(server: tuple[SrtpProfile, ...], agreed: SrtpProfile) -> None:
    ours, theirs = pair(server=server)
    shake(ours, theirs)
    assert ours.keys is not None
    assert ours.keys.profile is agreed


def test_no_profile_in_common() -> None:
    client, server = pair(client=(GCM,), server=(CM_SHA1,))
    shake(client, server)
    failure = client.failure or server.failure
    assert failure is not None
    assert client.keys is None


@pytest.mark.parametrize(
    ("fingerprint", "words"),
    [
        (("sha-256", bytes(32)), "does not match its SDP fingerprint"),
        (("sha-384", OWN[1]), "does not match its SDP fingerprint"),
        (("md5", bytes(16)), "nobody should believe"),
    ],
)
def test_the_certificate_is_held_against_the_sdp(
    fingerprint: tuple[str, bytes], words: str
) -> None:
    client, server = pair(fingerprint=fingerprint)
    shake(client, server)
    assert client.keys is None
    assert client.failure is not None
    assert words in client.failure


def test_close_notify_is_heard() -> None:
    client, server = pair()
    shake(client, server)
    server._connection.shutdown()
    server._collect(0.0)
    datagram = server.poll_transmit()
    assert datagram is not None
    client.take_untrusted(datagram, 0.0)
    assert client.is_closed


def test_a_lost_flight_is_sent_again_and_later_each_time() -> None:
    client, server = pair()
    client.start(10.0)
    hello = client.poll_transmit()
    assert hello is not None  # lost
    for due in (10.05, 10.15, 10.35):
        deadline = client.next_deadline(10.0)
        assert deadline == pytest.approx(due)
        client.handle_timeout(due - 0.01)
        assert client.poll_transmit() is None, "not before its time"
        client.handle_timeout(due)
        assert client.poll_transmit() == hello
        assert client.poll_transmit() is None
    shake_from(hello, client, server)
    assert client.keys is not None
    assert client.next_deadline(20.0) is None


def test_what_came_twice_is_no_harm() -> None:
    client, server = pair()
    client.start(0.0)
    hello = client.poll_transmit()
    assert hello is not None
    server.start(0.0)
    server.take_untrusted(hello, 0.0)
    shake_from(hello, client, server)
    assert client.keys is not None
    assert server.keys is not None


def test_garbage_is_no_failure() -> None:
    client, _ = pair()
    client.start(0.0)
    for data in (b"", b"\x16", b"\x16\xfe\xfd" + bytes(30), bytes([23]) * 100):
        client.take_untrusted(data, 0.0)
    assert client.failure is None
    assert client.keys is None


def test_the_fingerprint_is_written_as_sdp_has_it() -> None:
    pairs = local_fingerprint().split(":")
    assert len(pairs) == 32
    assert all(len(each) == 2 and each == each.upper() for each in pairs)
