"""What rooms, media and retention counted, as metric families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from media.tcp import TcpStats
from media.udp import UdpStats
from server.metrics import counter, gauge, histogram
from server.retention.producer import ProducerStats
from signaling.distribution import Distribution
from signaling.media_figures import MediaFigures
from signaling.service import ServiceStats


def room_metrics(stats: ServiceStats) -> Iterator[Metric]:
    """Rooms and their sockets on this node."""
    yield gauge("rooms", "Rooms served by this node", {(): stats.rooms})
    yield gauge(
        "participants",
        "Sockets in rooms by role",
        {(role,): stats.sockets.get(role, 0) for role in ("host", "staff", "guest", "viewer")},
        ("role",),
    )
    yield gauge("peers", "Media transports of rooms", {(): stats.peers})
    yield counter(
        "messages_out_total",
        "Room events to sockets, before a slow reader's chat is shed",
        {(lane,): count for lane, count in stats.messages_out.items()},
        ("lane",),
    )
    yield counter(
        "refusals_total",
        "Messages of joined sockets refused, by code",
        {(code,): count for code, count in stats.refusals.items()},
        ("code",),
    )
    yield counter("flushes_total", "Frames made for all readers of a room", {(): stats.frames_out})
    yield counter(
        "messages_shed_total",
        "Messages that did not reach a reader",
        {(lane, why): count for (lane, why), count in stats.shed.items()},
        ("lane", "reason"),
    )
    yield counter(
        "messages_refused_total",
        "Messages that were not let in, and their authors told, by lane and the limit they met",
        {(lane, why): count for (lane, why), count in stats.refused_in.items()},
        ("lane", "reason"),
    )
    yield counter(
        "slow_readers_total",
        "Sockets closed because they read too slowly",
        {(): stats.slow_readers},
    )


def quality_metrics(figures: MediaFigures) -> Iterator[Metric]:
    """How joining went and how media goes, as the server measures and clients report."""
    for name, text, each in (
        ("answer_seconds", "From an offer to its SDP answer, inside the server", figures.answer_s),
        (
            "ice_connect_seconds",
            "From the SDP answer to the first authenticated check",
            figures.ice_s,
        ),
        ("dtls_connect_seconds", "From that check to the keys of SRTP", figures.dtls_s),
        (
            "first_frame_seconds",
            "From the ask to the first picture decoded or encoded, as clients report",
            figures.first_frame_s,
        ),
        (
            "quality_score",
            "Signal bars (0 silent, 4 good) of each transport each 10 s",
            figures.score,
        ),
    ):
        values: dict[tuple[str, ...], Distribution] = {
            (direction,): found for direction, found in each.items()
        }
        yield histogram(name, text, values, ("direction",))
    yield histogram(
        "media_join_seconds",
        "From the ask until a step of joining was done, as clients report",
        {(direction, step): found for (direction, step), found in figures.join_s.items()},
        ("direction", "step"),
    )
    yield histogram(
        "bwe_bits",
        "What viewers' receivers say that they can take (bit/s), each 10 s",
        {(): figures.estimate_bps},
    )
    yield counter(
        "quality_reports_total", "Reports of clients about quality", {(): figures.reports}
    )
    yield counter(
        "reported_seconds_total",
        "Time that those reports cover",
        {(): figures.watched_ms / 1000},
    )
    yield counter("freezes_total", "Freezes of the picture, as reported", {(): figures.freezes})
    yield counter("freeze_seconds_total", "Their length", {(): figures.freeze_ms / 1000})


def media_metrics(totals: Mapping[str, int], udp: UdpStats) -> Iterator[Metric]:
    """The media plane (`Stats.totals`) and its UDP port."""
    yield gauge("tracks", "Published tracks", {(): totals.get("tracks", 0)})
    yield counter(
        "rtp_packets_total",
        "RTP packets forwarded",
        {("in",): totals.get("packets_in", 0), ("out",): totals.get("packets_out", 0)},
        ("dir",),
    )
    yield counter(
        "rtp_bytes_total",
        "Bytes of RTP, headers included",
        {("in",): totals.get("bytes_in", 0), ("out",): totals.get("bytes_out", 0)},
        ("dir",),
    )
    yield counter(
        "nack_total",
        "Negative acknowledgements received from viewers and sent to publishers",
        {("in",): totals.get("nacks_in", 0), ("out",): totals.get("nacks_out", 0)},
        ("dir",),
    )
    yield counter(
        "pli_total",
        "Key frame requests received from viewers and sent to publishers",
        {("in",): totals.get("plis_in", 0), ("out",): totals.get("plis_out", 0)},
        ("dir",),
    )
    yield counter(
        "twcc_total",
        "Transport-wide feedback packets sent to publishers",
        {(): totals.get("twcc_out", 0)},
    )
    yield counter(
        "rtx_total",
        "Packets sent again to viewers",
        {(): totals.get("retransmitted", 0)},
    )
    yield counter(
        "layer_switch_total",
        "Times that a viewer's slot went over to another layer or source",
        {(): totals.get("switches", 0)},
    )
    yield from _bandwidth_metrics(totals)
    yield counter(
        "rtp_lost_total",
        "Packets lost from publishers for good, and to viewers by their own reports before repair",
        {("in",): totals.get("lost_in", 0), ("out",): totals.get("lost_out", 0)},
        ("dir",),
    )
    yield counter(
        "rtp_recovered_total",
        "Packets of publishers that came after they were asked for again",
        {(): totals.get("recovered", 0)},
    )
    yield counter(
        "media_dropped_total",
        "Datagrams and packets dropped, by reason",
        {
            (name.removeprefix("dropped_"),): count
            for name, count in totals.items()
            if name.startswith("dropped_")
        },
        ("reason",),
    )
    yield counter(
        "udp_datagrams_total",
        "Datagrams through the media port",
        {("in",): udp.datagrams_in, ("out",): udp.datagrams_out},
        ("dir",),
    )
    yield counter("udp_send_calls_total", "System calls that sent them", {(): udp.send_calls})
    yield counter(
        "udp_dropped_total",
        "Datagrams the kernel did not take",
        {("full",): udp.dropped_full, ("error",): udp.send_errors},
        ("reason",),
    )


def _bandwidth_metrics(totals: Mapping[str, int]) -> Iterator[Metric]:
    """What viewers' links carry (docs/bandwidth.md)."""
    yield gauge(
        "viewers_limited",
        "Viewers whose link is known not to carry everything",
        {(): totals.get("viewers_limited", 0)},
    )
    yield counter(
        "congestion_total",
        "Times that a viewer's link showed to be too narrow",
        {(): totals.get("congestions", 0)},
    )
    proven = totals.get("probes_proven", 0)
    yield counter(
        "probe_total",
        "Probes of viewers' links, by whether what was sent arrived (or is still being sent)",
        {("proven",): proven, ("unproven",): totals.get("probes", 0) - proven},
        ("outcome",),
    )
    yield counter("probe_bytes_total", "Their payload", {(): totals.get("probe_bytes", 0)})
    yield counter(
        "bandwidth_switch_total",
        "Times that a viewer's bandwidth moved a slot to a lower or higher layer or to none",
        {
            ("lower",): totals.get("layers_lowered", 0),
            ("higher",): totals.get("layers_raised", 0),
            ("none",): totals.get("pictures_given_up", 0),
        },
        ("to",),
    )


def media_tcp_metrics(tcp: TcpStats | None) -> Iterator[Metric]:
    """Its TCP side; nothing where that is switched off."""
    if tcp is None:
        return
    yield gauge("tcp_connections", "Connections to the media port", {(): tcp.open})
    yield counter("tcp_accepted_total", "Connections taken", {(): tcp.accepted})
    yield counter(
        "tcp_closed_total",
        "Connections closed, by reason; refused at once when there were too many",
        {("refused",): tcp.refused, **{(reason,): count for reason, count in tcp.closed.items()}},
        ("reason",),
    )
    yield counter(
        "tcp_datagrams_total",
        "Datagrams through the media port in frames of TCP",
        {("in",): tcp.datagrams_in, ("out",): tcp.datagrams_out},
        ("dir",),
    )
    yield counter(
        "tcp_bytes_total",
        "Their bytes, frames included",
        {("in",): tcp.bytes_in, ("out",): tcp.bytes_out},
        ("dir",),
    )
    yield counter(
        "tcp_dropped_total",
        "Datagrams for a reader that does not keep up or is gone",
        {("full",): tcp.dropped_full, ("gone",): tcp.dropped_gone},
        ("reason",),
    )


def retention_metrics(stats: ProducerStats) -> Iterator[Metric]:
    """Engagement events on their way to the store."""
    yield counter(
        "engagement_events_total",
        "Engagement events by what became of them",
        {
            ("stored",): stats.stored,
            ("spooled",): stats.spooled,
            ("replayed",): stats.replayed,
            ("shed",): stats.shed,
        },
        ("outcome",),
    )
    yield gauge("engagement_queue", "Engagement events waiting in memory", {(): stats.queued})
    yield gauge("engagement_spool_bytes", "Size of the spool on disk", {(): stats.spool_bytes})
