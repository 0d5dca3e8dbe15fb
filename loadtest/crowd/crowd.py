"""The crowd of one run: does what the timeline says, when it says it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from loadtest.crowd.attendee import Access, Attendee, Surroundings
from loadtest.crowd.broadcast import NO_MEDIA, Layers
from loadtest.crowd.sums import Sums
from loadtest.crowd.tally import Present
from loadtest.scenario.actions import Action, Ask, Chat, Join, Leave, Like, Person, TakeMic
from loadtest.scenario.model import Group, Scenario

SAMPLED_SOCKETS: Final = 10
"""Sockets of a group that look for the stamps of messages."""
YIELD_EVERY: Final = 50
"""Actions that are due together, before others get their turn."""
LEAVE_AT_ONCE: Final = 50
RECOUNT_S: Final = 0.02
"""Thousands of sockets are not counted again for each of hundreds of messages a second."""


class Crowd:
    """Everybody of a run. `act` once, then `leave`."""

    def __init__(
        self,
        scenario: Scenario,
        around: Surroundings,
        *,
        access: Mapping[str, Access],
        layers: Mapping[str, Layers],
        before_audience: Callable[[], None],
    ) -> None:
        """`access`: of each network, by name; `""`: of none. `layers`: of each group that
        publishes. `before_audience` is called when the first comes who neither publishes nor
        manages."""
        self._scenario = scenario
        self._around = around
        self._access = access
        self._layers = layers
        self._before_audience = before_audience
        self._in: dict[Person, Attendee] = {}
        self._doing: dict[Person, set[asyncio.Task[None]]] = {}
        self._sampled: dict[str, int] = {}
        self._gone = Sums()
        self._open_sockets = 0
        self._recount_at = 0.0
        self._over = asyncio.Event()
        self.ended_early = ""
        """Why, if the run did."""

    def stop(self, why: str) -> None:
        """End the run soon; the first reason counts."""
        if not self._over.is_set():
            self.ended_early = why
            self._over.set()

    async def act(self, actions: Iterable[Action], start: float, duration_s: float) -> None:
        """Until `duration_s` after `start` (loop's clock), or until `stop`."""
        together = 0
        for action in actions:
            is_due = start + action.at_s <= asyncio.get_running_loop().time()
            together = together + 1 if is_due else 0
            if together % YIELD_EVERY == 0:
                await self._until(start + action.at_s)
            if self._over.is_set():
                return
            self._do(action)
        await self._until(start + duration_s)

    async def leave(self) -> None:
        """Viewers first: with the host the show ends around them."""
        await self._see_off_all([each for each in self._in.items() if not each[1].is_on_stage])
        await self._see_off_all(list(self._in.items()))
        self._in.clear()
        await asyncio.gather(*(task for tasks in self._doing.values() for task in tasks))

    async def _see_off_all(self, people: Sequence[tuple[Person, Attendee]]) -> None:
        for first in range(0, len(people), LEAVE_AT_ONCE):
            some = people[first : first + LEAVE_AT_ONCE]
            await asyncio.gather(*(self._see_off(*each) for each in some))

    # --- counting --------------------------------------------------------------------------

    def sums(self) -> Sums:
        return self._gone.plus(
            (each.viewer.counts for each in self._in.values() if each.viewer is not None),
            (each.socket.counts for each in self._in.values() if each.socket is not None),
        )

    def present(self) -> Present:
        people = self._in.values()
        return Present(
            sum(each.is_publishing for each in people),
            sum(each.is_watching for each in people),
            self.open_sockets(),
        )

    def open_sockets(self) -> int:
        """Asked for each message: looked up anew only now and then."""
        now = asyncio.get_running_loop().time()
        if now >= self._recount_at:
            self._recount_at = now + RECOUNT_S
            self._open_sockets = sum(each.is_in_room for each in self._in.values())
        return self._open_sockets

    # --- doing -----------------------------------------------------------------------------

    async def _until(self, due: float) -> None:
        try:
            async with asyncio.timeout_at(due):
                await self._over.wait()
        except TimeoutError:
            return

    def _do(self, action: Action) -> None:
        person = action.person
        if isinstance(action, Join):
            self._let_in(person)
            return
        attendee = self._in.get(person)
        if attendee is None:
            return
        match action:
            case Leave():
                self._start(person, self._see_off(person, attendee))
            case Chat():
                self._start(person, attendee.chat(action.text))
            case Ask():
                self._start(person, attendee.ask(action.text))
            case Like():
                self._start(person, attendee.like(action.count))
            case TakeMic():
                self._start(person, attendee.take_mic(action.hold_s))

    def _start(self, person: Person, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing, name=f"crowd-{person.user}")
        self._doing.setdefault(person, set()).add(task)
        task.add_done_callback(lambda done: self._finished(person, done))

    def _finished(self, person: Person, task: asyncio.Task[None]) -> None:
        tasks = self._doing.get(person, set())
        tasks.discard(task)
        if not tasks:
            self._doing.pop(person, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # People count what servers and networks do to them: this is a bug of the tester.
            self.stop(f"bug in the tester: {error!r}")
            context = {"message": f"a bug in {task.get_name()}", "exception": error}
            task.get_loop().call_exception_handler(context)

    def _let_in(self, person: Person) -> None:
        group = self._scenario.groups[person.group]
        if not group.manages and group.publish is None:
            self._before_audience()
        attendee = Attendee(
            person,
            group,
            self._around,
            access=self._access.get(group.network or "") or self._access[""],
            layers=self._layers.get(person.group, NO_MEDIA),
            is_sampled=self._take_sample(person.group, group),
        )
        self._in[person] = attendee
        self._start(person, attendee.enter())

    def _take_sample(self, name: str, group: Group) -> bool:
        """The first few of a group: they pay for timestamps and for looking inside."""
        wanted = group.watch.sample if group.watch else SAMPLED_SOCKETS
        taken = self._sampled.get(name, 0)
        self._sampled[name] = taken + 1
        return taken < wanted

    async def _see_off(self, person: Person, attendee: Attendee) -> None:
        """Whatever the person is doing ends; then the goodbye."""
        me = asyncio.current_task()
        doing = [task for task in self._doing.get(person, ()) if task is not me]
        for task in doing:
            task.cancel()
        await asyncio.gather(*doing, return_exceptions=True)
        # In one step, so that what was counted never seems to go and come back.
        if self._in.get(person) is attendee:  # or is back already
            del self._in[person]
        self._gone = self._gone.plus(
            [attendee.viewer.counts] if attendee.viewer is not None else [],
            [attendee.socket.counts] if attendee.socket is not None else [],
        )
        await attendee.leave()
