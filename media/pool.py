"""Several media workers as one media plane: who gets a command, what comes of a lost worker.

    commands of signaling --> handle_command --.                   .--> poll_command (for a worker)
    events of a worker -----> handle_event ----+--> who is where --+
    a worker came or went --> handle_up, _lost '                   '--> poll_event (for signaling)

A machine: after every input drain `poll_command` and `poll_event`, then arm one timer at
`next_deadline`. Signaling notices nothing of it: an offer that a dying worker did not answer is
offered to another one, one that finds no worker waits for the next, and the peers of a lost
worker are closed with the reason `worker_lost`, upon which clients offer again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, assert_never

from media.crossings import Crossings
from media.errors import LocalProtocolError
from media.placement import Placement
from media.seam import (
    Answered,
    ClosePeer,
    Command,
    Event,
    ExportTrack,
    IceRestarted,
    ImportTrack,
    MuteTrack,
    PauseSlot,
    PeerClosed,
    PeerId,
    PeerStats,
    PlayOffer,
    PointSlot,
    PublishOffer,
    QueryStats,
    Refused,
    RequestId,
    RestartIce,
    ShapeSlot,
    Stats,
    StopRelay,
)
from media.totals import Totals

WORKER_LOST: Final = "worker_lost"
MAX_WAITING: Final = 2_000
"""Offers held while no worker is up: as many as one plane lets connect at once."""
TOTALS_INTERVAL_S: Final = 2.0
"""How old the sums for `/metrics` may be."""
MAX_TRIES: Final = 2
"""Workers that get the same offer: one that kills a worker must not kill them all."""
STUCK_S: Final = 15.0
"""A worker that does not say its totals for so long serves nobody. Peers are given up after 30 s;
theirs shall know earlier."""
STATS_LIMIT_S: Final = 10.0
"""A worker that is this late with its numbers is left out; signaling has given up long before."""

_Offer = PublishOffer | PlayOffer
_NOBODY: Final = (PeerId(""),)
"""What `QueryStats` asks for when only the totals are wanted: no peer has this id."""


@dataclass(slots=True)
class _Asked:
    """An offer on its way: to `worker`, or to the next that comes up (None). `closed_for` is the
    reason of a `ClosePeer` that came before the answer."""

    offer: _Offer
    worker: int | None = None
    tries: int = 0
    closed_for: str | None = None


@dataclass(slots=True)
class _Gathering:
    """An answer of several workers: `left` have not said anything yet."""

    left: set[int]
    deadline: float
    peers: list[PeerStats] = field(default_factory=list)


class WorkerPool:
    """See the module's text. Workers are numbers, 0 and up; none is up at first."""

    def __init__(self, link_of: Callable[[int], str], placement: Placement | None = None) -> None:
        """`link_of` names the socket where a worker takes tracks of others."""
        self._placement = placement or Placement()
        self._crossings = Crossings(link_of)
        self._commands: deque[tuple[int, Command]] = deque()
        self._events: deque[Event] = deque()
        self._offers: dict[PeerId, _Asked] = {}
        self._restarts: dict[RequestId, tuple[int, PeerId]] = {}
        self._gatherings: dict[RequestId, _Gathering] = {}
        self._totals = Totals()
        self._totals_due: float | None = None
        self._polls = 0
        self._unanswered: dict[int, float] = {}
        self._ignored = 0
        self.workers_lost = 0

    @property
    def workers(self) -> tuple[int, ...]:
        """Those that are up."""
        return self._placement.workers

    def load(self, worker: int) -> int:
        """Peers on a worker that is up."""
        return self._placement.load(worker)

    def totals(self) -> dict[str, int]:
        """Of all workers there ever were, some seconds old; see `Stats`."""
        totals = self._totals.sums()
        totals["ignored"] = totals.get("ignored", 0) + self._ignored
        return totals

    # --- workers --------------------------------------------------------------------------------

    def handle_up(self, worker: int, now: float) -> None:
        """A worker takes commands, and has no peers."""
        self._placement.add_worker(worker)
        if self._totals_due is None:
            self._totals_due = now
        for asked in [each for each in self._offers.values() if each.worker is None]:
            self._place(asked)

    def handle_lost(self, worker: int, now: float) -> None:
        """A worker is gone, and with it all its peers. Others notice nothing."""
        self.workers_lost += 1
        lost = self._placement.remove_worker(worker)
        self._commands.extend(self._crossings.lose(worker))
        self._totals.lose(worker)
        self._unanswered.pop(worker, None)
        for gathering in list(self._gatherings.items()):
            self._drop_from(*gathering, worker)
        for request_id, (where, peer_id) in list(self._restarts.items()):
            if where == worker:
                del self._restarts[request_id]
                self._refuse(request_id, peer_id, "unknown_peer", "Its media process ended.")
        for peer_id in lost:
            asked = self._offers.get(peer_id)
            if asked is not None:
                self._place(asked)
            else:
                self._forget_peer(peer_id, now)
                self._events.append(PeerClosed(peer_id, WORKER_LOST))

    # --- commands -------------------------------------------------------------------------------

    def handle_command(self, command: Command, now: float) -> None:
        """Hand one command of signaling to whom it concerns."""
        match command:
            case PublishOffer() | PlayOffer():
                self._offer(command)
            case RestartIce():
                self._restart_ice(command)
            case PointSlot():
                self._point(command, now)
            case PauseSlot() | ShapeSlot():
                self._send_to_peer(command)
            case ClosePeer():
                self._close(command)
            case MuteTrack():
                self._mute(command)
            case QueryStats():
                self._gather(command, now)
            case ExportTrack() | ImportTrack() | StopRelay():
                raise LocalProtocolError("crossings are the pool's own business")
            case _:
                assert_never(command)

    def _offer(self, offer: _Offer) -> None:
        if offer.peer_id in self._offers or self._placement.worker_of(offer.peer_id) is not None:
            self._refuse(
                offer.request_id, offer.peer_id, "bad_sdp", "There is a peer with this id already."
            )
            return
        asked = self._offers[offer.peer_id] = _Asked(offer)
        self._place(asked)

    def _place(self, asked: _Asked) -> None:
        """Offer it to a worker; without any it waits."""
        offer, placement = asked.offer, self._placement
        asked.worker = None
        if asked.closed_for is not None:
            del self._offers[offer.peer_id]
            self._events.append(PeerClosed(offer.peer_id, asked.closed_for))
            return
        if asked.tries >= MAX_TRIES:
            self._give_up(offer, "The media process ended; try again.")
            return
        place = (
            placement.place_publisher if isinstance(offer, PublishOffer) else placement.place_viewer
        )
        asked.worker = place(offer.peer_id, offer.group)
        if asked.worker is not None:
            asked.tries += 1
            self._commands.append((asked.worker, offer))
        elif len(self._offers) > MAX_WAITING:
            self._give_up(offer, "The media processes are starting; try again.")

    def _give_up(self, offer: _Offer, message: str) -> None:
        del self._offers[offer.peer_id]
        self._refuse(offer.request_id, offer.peer_id, "too_many_peers", message)

    def _refuse(self, request_id: RequestId, peer_id: PeerId, code: str, message: str) -> None:
        self._events.append(Refused(request_id, peer_id, code, message))

    def _restart_ice(self, command: RestartIce) -> None:
        worker = self._placement.worker_of(command.peer_id)
        if worker is None:
            text = "There is no such peer (any more)."
            self._refuse(command.request_id, command.peer_id, "unknown_peer", text)
            return
        self._restarts[command.request_id] = worker, command.peer_id
        self._commands.append((worker, command))

    def _send_to_peer(self, command: PointSlot | PauseSlot | ShapeSlot | ClosePeer) -> None:
        """A race of a command with a departure is normal: counted, otherwise ignored."""
        worker = self._placement.worker_of(command.peer_id)
        if worker is None:
            self._ignored += 1
        else:
            self._commands.append((worker, command))

    def _close(self, command: ClosePeer) -> None:
        asked = self._offers.get(command.peer_id)
        if asked is not None:
            asked.closed_for = command.reason
        if asked is not None and asked.worker is None:
            self._place(asked)
        else:
            self._send_to_peer(command)

    def _point(self, command: PointSlot, now: float) -> None:
        worker = self._placement.worker_of(command.peer_id)
        if worker is not None:
            before = self._crossings.point(
                command.peer_id, worker, command.mid, command.track_id, now
            )
            self._commands.extend(before)
        self._send_to_peer(command)

    def _mute(self, command: MuteTrack) -> None:
        told = self._crossings.mute(command)
        if not told:
            self._ignored += 1
        self._commands.extend(told)

    # --- statistics -----------------------------------------------------------------------------

    def _gather(self, command: QueryStats, now: float) -> None:
        """Ask every worker that has one of the peers; the answers become one."""
        wanted: dict[int, list[PeerId]] = {}
        for peer_id in command.peer_ids:
            worker = self._placement.worker_of(peer_id)
            if worker is not None:
                wanted.setdefault(worker, []).append(peer_id)
        if not command.peer_ids:
            wanted = {worker: [] for worker in self.workers}
        if not wanted:
            self._events.append(Stats(command.request_id, (), self.totals()))
            return
        self._gatherings[command.request_id] = _Gathering(set(wanted), now + STATS_LIMIT_S)
        for worker, peer_ids in wanted.items():
            self._commands.append((worker, QueryStats(command.request_id, tuple(peer_ids))))

    def _take_stats(self, worker: int, stats: Stats) -> None:
        self._totals.take(worker, stats.totals)
        self._unanswered.pop(worker, None)
        gathering = self._gatherings.get(stats.request_id)
        if gathering is not None:
            gathering.peers.extend(stats.peers)
            self._drop_from(stats.request_id, gathering, worker)

    def _drop_from(self, request_id: RequestId, gathering: _Gathering, worker: int) -> None:
        """Nothing more comes from this worker; the last one completes the answer."""
        gathering.left.discard(worker)
        if not gathering.left:
            del self._gatherings[request_id]
            self._events.append(Stats(request_id, tuple(gathering.peers), self.totals()))

    # --- events of workers ----------------------------------------------------------------------

    def handle_event(self, worker: int, event: Event, now: float) -> None:
        """Pass on what a worker says; what only concerns the pool is kept."""
        match event:
            case Stats():
                self._take_stats(worker, event)
                return
            case Answered():
                self._answered(worker, event)
                return
            case Refused():
                self._refused(event)
            case IceRestarted():
                self._restarts.pop(event.request_id, None)
            case PeerClosed():
                self._closed(event, now)
            case _:
                pass
        self._events.append(event)

    def _answered(self, worker: int, event: Answered) -> None:
        asked = self._offers.pop(event.peer_id, None)
        if asked is None or asked.worker != worker:
            return  # closed meanwhile: its `PeerClosed` follows
        self._crossings.publish(event.peer_id, worker, event.tracks, event.formats)
        self._events.append(event)

    def _refused(self, event: Refused) -> None:
        if self._restarts.pop(event.request_id, None) is None:
            self._offers.pop(event.peer_id, None)
            self._placement.release(event.peer_id)

    def _closed(self, event: PeerClosed, now: float) -> None:
        self._offers.pop(event.peer_id, None)
        self._placement.release(event.peer_id)
        self._forget_peer(event.peer_id, now)

    def _forget_peer(self, peer_id: PeerId, now: float) -> None:
        self._commands.extend(self._crossings.unpublish(peer_id))
        self._crossings.forget_viewer(peer_id, now)

    # --- time and outputs -----------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called; None while there is nothing to do."""
        deadlines = [each.deadline for each in self._gatherings.values()]
        others = (self._totals_due, self._crossings.next_deadline())
        return min([*deadlines, *(each for each in others if each is not None)], default=None)

    def handle_timeout(self, now: float) -> None:
        """Give up on late answers, end crossings that nobody uses, ask for the totals again."""
        self._commands.extend(self._crossings.handle_timeout(now))
        for request_id, gathering in list(self._gatherings.items()):
            if gathering.deadline <= now:
                del self._gatherings[request_id]
                self._events.append(Stats(request_id, tuple(gathering.peers), self.totals()))
        if self._totals_due is not None and self._totals_due <= now:
            self._totals_due = now + TOTALS_INTERVAL_S if self.workers else None
            self._polls += 1
            # The answer is no request of signaling's: nobody gathers it.
            query = QueryStats(RequestId(f"totals-{self._polls}"), _NOBODY)
            for worker in self.workers:
                if worker not in self._unanswered:
                    self._unanswered[worker] = now
                    self._commands.append((worker, query))

    def stuck(self, now: float) -> tuple[int, ...]:
        """Workers that are up and have not answered for `STUCK_S`: best ended and started anew."""
        return tuple(each for each, since in self._unanswered.items() if now - since >= STUCK_S)

    def poll_command(self) -> tuple[int, Command] | None:
        """The next command and its worker, or None."""
        return self._commands.popleft() if self._commands else None

    def poll_event(self) -> Event | None:
        """The next event for signaling, or None."""
        return self._events.popleft() if self._events else None
