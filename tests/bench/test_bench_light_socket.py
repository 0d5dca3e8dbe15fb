"""The benchmark of light sockets, very small: figures are not judged, only that there are some."""

from __future__ import annotations

from tests.bench.bench_light_socket import ENCODINGS, measure


async def test_each_way_costs_something() -> None:
    for encoding in ENCODINGS:
        row = measure(encoding, messages=50, frames=20)
        assert row.bytes > 5000
        assert min(row.known_us, row.new_us, row.sampled_us, row.decoded_us) > 0
