"""The report of a run: JSON for programs, Markdown for README and people."""

from __future__ import annotations

from typing import Any, Final

COLUMNS: Final[dict[str, dict[str, str]]] = {
    "first_frame": {
        "runs": "runs",
        "answer_ms_p50": "POST to answer, ms p50",
        "first_frame_ms_p50": "POST to first decoded frame, ms p50",
        "first_frame_ms_p95": "ms p95",
    },
    "forwarding": {
        "viewers": "WHEP viewers",
        "delivered": "packets delivered",
        "lost": "lost",
        "cpu_us_per_packet": "server CPU per packet, us",
        "delay_ms_p50": "added delay, ms p50",
        "delay_ms_p99": "ms p99",
        "kib_per_viewer": "memory per viewer, KiB",
        "tester_cpu": "tester CPU, cores",
    },
    "chat": {
        "sockets": "sockets",
        "rate_per_s": "messages/s",
        "delivered": "delivered",
        "expected": "expected",
        "front_us_per_message": "server CPU per delivered message, us",
        "store_us_per_message": "store and projector, us",
        "kib_per_socket": "memory per socket, KiB",
        "tester_cpu": "tester CPU, cores",
    },
    "questions": {
        "chat_per_s": "chat beside it, messages/s",
        "questions": "questions",
        "console_ms_p50": "ask to console, ms p50",
        "console_ms_p95": "ms p95",
        "ack_ms_p50": "ask to durable ack, ms p50",
        "ack_ms_p95": "ms p95",
        "tester_cpu": "tester CPU, cores",
    },
}
TITLES: Final = {
    "first_frame": "First picture in Chromium (FFmpeg publishes H.264)",
    "forwarding": "Forwarding 1.1 Mbit/s of video and Opus",
    "chat": "Chat, the whole path: socket in, lanes, room log on disk, fan-out, socket out",
    "questions": "A buyer's question",
}
SATURATED: Final = 0.9
"""Share of a core above which the tester itself may be what was measured."""


def rows_of(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = report.get(name, [])
    return rows if isinstance(rows, list) else [rows]


def cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 100 or value.is_integer() else f"{value:.1f}"
    return str(value)


def notes(report: dict[str, Any]) -> list[str]:
    """What a reader must know before believing a figure; empty when all is well."""
    found = list(report.get("left_out", []))
    for name in COLUMNS:
        rows = rows_of(report, name)
        if any(row.get("tester_cpu", 0.0) >= SATURATED for row in rows):
            found.append(
                f"{TITLES[name]}: the tester itself was saturated (its one process used"
                f" {SATURATED:.0%} of a core or more); delays are its own, too"
            )
    return found


def about(report: dict[str, Any], command: str) -> str:
    """Where, when, what and how."""
    of = report["machine"]
    return (
        f"{of['date']}, commit {of['commit']}: {of['processor']}, {of['cores']} cores, Linux"
        f" {of['kernel']}, Python {of['python']}; made by `{command}`, server and tester on the"
        " same machine."
    )


def markdown(report: dict[str, Any], command: str) -> str:
    """One table for each part, under a line about the machine."""
    lines = [about(report, command)]
    for name, columns in COLUMNS.items():
        rows = rows_of(report, name)
        if not rows:
            continue
        lines += ["", f"**{TITLES[name]}**", ""]
        lines.append("| " + " | ".join(columns.values()) + " |")
        lines.append("|" + "---:|" * len(columns))
        lines += ["| " + " | ".join(cell(row[key]) for key in columns) + " |" for row in rows]
    for note in notes(report):
        lines += ["", f"Note: {note}."]
    return "\n".join(lines) + "\n"
