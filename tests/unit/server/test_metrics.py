"""`/metrics`: the names people's dashboards rely on, and that they move."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from server.metrics import Metrics
from tests.support.offers import offer
from tests.support.server import LiveServer, serving

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
NAMES = {
    "lianmai_rooms",
    "lianmai_participants",
    "lianmai_sessions",
    "lianmai_join_seconds",
    "lianmai_rtp_packets",
    "lianmai_rtp_bytes",
    "lianmai_nack",
    "lianmai_pli",
    "lianmai_rtx",
    "lianmai_messages_in",
    "lianmai_messages_out",
    "lianmai_messages_shed",
    "lianmai_event_loop_lag_seconds",
    "lianmai_http_refusals",
    "lianmai_refusals",
    "lianmai_engagement_events",
    "lianmai_ice_connect_seconds",
    "lianmai_first_frame_seconds",
    "lianmai_media_join_seconds",
    "lianmai_quality_score",
    "lianmai_bwe_bits",
    "lianmai_layer_switch",
    "process_cpu_seconds",
}


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def families(server: LiveServer) -> list[Metric]:
    text = await (await server.http.get("/metrics")).text()
    return list(text_string_to_metric_families(text))


async def scrape(server: LiveServer) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in await families(server)
        for sample in family.samples
    }


async def test_the_families_are_there_and_move(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert {family.name for family in await families(server)} >= NAMES
        before = await scrape(server)
        room = server.new_room()
        headers = {"Content-Type": "application/sdp"}
        body = (await offer("sendonly")).encode()
        assert (await server.http.post(f"/whip/{room}", data=body, headers=headers)).status == 401
        who = server.bearer("anna", "host", room)
        made = await server.http.post(f"/whip/{room}", data=body, headers=headers | who)
        assert made.status == 201
        after = await scrape(server)
        created = ("lianmai_sessions_total", (("door", "whip"), ("outcome", "created")))
        assert after[created] == before[created] + 1
        missing = ("lianmai_http_refusals_total", (("code", "missing_token"),))
        assert after[missing] == before.get(missing, 0) + 1
        assert after["lianmai_rooms", ()] == 1
        assert after["lianmai_peers", ()] == 1


async def test_every_family_is_documented(tmp_path: Path) -> None:
    documented = set(re.findall(r"^\| `(lianmai_\w+)` \| (\w+) \|", DOCUMENT.read_text(), re.M))
    async with serving(tmp_path) as server:
        exposed = {
            (f"{family.name}_total" if family.type == "counter" else family.name, family.type)
            for family in await families(server)
            if family.name.startswith("lianmai_") and not family.name.endswith("_created")
        }
    assert exposed == documented


async def test_no_label_names_a_room_or_a_person(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        labels = {name for _, pairs in await scrape(server) for name, _ in pairs}
        assert labels <= {
            "door",
            "outcome",
            "lane",
            "reason",
            "code",
            "dir",
            "to",
            "direction",
            "step",
            "role",
            "le",
        }


async def test_units_are_base_units(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        for name, _ in await scrape(server):
            assert not re.search(r"_(ms|us|ns|millis|kb|mb)(_|$)", name), name


async def test_metrics_on_a_port_of_their_own(tmp_path: Path, unused_tcp_port: int) -> None:
    async with serving(tmp_path, internal_port=unused_tcp_port) as server:
        assert (await server.http.get("/metrics")).status == 404
        internal = f"http://127.0.0.1:{unused_tcp_port}"
        response = await server.http.get(f"{internal}/metrics")
        assert response.status == 200
        assert "lianmai_rooms" in await response.text()
        assert (await server.http.get(f"{internal}/readyz")).status == 200
        assert (await server.http.get("/readyz")).status == 200


async def test_the_loops_lag_is_measured() -> None:
    metrics = Metrics()
    task = asyncio.create_task(metrics.watch_loop())
    await asyncio.sleep(0.6)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    count = metrics.registry.get_sample_value("lianmai_event_loop_lag_seconds_count")
    assert count is not None
    assert count >= 1
