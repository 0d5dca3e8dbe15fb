"""DTLS: both roles, loss of each flight, fragments, fingerprints, profiles, garbage, the end."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from media.certificate import Certificate, Fingerprint
from media.dtls import (
    FIRST_RESEND_S,
    HANDSHAKE_WITHIN_S,
    MAX_DATAGRAM_BYTES,
    DtlsClosed,
    DtlsConnected,
    DtlsEndpoint,
    DtlsFailed,
    DtlsState,
    pack_datagrams,
    split_records,
)
from media.errors import LocalProtocolError
from media.srtp import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES128_CM_SHA1_80,
    PROFILES,
    SrtpProfile,
    SrtpReceiver,
    SrtpSender,
)
from tests.support.dtls_pair import ANY_DAY, DtlsPair, Filter


def lose(sender: str, numbers: Iterable[int]) -> Filter:
    """A link that loses the datagrams of `sender` with these numbers (from 0)."""
    wanted, count = set(numbers), iter(range(1_000_000))

    def link(source: str, data: bytes) -> list[bytes]:
        return [] if source == sender and next(count) in wanted else [data]

    return link


def bulky_certificate() -> Certificate:
    """A certificate of some 5 kB, as a chain would be: its message needs several datagrams."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bulky")])
    names = [x509.DNSName(f"{index:03}-{'x' * 40}.example") for index in range(90)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ANY_DAY)
        .not_valid_after(ANY_DAY + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(key, certificate)


def test_a_handshake_gives_both_sides_fitting_keys() -> None:
    pair = DtlsPair()
    pair.start()
    client, server = pair.connected()
    assert client.profile is AEAD_AES_128_GCM
    assert client.local_key == server.remote_key
    assert client.remote_key == server.local_key
    packet = b"\x80\x60\x00\x01" + bytes(8) + b"hello"
    protected = SrtpSender(client.profile, client.local_key).protect_rtp(packet)
    assert SrtpReceiver(server.profile, server.remote_key).unprotect_rtp(protected) == packet
    assert all(len(data) <= MAX_DATAGRAM_BYTES for sent in pair.sent.values() for data in sent)
    assert pair.client.next_deadline() is None
    assert pair.server.next_deadline() is None


def test_a_server_says_nothing_before_it_is_spoken_to() -> None:
    pair = DtlsPair()
    pair.server.start(0.0)
    assert pair.server.poll_transmit() is None


def test_starting_twice_is_a_mistake_of_ours() -> None:
    pair = DtlsPair()
    pair.start()
    with pytest.raises(LocalProtocolError):
        pair.client.start(1.0)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda each: each.name)
def test_each_profile_can_be_forced(profile: SrtpProfile) -> None:
    pair = DtlsPair(client_profiles=(profile,))
    pair.start()
    client, server = pair.connected()
    assert client.profile is server.profile is profile
    assert len(client.local_key) == profile.master_bytes


def test_the_servers_preference_decides() -> None:
    pair = DtlsPair(
        client_profiles=(AES128_CM_SHA1_80, AEAD_AES_256_GCM, AEAD_AES_128_GCM),
        server_profiles=PROFILES,
    )
    pair.start()
    assert pair.connected()[1].profile is AEAD_AES_128_GCM


def test_no_common_profile_fails_both() -> None:
    pair = DtlsPair(client_profiles=(AES128_CM_SHA1_80,), server_profiles=(AEAD_AES_128_GCM,))
    pair.start()
    (failed,) = pair.events["server"]
    assert isinstance(failed, DtlsFailed)
    assert failed.reason == "dtls_failed"


# --- fingerprints ---


def other_fingerprint() -> Fingerprint:
    return Certificate.generate(ANY_DAY).fingerprint


@pytest.mark.parametrize("suspicious", ["client", "server"])
def test_a_wrong_fingerprint_fails_the_side_that_checks(suspicious: str) -> None:
    wrong = (other_fingerprint(),)
    pair = (
        DtlsPair(client_trusts=wrong) if suspicious == "client" else DtlsPair(server_trusts=wrong)
    )
    pair.start()
    (failed,) = pair.events[suspicious]
    assert isinstance(failed, DtlsFailed)
    assert "fingerprint" in failed.detail


def test_any_fingerprint_of_an_algorithm_may_match_and_weak_ones_do_not_count() -> None:
    certificate = Certificate.generate(ANY_DAY)
    weak = Fingerprint("sha-1", "00:11")
    several = (other_fingerprint(), weak, certificate.fingerprint)
    pair = DtlsPair(client_certificate=certificate, server_trusts=several)
    pair.start()
    pair.connected()


def test_only_weak_fingerprints_are_never_believed() -> None:
    pair = DtlsPair(server_trusts=(Fingerprint("sha-1", "00:11"),))
    pair.start()
    assert isinstance(pair.events["server"][0], DtlsFailed)


def test_every_named_algorithm_must_match() -> None:
    certificate = Certificate.generate(ANY_DAY)
    mixed = (certificate.fingerprint, Fingerprint("sha-512", "AA:BB"))
    pair = DtlsPair(client_certificate=certificate, server_trusts=mixed)
    pair.start()
    assert isinstance(pair.events["server"][0], DtlsFailed)


# --- loss ---


@pytest.mark.parametrize(
    ("sender", "flight"),
    [("client", "ClientHello"), ("server", "ServerHello..Done"), ("client", "..Finished")],
)
def test_a_lost_flight_is_sent_again_by_our_clock(sender: str, flight: str) -> None:
    number = 1 if flight == "..Finished" else 0
    pair = DtlsPair(link=lose(sender, [number]))
    pair.start()
    assert pair.events == {"client": [], "server": []}, flight
    pair.advance(FIRST_RESEND_S)
    pair.connected()
    assert pair.now == FIRST_RESEND_S


def test_resends_back_off_and_never_repeat_a_record_number_in_clear() -> None:
    pair = DtlsPair(link=lose("client", range(1000)))
    pair.start()
    for wait in (0.2, 0.4, 0.8):
        pair.advance(wait)
    assert pair.client.resent == 3
    numbers = [data[5:11] for data in pair.sent["client"]]
    assert len(numbers) == len(set(numbers)) >= 4


def test_heavy_loss_still_connects_within_the_limit() -> None:
    # Two of three datagrams are lost in each direction, in a fixed pattern.
    counts = {"client": 0, "server": 0}

    def link(sender: str, data: bytes) -> list[bytes]:
        counts[sender] += 1
        return [data] if counts[sender] % 3 == 0 else []

    pair = DtlsPair(link=link)
    pair.start()
    while not pair.events["server"] and pair.now < HANDSHAKE_WITHIN_S:
        pair.advance(0.1)
    assert isinstance(pair.events["server"][0], DtlsConnected)


def test_the_servers_lost_last_flight_is_repeated_by_openssl_when_asked_again() -> None:
    # The client's Finished must be encrypted anew to be no replay: OpenSSL's own timer (1 s of
    # real time, which nothing can pass in) does that.
    pair = DtlsPair(link=lose("server", [1]))
    pair.start()
    assert isinstance(pair.events["server"][0], DtlsConnected)
    assert pair.events["client"] == []
    pair.advance(FIRST_RESEND_S)
    assert pair.events["client"] == [], "our own repeat is a replay to the server"
    assert pair.client.state is DtlsState.HANDSHAKING
    assert pair.client.next_deadline() is not None


def test_duplicated_and_reversed_datagrams_do_no_harm() -> None:
    held: list[bytes] = []

    def link(_sender: str, data: bytes) -> list[bytes]:
        held.append(data)
        return [data, data, held[0]]

    pair = DtlsPair(link=link)
    pair.start()
    pair.connected()


def test_a_large_certificate_travels_in_several_datagrams_in_any_order() -> None:
    bulky = bulky_certificate()
    pair = DtlsPair(client_certificate=bulky, server_certificate=bulky)
    pair.start()
    pair.connected()
    assert len(pair.sent["server"]) >= 5
    assert all(len(data) <= MAX_DATAGRAM_BYTES for sent in pair.sent.values() for data in sent)


@pytest.mark.parametrize("lost", range(6))
def test_any_lost_fragment_of_a_flight_is_recovered(lost: int) -> None:
    bulky = bulky_certificate()
    pair = DtlsPair(client_certificate=bulky, server_certificate=bulky, link=lose("server", [lost]))
    pair.start()
    for _ in range(3):
        if not pair.events["client"]:
            pair.advance(FIRST_RESEND_S)
    if pair.events["client"]:
        pair.connected()
    else:
        assert lost == len(pair.sent["server"]) - 1, "only the server's last flight may wait"


# --- time ---


@pytest.mark.parametrize("role", ["client", "server"])
def test_an_unanswered_handshake_gives_up(role: str) -> None:
    pair = DtlsPair(link=lambda _sender, _data: [], now=50.0)
    pair.start()
    endpoint = pair.client if role == "client" else pair.server
    endpoint.handle_timeout(50.0 + HANDSHAKE_WITHIN_S - 0.01)
    assert endpoint.poll_event() is None
    endpoint.handle_timeout(50.0 + HANDSHAKE_WITHIN_S)
    event = endpoint.poll_event()
    assert isinstance(event, DtlsFailed)
    assert event.reason == "dtls_timeout"
    assert endpoint.next_deadline() is None


def test_a_waiting_server_wakes_only_for_its_limit() -> None:
    pair = DtlsPair(now=7.0)
    pair.server.start(8.0)
    assert pair.server.next_deadline() == 8.0 + HANDSHAKE_WITHIN_S


def test_deadlines_never_lie_in_the_past() -> None:
    pair = DtlsPair(link=lambda _sender, _data: [])
    pair.start()
    for _ in range(100):
        deadline = pair.client.next_deadline()
        if deadline is None:
            break
        assert deadline > pair.now, "a timer that fires and re-arms at once would spin"
        pair.now = deadline
        pair.client.handle_timeout(deadline)
    assert pair.client.state is DtlsState.FAILED


# --- garbage and the end ---


@pytest.mark.parametrize(
    "data",
    [b"", b"\x16", bytes(13), b"\x16\xfe\xfd" + bytes(60), b"\x3f" * 1200, bytes(70_000)],
)
@pytest.mark.parametrize("role", ["client", "server"])
def test_garbage_before_and_after_connecting_is_survived(role: str, data: bytes) -> None:
    pair = DtlsPair()
    pair.server.start(0.0)
    pair.client.start(0.0)
    endpoint = pair.client if role == "client" else pair.server
    endpoint.handle_datagram(data, 0.0)
    assert endpoint.poll_event() is None
    pair.step()
    pair.connected()
    endpoint.handle_datagram(data, 0.0)
    assert endpoint.state is DtlsState.CONNECTED


def test_a_cut_datagram_does_not_poison_the_next_one() -> None:
    def link(_sender: str, data: bytes) -> list[bytes]:
        return [data[: len(data) // 2], data]

    pair = DtlsPair(link=link)
    pair.start()
    pair.connected()


def test_datagrams_before_start_are_junk() -> None:
    pair = DtlsPair()
    pair.server.handle_datagram(bytes(100), 0.0)
    assert pair.server.junk == 1


@pytest.mark.parametrize("closer", ["client", "server"])
def test_close_notify_tells_the_other_side(closer: str) -> None:
    pair = DtlsPair()
    pair.start()
    pair.connected()
    endpoint = pair.client if closer == "client" else pair.server
    endpoint.close(1.0)
    endpoint.close(1.0)
    pair.step()
    other = "server" if closer == "client" else "client"
    assert isinstance(pair.events[other][-1], DtlsClosed)
    assert endpoint.state is DtlsState.CLOSED
    assert len(pair.sent[closer]) == 3, "one close_notify"


def test_closing_before_the_handshake_is_silent() -> None:
    endpoint = DtlsPair().client
    endpoint.close(0.0)
    assert endpoint.poll_transmit() is None
    assert endpoint.state is DtlsState.CLOSED


def test_one_context_serves_every_peer() -> None:
    certificate = Certificate.generate(ANY_DAY)
    assert certificate.context(PROFILES) is certificate.context(PROFILES)
    first = DtlsPair(server_certificate=certificate)
    second = DtlsPair(server_certificate=certificate)
    first.start()
    second.start()
    assert first.connected()[0].local_key != second.connected()[0].local_key


def test_records_are_cut_and_packed_in_order() -> None:
    def record(size: int) -> bytes:
        return b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2, "big") + bytes(size)

    records = split_records(record(500) + record(600) + record(100) + record(1187) + record(1))
    assert [len(each) for each in records] == [513, 613, 113, 1200, 14]
    assert [len(each) for each in pack_datagrams(records)] == [1126, 113, 1200, 14]
    assert split_records(b"") == []


def test_a_certificate_needs_an_aware_time() -> None:
    with pytest.raises(LocalProtocolError):
        Certificate.generate(datetime(2026, 1, 1))


def test_fingerprint_is_upper_case_hex_pairs() -> None:
    fingerprint = Certificate.generate(ANY_DAY).fingerprint
    assert fingerprint.algorithm == "sha-256"
    assert len(fingerprint.value) == 95
    assert fingerprint.value == fingerprint.value.upper()


def test_an_endpoint_survives_being_fed_its_own_output() -> None:
    pair = DtlsPair()
    pair.client.start(0.0)
    hello = pair.client.poll_transmit()
    assert hello is not None
    pair.client.handle_datagram(hello, 0.0)
    event = pair.client.poll_event()
    assert event is None or isinstance(event, DtlsFailed)


def test_role_is_kept() -> None:
    endpoint = DtlsEndpoint("server", Certificate.generate(ANY_DAY), (), 0.0)
    assert endpoint.role == "server"
