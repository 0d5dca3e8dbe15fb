"""Which port a datagram leaves by is told by its address, and by nothing else."""

from __future__ import annotations

from media.ice import Address, TcpAddress
from media.ports import MediaPorts

UDP_4: Address = ("192.0.2.1", 5000)
UDP_6: Address = ("2001:db8::1", 5000, 0, 0)
TCP: Address = TcpAddress("192.0.2.1", 5000, 1)


class Port:
    """Writes down what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, Address]] = []

    def send(self, data: bytes | memoryview, address: Address) -> None:
        self.sent.append(("send", bytes(data), address))

    def send_run(self, view: memoryview, segment_bytes: int, address: Address) -> None:
        self.sent.append((f"run of {segment_bytes}", bytes(view), address))

    def send_control(self, data: bytes, address: Address) -> None:
        self.sent.append(("control", data, address))


def test_addresses_lead_to_their_port() -> None:
    udp, tcp = Port(), Port()
    ports = MediaPorts(udp, tcp)
    for address in (UDP_4, UDP_6, TCP):
        ports.send(b"one", address)
        ports.send_run(memoryview(b"aabb"), 2, address)
        ports.send_control(b"check", address)
    assert tcp.sent == [
        ("send", b"one", TCP),
        ("run of 2", b"aabb", TCP),
        ("control", b"check", TCP),
    ]
    for address in (UDP_4, UDP_6):
        # UDP has no queue to be first in: control is a datagram like others.
        expected = [("send", b"one", address), ("run of 2", b"aabb", address)]
        expected.append(("send", b"check", address))
        assert [each for each in udp.sent if each[2] == address] == expected


def test_a_connection_is_no_udp_address_and_no_later_connection() -> None:
    assert len({UDP_4, UDP_6, TCP, TcpAddress("192.0.2.1", 5000, 2)}) == 4
