"""Two DTLS endpoints joined by a link that tests cut, twist and delay by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from media.certificate import Certificate, Fingerprint
from media.dtls import DtlsConnected, DtlsEndpoint, DtlsEvent
from media.srtp import PROFILES, SrtpProfile

ANY_DAY = datetime(2026, 5, 1, tzinfo=UTC)

Filter = Callable[[str, bytes], list[bytes]]
"""(`"client"` or `"server"` as the sender, datagram) -> the datagrams that arrive."""


def pass_all(_sender: str, data: bytes) -> list[bytes]:
    return [data]


class DtlsPair:
    """A client and a server of ours; `step` carries what both have to say until both are quiet."""

    def __init__(
        self,
        *,
        link: Filter = pass_all,
        client_certificate: Certificate | None = None,
        server_certificate: Certificate | None = None,
        client_trusts: tuple[Fingerprint, ...] | None = None,
        server_trusts: tuple[Fingerprint, ...] | None = None,
        client_profiles: tuple[SrtpProfile, ...] = PROFILES,
        server_profiles: tuple[SrtpProfile, ...] = PROFILES,
        now: float = 0.0,
    ) -> None:
        theirs = client_certificate or Certificate.generate(ANY_DAY)
        ours = server_certificate or Certificate.generate(ANY_DAY)
        self.link = link
        self.now = now
        self.client = DtlsEndpoint(
            "client", theirs, client_trusts or (ours.fingerprint,), now, profiles=client_profiles
        )
        self.server = DtlsEndpoint(
            "server", ours, server_trusts or (theirs.fingerprint,), now, profiles=server_profiles
        )
        self.events: dict[str, list[DtlsEvent]] = {"client": [], "server": []}
        self.sent: dict[str, list[bytes]] = {"client": [], "server": []}

    def start(self) -> None:
        self.server.start(self.now)
        self.client.start(self.now)
        self.step()

    def step(self) -> None:
        ends = (("client", self.client, self.server), ("server", self.server, self.client))
        busy = True
        while busy:
            busy = False
            for name, source, target in ends:
                while (data := source.poll_transmit()) is not None:
                    busy = True
                    self.sent[name].append(data)
                    for arrived in self.link(name, data):
                        target.handle_datagram(arrived, self.now)
                while (event := source.poll_event()) is not None:
                    self.events[name].append(event)

    def advance(self, seconds: float) -> None:
        """Let both timers run at the new time, then carry what they said."""
        self.now += seconds
        for endpoint in (self.client, self.server):
            deadline = endpoint.next_deadline()
            if deadline is not None and deadline <= self.now:
                endpoint.handle_timeout(self.now)
        self.step()

    def connected(self) -> tuple[DtlsConnected, DtlsConnected]:
        """Both sides' `DtlsConnected`; fails the test when there is anything else."""
        (client,), (server,) = self.events["client"], self.events["server"]
        assert isinstance(client, DtlsConnected), client
        assert isinstance(server, DtlsConnected), server
        return client, server
