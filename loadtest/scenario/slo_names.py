"""The figures that a scenario may set limits to (`slo:`), and what each is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class SloName(StrEnum):
    """Units are in the names."""

    JOINED_PERCENT = "joined_percent"
    PACKET_LOSS_PERCENT = "packet_loss_percent"
    LATENCY_P50_MS = "latency_p50_ms"
    LATENCY_P95_MS = "latency_p95_ms"
    LATENCY_P99_MS = "latency_p99_ms"
    FIRST_PACKET_P95_MS = "first_packet_p95_ms"
    CHAT_DELIVERED_PERCENT = "chat_delivered_percent"
    CHAT_DELAY_P95_MS = "chat_delay_p95_ms"
    CHAT_DELAY_P99_MS = "chat_delay_p99_ms"
    QUESTIONS_LOST = "questions_lost"
    QUESTION_DELAY_P95_MS = "question_delay_p95_ms"
    QUESTION_DELAY_P99_MS = "question_delay_p99_ms"
    CONTROL_DELAY_P99_MS = "control_delay_p99_ms"
    MIC_ON_P95_MS = "mic_on_p95_ms"
    MIC_PERCENT = "mic_percent"
    COMPLAINTS = "complaints"
    CPU_US_PER_PACKET = "cpu_us_per_packet"
    CPU_US_PER_MESSAGE = "cpu_us_per_message"
    MEMORY_KIB_PER_VIEWER = "memory_kib_per_viewer"


MEANINGS: Final[dict[SloName, str]] = {
    SloName.JOINED_PERCENT: "People who came in, of those who tried: to publish, watch, socket.",
    SloName.PACKET_LOSS_PERCENT: "RTP packets that viewers never got, of those they should have.",
    SloName.LATENCY_P50_MS: "From a packet's sending to the kernel's receiving it at a viewer.",
    SloName.LATENCY_P95_MS: "The same, for the slowest twentieth.",
    SloName.LATENCY_P99_MS: "The same, for the slowest hundredth.",
    SloName.FIRST_PACKET_P95_MS: "From a viewer's first byte to the first RTP packet.",
    SloName.CHAT_DELIVERED_PERCENT: "Chat messages received, of those sent x sockets there.",
    SloName.CHAT_DELAY_P95_MS: "From a chat message's sending to its receiving.",
    SloName.CHAT_DELAY_P99_MS: "The same, for the slowest hundredth.",
    SloName.QUESTIONS_LOST: "Questions the server accepted and never showed to who they were for.",
    SloName.QUESTION_DELAY_P95_MS: "From a question's sending to its receiving.",
    SloName.QUESTION_DELAY_P99_MS: "The same, for the slowest hundredth.",
    SloName.CONTROL_DELAY_P99_MS: "From a control message's sending to its receiving.",
    SloName.MIC_ON_P95_MS: "From asking for the mic to being connected in the seat.",
    SloName.MIC_PERCENT: "Turns at the mic that came about, of those asked for.",
    SloName.COMPLAINTS: "Failures of any kind, counted one by one.",
    SloName.CPU_US_PER_PACKET: "All CPU of the server over all packets delivered.",
    SloName.CPU_US_PER_MESSAGE: "All CPU of the server over all messages delivered.",
    SloName.MEMORY_KIB_PER_VIEWER: "Growth of the server's resident memory, a viewer.",
}
