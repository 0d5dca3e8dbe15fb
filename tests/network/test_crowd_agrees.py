"""What the crowd reports is true: its counts against other makes' counts and against the network's
own, its latency against a server that was slowed on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import math
import statistics
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole

from loadtest.clip.clip import Clip, make_clip
from loadtest.crowd.media import layers_of
from loadtest.crowd.run import Run, run_scenario
from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.counts import LinkCounts
from loadtest.network.impaired import ImpairedNetwork, impaired
from loadtest.rtc.light_peer import VideoCodec
from loadtest.scenario.load import scenario_of_text
from loadtest.targets.registry import make_target
from server.app_keys import MEDIA
from tests.support.agreement import PATIENCE_S, Comparison, aiortc_reader, light_reader
from tests.support.crowd_room import SMALL, light_publisher, light_viewer, published
from tests.support.marked_sound import MarkedSound
from tests.support.server import LiveServer, serving

PART_S = 3.0
LONG_PART_S = 6.0
SEED = 11
BURSTS, BURST_PACKETS, BURST_EVERY_S = 800, 5, 0.005
"""4,000 packets in 4 seconds, a few at a time as media comes."""
SLOWED_MS = 100
LATENCIES = 40


@contextlib.asynccontextmanager
async def aiortc_viewer(server: LiveServer, room: str) -> AsyncIterator[RTCPeerConnection]:
    """A WHEP viewer of another make; it decodes, and throws the pictures away."""
    pc, sink = RTCPeerConnection(), MediaBlackhole()
    pc.on("track", sink.addTrack)
    try:
        for kind in ("audio", "video"):
            pc.addTransceiver(kind, direction="recvonly")
        await pc.setLocalDescription(await pc.createOffer())
        headers = server.bearer("aya", "viewer", room) | {"Content-Type": "application/sdp"}
        offer = pc.localDescription.sdp
        async with server.http.post(f"/whep/{room}", data=offer, headers=headers) as response:
            assert response.status == 201, await response.text()
            answer = RTCSessionDescription(await response.text(), "answer")
        await pc.setRemoteDescription(answer)
        await sink.start()
        yield pc
    finally:
        await sink.stop()
        await pc.close()


async def test_counts_agree_with_aiortc_to_the_packet(tmp_path: Path) -> None:
    clip = await make_clip(SMALL)
    async with serving(tmp_path) as server, published(server, room := "agree", clip) as source:
        await source.send(0.3)
        async with light_viewer(server, room) as light, aiortc_viewer(server, room) as other:
            compared = Comparison(server, source, [light_reader(light), aiortc_reader(other)])
            await compared.start()
            whole = await compared.part(PART_S)
            assert whole.read == [whole.sent, whole.sent]
            assert all(each.packets > 50 and each.lost == 0 for each in whole.sent.values())
            holed = await compared.part(PART_S, withhold=20)
            assert holed.read == [holed.sent, holed.sent]
            assert all(each.lost > 0 for each in holed.sent.values())


class Lossy(NamedTuple):
    """A link, and the server with its media at the outside end of it."""

    network: ImpairedNetwork
    server: LiveServer

    async def arrived(self, sent: int) -> LinkCounts:
        """What the link did, once the server had `sent` packets and nothing is on its way."""
        settled, last = 0, await self.network.counters()
        async with asyncio.timeout(PATIENCE_S):
            while settled < 3:
                await asyncio.sleep(0.1)
                counts = await self.network.counters()
                is_still = counts.downlink == last.downlink and counts.downlink.under_way == 0
                is_here = self.totals()["packets_in"] == sent
                settled, last = (settled + 1 if is_still and is_here else 0), counts
        return last

    def totals(self) -> dict[str, int]:
        return self.server.running.app[MEDIA].totals()


@contextlib.asynccontextmanager
async def lossy(folder: Path, downlink: Conditions, uplink: Conditions) -> AsyncIterator[Lossy]:
    # Our own link: the kernel's netem has random numbers of its own.
    conditions = LinkConditions(downlink=downlink, uplink=uplink)
    async with impaired(conditions, SEED, how="tun") as network:
        address = network.gateway_address
        async with serving(folder, host="0.0.0.0", public_ip=[address]) as server:
            yield Lossy(network, server)


def is_near(count: int, share: float, of: int) -> bool:
    """Within 4 standard deviations of a binomial: a true report fails once in 16,000 seeds."""
    return abs(count - share * of) <= 4 * math.sqrt(of * share * (1 - share))


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
async def test_injected_loss_is_what_a_viewer_reports(loss: float, tmp_path: Path) -> None:
    async with lossy(tmp_path, Conditions(loss=loss), Conditions()) as link:
        async with (
            light_publisher(link.server, room := "lossy") as publisher,
            light_viewer(link.server, room, open_socket=link.network.namespace.udp) as viewer,
        ):
            sound = MarkedSound(publisher)
            async with asyncio.timeout(PATIENCE_S):
                while not viewer.receiving.is_set():
                    sound.send()
                    await asyncio.sleep(BURST_EVERY_S)
            for _ in range(BURSTS):
                for _ in range(BURST_PACKETS):
                    sound.send()
                await asyncio.sleep(BURST_EVERY_S)
            did = await link.arrived(sound.sent)
            forwarded = link.totals()["packets_out"]
        (stream,) = viewer.streams.values()
    assert did.overrun == 0
    assert viewer.counts.overflows == 0
    # What never arrived, the viewer reports as holes, but for its first and last moments.
    assert stream.packets + stream.holes == stream.expected
    assert 0 <= forwarded - stream.expected < BURST_PACKETS
    # It is what the link lost, but for the few checks, handshakes and reports among it.
    others = did.downlink.packets_in - forwarded
    assert 0 <= others < 100
    assert 0 <= did.downlink.lost - (forwarded - stream.packets) <= others
    assert is_near(stream.holes, loss, stream.expected)
    assert viewer.counts.holes == stream.holes
    assert (stream.duplicates, stream.reordered, stream.recovered) == (0, 0, 0)


async def test_with_feedback_the_server_fills_the_holes(tmp_path: Path) -> None:
    loss = 0.05
    clip = await make_clip(SMALL)
    down, up = Conditions(loss=loss, delay_ms=10), Conditions(delay_ms=10)
    async with (
        lossy(tmp_path, down, up) as link,
        published(link.server, room := "mended", clip) as source,
    ):
        await source.send(0.3)
        inside = link.network.namespace.udp
        async with light_viewer(link.server, room, feedback=True, open_socket=inside) as viewer:
            await source.send(LONG_PART_S)
            did = await link.arrived(source.sent.total())
        resent = link.totals()["retransmitted"]
    (video,) = (each for each in viewer.streams.values() if each.kind == "video")
    injected = video.holes + video.recovered
    assert video.expected > 500
    assert is_near(injected, loss, video.expected)
    assert video.recovered >= 0.8 * injected
    counts = viewer.counts
    assert video.recovered <= counts.rtx_received <= resent
    assert resent - counts.rtx_received <= did.downlink.lost
    # A NACK names what is missing now; one that is not answered is repeated.
    assert 0 < counts.nacks_sent <= 3 * injected
    assert counts.rrs_sent > 0
    assert counts.rembs_sent > 0


async def latencies_s(server: LiveServer, clip: Clip) -> list[float]:
    """What a sampled viewer of one publisher reads from the marks, without having lost anything."""
    found: list[float] = []
    async with published(server, room := "late", clip) as source:
        await source.send(0.3)
        async with light_viewer(server, room) as viewer:
            viewer.on_latency = found.append
            async with asyncio.timeout(PATIENCE_S):
                while len(found) < LATENCIES:
                    await source.send(0.3)
            assert [stream.holes for stream in viewer.streams.values()] == [0, 0]
    return found


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_server_slowed_on_purpose_shows_as_latency_and_not_as_silence(
    codec: VideoCodec, tmp_path: Path
) -> None:
    clip = await make_clip(replace(SMALL, codec=codec))
    async with serving(tmp_path / "quick") as server:
        quick = await latencies_s(server, clip)
    async with serving(tmp_path / "slow", debug_forward_delay_ms=SLOWED_MS) as server:
        slow = await latencies_s(server, clip)
    # The marks have the wall clock, the delay the monotonic one: they may drift a hair.
    assert min(slow) >= SLOWED_MS / 1000 - 0.001
    assert statistics.median(quick) < statistics.median(slow)
    assert min(quick) > 0


SHOW = """
name: slowed
about: One host, three viewers, and a limit that a slow server misses.
duration: 7s
warm_up: 4s
groups:
  host: {role: host, publish: {resolution: low}}
  viewers: {count: 3, join: {at: 1s}, watch: {audio: 1, video: 1}}
slo:
  latency_p50_ms: {max: 99}
  packet_loss_percent: {max: 0}
  joined_percent: {min: 100}
"""


async def test_a_report_of_a_slowed_server_misses_the_latency_and_nothing_else() -> None:
    scenario = scenario_of_text(SHOW, "slowed")
    report = await run_scenario(
        Run(
            scenario=scenario,
            make_target=lambda _: make_target(f"lianmai:slowed_ms={SLOWED_MS}"),
            command="loadtest",
            lines=(),
            layers=await layers_of(scenario, lambda _: None),
        )
    )
    assert {limit.name: limit.met for limit in report.slo} == {
        "latency_p50_ms": False,
        "packet_loss_percent": True,
        "joined_percent": True,
    }
    latency = report.totals.latency_ms
    assert latency is not None
    assert latency.p50 >= SLOWED_MS - 1
    # No second of the measured part was silent.
    measured = [each for each in report.series if each.at_s > scenario.warm_up_s]
    assert measured
    assert all(each.packets > 0 for each in measured)
    assert report.complaints == ()
