"""ICE-lite: what is answered, what is dropped, which address is used, when silence ends it."""

import pytest
from aioice import stun

from media.ice import (
    MAX_VALID_ADDRESSES,
    Address,
    AddressSelected,
    IceClosed,
    IceCredentials,
    IceEvent,
    IceLite,
    PeerHeard,
    PeerSilent,
    TcpAddress,
    new_credentials,
)

UFRAG, PWD = "srvU", "server-password-0123456789"
REMOTE, REMOTE_PWD = "cliU", "client-password-0123456789"
WIFI: Address = ("192.0.2.1", 5000)
CELL: Address = ("198.51.100.7", 6000)


def check(
    *,
    username: str | None = f"{UFRAG}:{REMOTE}",
    pwd: str | None = PWD,
    use_candidate: bool = False,
    kind: stun.Class = stun.Class.REQUEST,
) -> bytes:
    message = stun.Message(stun.Method.BINDING, kind, transaction_id=b"0123456789ab")
    if username is not None:
        message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 7
    if use_candidate:
        message.attributes["USE-CANDIDATE"] = None
    if pwd is not None:
        message.add_message_integrity(pwd.encode())
    else:
        message.add_fingerprint()
    return bytes(message)


def agent(now: float = 0.0) -> IceLite:
    return IceLite(UFRAG, PWD, now, remote=IceCredentials(REMOTE, REMOTE_PWD))


def events(ice: IceLite) -> list[IceEvent]:
    found = []
    while (event := ice.poll_event()) is not None:
        found.append(event)
    return found


def answers(ice: IceLite) -> list[tuple[bytes, Address]]:
    found = []
    while (transmit := ice.poll_transmit()) is not None:
        found.append(transmit)
    return found


def questions(ice: IceLite) -> list[tuple[stun.Message, Address]]:
    """What it asked of addresses; answers to checks are passed over."""
    found = [(stun.parse_message(data), address) for data, address in answers(ice)]
    return [each for each in found if each[0].message_class is stun.Class.REQUEST]


def answer(ice: IceLite, *, kind: stun.Class = stun.Class.RESPONSE) -> None:
    """Answer the last question from where it went."""
    request, address = questions(ice)[-1]
    reply(ice, request.transaction_id, address, kind)


def reply(
    ice: IceLite, number: bytes, address: Address, kind: stun.Class = stun.Class.RESPONSE
) -> None:
    ice.handle_datagram(bytes(stun.Message(stun.Method.BINDING, kind, number)), address, 99.0)


def test_a_check_is_answered_and_its_address_used() -> None:
    ice = agent()
    ice.handle_datagram(check(), WIFI, 1.0)
    assert events(ice) == [AddressSelected(WIFI, nominated=False)]
    assert ice.is_valid_address(WIFI)
    ((data, address),) = answers(ice)
    assert address == WIFI
    answer = stun.parse_message(data)
    assert answer.message_class is stun.Class.RESPONSE
    assert answer.transaction_id == b"0123456789ab"
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == WIFI
    assert answer.check_message_integrity(PWD.encode())
    assert "FINGERPRINT" in answer.attributes


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (check(pwd="another-password-9876543210"), "stun_wrong_integrity"),
        (check(username=f"other:{REMOTE}"), "stun_wrong_username"),
        (check(username=f"{UFRAG}:stranger"), "stun_wrong_username"),
        (check(username=UFRAG), "stun_incomplete"),
        (check(username=None), "stun_incomplete"),
        (check(pwd=None), "stun_incomplete"),
        (check()[:-8], "bad_stun"),
        (check() + b"\0", "bad_stun"),
        (check()[:-1] + b"\xff", "bad_stun"),
        # FINGERPRINT that claims 260 bytes: aioice would take the four that are there.
        (check()[:-6] + b"\x01\x04" + check()[-4:], "bad_stun"),
        (bytes(2000), "bad_stun"),
    ],
)
def test_what_does_not_authenticate_is_counted_and_never_answered(data: bytes, reason: str) -> None:
    ice = agent()
    ice.handle_datagram(data, WIFI, 1.0)
    assert answers(ice) == []
    assert events(ice) == []
    assert ice.dropped == {reason: 1}
    assert not ice.is_valid_address(WIFI)
    assert ice.next_deadline() == 30.0, "unauthenticated bytes keep nobody alive"


@pytest.mark.parametrize("kind", [stun.Class.INDICATION, stun.Class.RESPONSE, stun.Class.ERROR])
def test_other_stun_is_ignored(kind: stun.Class) -> None:
    ice = agent()
    ice.handle_datagram(check(kind=kind), WIFI, 1.0)
    assert answers(ice) == []
    assert ice.dropped == {}


def test_the_first_address_is_used_until_one_is_nominated() -> None:
    ice = agent()
    ice.handle_datagram(check(), WIFI, 1.0)
    ice.handle_datagram(check(), CELL, 1.1)
    assert ice.selected == WIFI
    assert ice.is_valid_address(CELL)
    ice.handle_datagram(check(use_candidate=True), CELL, 1.2)
    answer(ice)
    assert events(ice) == [AddressSelected(WIFI, False), AddressSelected(CELL, True)]
    ice.handle_datagram(check(), WIFI, 1.3)
    assert ice.selected == CELL, "only a nomination moves a nominated session"


def test_a_phone_that_moves_nominates_again() -> None:
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    ice.handle_datagram(check(use_candidate=True), WIFI, 3.5)
    ice.handle_datagram(check(use_candidate=True), CELL, 9.0)
    assert events(ice) == [AddressSelected(WIFI, True)]
    answer(ice)
    assert events(ice) == [AddressSelected(CELL, True)]
    assert ice.selected == CELL


def test_the_question_is_a_check_of_the_controlled_side() -> None:
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    assert questions(ice) == [], "the handshake proves the first address"
    ice.handle_datagram(check(use_candidate=True), CELL, 2.0)
    ((request, address),) = questions(ice)
    assert address == CELL
    assert request.attributes["USERNAME"] == f"{REMOTE}:{UFRAG}"
    assert request.check_message_integrity(REMOTE_PWD.encode())
    assert {"PRIORITY", "ICE-CONTROLLED", "FINGERPRINT"} <= set(request.attributes)
    assert "USE-CANDIDATE" not in request.attributes
    ice.handle_datagram(check(use_candidate=True), CELL, 2.1)
    ((again, _),) = questions(ice)
    assert again.transaction_id == request.transaction_id, "an answer to either will do"


def test_a_forged_address_gets_a_question_and_no_media() -> None:
    """A member may write any source address on a check, but what goes there he does not see."""
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    events(ice)
    ice.handle_datagram(check(use_candidate=True), CELL, 2.0)
    ((request, _),) = questions(ice)
    reply(ice, b"x" * 12, CELL)
    reply(ice, request.transaction_id, WIFI)
    assert ice.selected == WIFI
    assert events(ice) == []
    reply(ice, request.transaction_id, CELL)
    assert events(ice) == [AddressSelected(CELL, True)]
    reply(ice, request.transaction_id, WIFI)
    assert ice.selected == CELL, "one question, one move"


def test_an_error_proves_an_address_as_well() -> None:
    """Whoever refuses our question has received it (role conflicts, a peer that knows no lite)."""
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    ice.handle_datagram(check(use_candidate=True), CELL, 2.0)
    answer(ice, kind=stun.Class.ERROR)
    assert ice.selected == CELL


def test_coming_back_before_the_answer_cancels_the_move() -> None:
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    ice.handle_datagram(check(use_candidate=True), CELL, 2.0)
    ((request, _),) = questions(ice)
    ice.handle_datagram(check(use_candidate=True), WIFI, 2.1)
    reply(ice, request.transaction_id, CELL)
    assert ice.selected == WIFI


def test_a_tcp_connection_is_proven_by_its_own_handshake() -> None:
    ice = agent()
    tcp = TcpAddress("198.51.100.7", 6000, 1)
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    ice.handle_datagram(check(use_candidate=True), tcp, 2.0)
    assert ice.selected == tcp
    assert questions(ice) == []


def test_a_router_that_gave_another_port_is_followed_without_a_nomination() -> None:
    """Firefox and aiortc nominate once; their checks for consent, every 4 to 6 s, do not."""
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    ice.handle_datagram(check(), WIFI, 5.0)
    ice.handle_datagram(check(), CELL, 7.9)
    assert questions(ice) == [], "a spare path beside one that lives"
    ice.handle_datagram(check(), WIFI, 8.0)
    events(ice)
    ice.handle_datagram(check(), CELL, 12.0)
    answer(ice)
    assert events(ice) == [AddressSelected(CELL, False)]


def test_valid_addresses_are_bounded_and_keep_the_selected() -> None:
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    others: list[Address] = [("198.51.100.1", port) for port in range(1, 40)]
    for address in others:
        ice.handle_datagram(check(), address, 2.0)
    valid = [address for address in [WIFI, *others] if ice.is_valid_address(address)]
    assert len(valid) == MAX_VALID_ADDRESSES
    assert WIFI in valid
    assert others[-1] in valid


# --- liveness ---


def test_no_check_ever_ends_in_ice_timeout() -> None:
    ice = agent(now=100.0)
    assert ice.next_deadline() == 130.0
    ice.handle_timeout(129.9)
    assert events(ice) == []
    ice.handle_timeout(130.0)
    assert events(ice) == [IceClosed("ice_timeout")]
    assert ice.next_deadline() is None


def test_silence_is_told_then_ends_the_session() -> None:
    ice = agent()
    ice.handle_datagram(check(), WIFI, 10.0)
    events(ice)
    assert ice.next_deadline() == 15.0
    ice.handle_timeout(15.0)
    assert events(ice) == [PeerSilent()]
    assert ice.next_deadline() == 40.0
    ice.handle_timeout(39.9)
    assert events(ice) == []
    ice.handle_timeout(40.0)
    assert events(ice) == [IceClosed("silent")]
    answers(ice)
    ice.handle_datagram(check(), WIFI, 41.0)
    ice.heard(41.0)
    ice.handle_timeout(99.0)
    assert answers(ice) == []
    assert events(ice) == []


@pytest.mark.parametrize("by_media", [True, False])
def test_a_silent_peer_is_heard_again(by_media: bool) -> None:
    ice = agent()
    ice.handle_datagram(check(), WIFI, 0.0)
    ice.handle_timeout(5.0)
    events(ice)
    if by_media:
        ice.heard(7.0)
    else:
        ice.handle_datagram(check(), WIFI, 7.0)
    assert events(ice) == [PeerHeard()]
    assert ice.next_deadline() == 12.0


def test_media_keeps_a_peer_from_falling_silent() -> None:
    ice = agent()
    ice.handle_datagram(check(), WIFI, 0.0)
    events(ice)
    for tick in range(1, 100):
        ice.heard(float(tick))
        ice.handle_timeout(float(tick))
    assert events(ice) == []


def test_a_late_timer_tells_both_at_once() -> None:
    ice = agent()
    ice.handle_datagram(check(), WIFI, 0.0)
    events(ice)
    ice.handle_timeout(60.0)
    assert events(ice) == [PeerSilent(), IceClosed("silent")]


# --- restart ---


def test_restart_keeps_the_old_credentials_until_the_new_are_used() -> None:
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    new = ice.restart("cliV", "client-password-new-0123456")
    assert list(ice.local_ufrags) == [new.ufrag, UFRAG]
    ice.handle_datagram(check(use_candidate=True), WIFI, 2.0)
    assert len(answers(ice)) == 2
    assert ice.dropped == {}

    events(ice)
    ice.handle_datagram(check(username=f"{new.ufrag}:cliV", pwd=new.pwd), CELL, 3.0)
    ((request, _),) = questions(ice)
    assert request.attributes["USERNAME"] == f"cliV:{new.ufrag}"
    assert request.check_message_integrity(b"client-password-new-0123456")
    assert ice.selected == WIFI, "media goes on where it went until the new path is proven"
    reply(ice, request.transaction_id, CELL)
    assert events(ice) == [AddressSelected(CELL, False)]
    assert list(ice.local_ufrags) == [new.ufrag]
    assert not ice.is_valid_address(WIFI), "it must prove itself with the new credentials"
    answers(ice)
    ice.handle_datagram(check(), WIFI, 4.0)
    assert answers(ice) == []
    assert ice.dropped == {"stun_wrong_username": 1}


def test_a_forged_check_does_not_finish_a_restart() -> None:
    ice = agent()
    ice.handle_datagram(check(), WIFI, 1.0)
    new = ice.restart("cliV", "client-password-new-0123456")
    ice.handle_datagram(check(username=f"{new.ufrag}:cliV", pwd=PWD), CELL, 2.0)
    assert list(ice.local_ufrags) == [new.ufrag, UFRAG]
    assert ice.selected == WIFI


def test_a_move_before_a_restart_is_used_asks_with_the_old_credentials() -> None:
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    ice.restart("cliV", "client-password-new-0123456")
    ice.handle_datagram(check(use_candidate=True), CELL, 2.0)
    ((request, _),) = questions(ice)
    assert request.attributes["USERNAME"] == f"{REMOTE}:{UFRAG}"
    assert request.check_message_integrity(REMOTE_PWD.encode())


def test_a_restart_on_the_same_path_needs_no_question() -> None:
    ice = agent()
    ice.handle_datagram(check(use_candidate=True), WIFI, 1.0)
    new = ice.restart("cliV", "client-password-new-0123456")
    ice.handle_datagram(check(username=f"{new.ufrag}:cliV", pwd=new.pwd), WIFI, 2.0)
    assert questions(ice) == []
    assert ice.is_valid_address(WIFI)
    assert ice.selected == WIFI


def test_a_second_restart_replaces_the_unused_first() -> None:
    ice = agent()
    first = ice.restart("cliV", "x" * 22)
    second = ice.restart("cliW", "y" * 22)
    assert first.ufrag != second.ufrag
    assert list(ice.local_ufrags) == [second.ufrag, UFRAG]


# --- helpers ---


def test_credentials_are_ice_chars_of_sufficient_length() -> None:
    made = [new_credentials() for _ in range(200)]
    assert len({each.ufrag for each in made}) == 200
    for each in made:
        assert len(each.ufrag) == 12
        assert len(each.pwd) == 32
        assert all(char.isalnum() or char in "+/" for char in each.ufrag + each.pwd)
