"""`lianmai loadtest` and `make bench` as people run them. Figures are not judged, only that they
are there and fit together: this machine may be busy."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from loadtest.bench.document import Measured, document
from loadtest.bench.first_frame import ffmpeg_host, measure
from loadtest.bench.plan import PLAN
from loadtest.cli import FAILED, INTERRUPTED, MISSED
from loadtest.report.model import Comparison, Growth, Report
from loadtest.report.schema import AnyReport
from loadtest.report.write import read_json
from loadtest.targets.program import serving
from tests.support.cli import lianmai
from tests.support.reports import MACHINE, a_comparison, a_growth, a_report


async def test_the_smoke_scenario(tmp_path: Path) -> None:
    """Everything that a crowd does, once, through the real command line."""
    path, page = tmp_path / "smoke.json", tmp_path / "smoke.html"
    async with lianmai(
        "loadtest", "smoke", "--json", str(path), "--html", str(page),
        "--slo", str(lenient(tmp_path)),
    ) as command:  # fmt: skip
        assert await command.wait(within_s=60) == 0, command.output
    assert "PASS" in command.output
    report = read_json(path)
    assert isinstance(report, Report)
    assert {each.kind: each.tried - each.succeeded for each in report.totals.joined} == {
        "publish": 0, "watch": 0, "socket": 0, "mic": 0,
    }  # fmt: skip
    assert report.totals.media is not None
    assert report.totals.media.packets > 500
    assert report.totals.latency_ms is not None
    assert {lane.lane for lane in report.totals.lanes} >= {"control", "question", "chat"}
    assert report.cost is not None
    assert report.cost.cpu_us_per_packet is not None
    assert report.command.startswith("lianmai loadtest smoke --json")
    assert page.read_text().startswith("<!doctype html>")


def lenient(folder: Path) -> Path:
    """What must hold on the busiest machine, too."""
    path = folder / "slo.yaml"
    path.write_text(
        "joined_percent: {min: 100}\nquestions_lost: {max: 0}\nmic_percent: {min: 100}\n"
    )
    return path


async def test_ctrl_c_gives_the_report_of_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    async with lianmai(
        "loadtest", "--sockets", "5", "--danmaku-rate", "5/s", "--duration", "10m",
        "--json", str(path),
    ) as command:  # fmt: skip
        await command.wait_output("s/10:00", within_s=60)
        assert await command.interrupt() == INTERRUPTED
    assert "interrupted" in command.output
    report = read_json(path)
    assert isinstance(report, Report)
    assert report.interrupted
    assert report.totals.joined[0].succeeded == 6


async def test_a_missed_limit_is_exit_code_1(tmp_path: Path) -> None:
    slo = tmp_path / "slo.yaml"
    slo.write_text("joined_percent: {min: 101}\n")
    async with lianmai(
        "loadtest", "--sockets", "2", "--duration", "3s", "--slo", str(slo)
    ) as command:
        assert await command.wait(within_s=60) == MISSED
    assert "MISS 0 of 1 limit met" in command.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["smoek"], "did you mean `smoke`?"),
        (["smoke", "--json", "/nowhere/r.json"], "there is no folder /nowhere"),
        (["smoke", "--target", "janos"], "did you mean janus?"),
        (["smoke", "--target", "nchan"], "nchan has no"),
        (["smoke", "--url", "http://127.0.0.1:9"], "http://127.0.0.1:9"),
        (["smoke", "--server-pid", "1999999999"], "there is no process 1999999999"),
        (["smoke", "--grow", "1,2", "--target", "lianmai", "--target", "nchan"], "--grow"),
    ],
)
async def test_what_cannot_run_is_told_in_one_line(arguments: list[str], told: str) -> None:
    async with lianmai("loadtest", "--quiet", *arguments) as command:
        assert await command.wait(within_s=60) == FAILED, command.output
    assert told in command.output
    assert command.output.count("\n") == 1


async def test_too_few_open_files_is_told_in_one_line() -> None:
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"ulimit -n 300; exec {sys.executable} -m server loadtest --sockets 500",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == FAILED
    assert "ulimit -n" in output.decode()
    assert output.count(b"\n") == 1


async def test_bench_writes_its_page(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.bench",
        "--quick", "--only", "questions", "--out", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    page = (tmp_path / "benchmarks.md").read_text()
    assert "## Questions in a flood" in page
    assert isinstance(read_json(tmp_path / "questions.json"), Report)


async def test_the_first_picture() -> None:
    assert shutil.which("chromium"), "no chromium: run `make test` as root, or install chromium"
    async with serving() as program, ffmpeg_host(program, "r1"):
        (join,) = await measure(program, "r1", 1)
    assert 0 < join.tcp < join.http < join.frame
    assert join.http < join.ice <= join.frame


def test_the_page_has_every_kind_of_report() -> None:
    growth, comparison, one = a_growth(), a_comparison(), a_report()
    assert isinstance(growth, Growth)
    assert isinstance(comparison, Comparison)
    reports: tuple[AnyReport, ...] = (growth, comparison, one)
    parts = list(zip(PLAN, reports, strict=False))
    page = document(Measured("2027-01-01", "make bench", MACHINE, (), parts, ["no janus"]), "## X")
    assert "Made by `make bench` on 2027-01-01, commit d3a7ce5" in page
    for part, _ in parts:
        assert f"## {part.title}" in page
        assert f"`{part.command}`" in page
    assert comparison.targets[1].name in page
    assert "- no janus" in page
    assert page.endswith("## X")
