"""A daemon's doors to SQL and to its switch, each of which may be slow, shut or silent."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from fsbilling.clock import US_PER_S as S
from fsbilling.errors import StoreError, SwitchError, SwitchTimeout
from fsbilling.store.engine import BOUND_S
from fsbilling.switch.channel import ChannelEvent

from .hub import Flag, Process

if TYPE_CHECKING:
    from .node import SimNode
    from .weather import Diary, Weather

LATENCY_US = 1_000
"""How long a word to the switch takes at most."""
LATE_US = 2 * S
"""The same, and for its answer, while all words are late; in time for `API_TIMEOUT_US`."""
API_TIMEOUT_US = 5 * S
SQL_TIMEOUT_US = 3 * S
USUAL_SQL_US, SLOW_SQL_US = 4_000, 2 * S
LONG_US = S // 100
"""A shorter wait is nothing to speak of but a chance for others."""


class Fate:
    """Draws what happens at one await of one daemon."""

    def __init__(
        self,
        draw: random.Random,
        weather: Weather,
        diary: Diary,
        process: Process,
        *,
        restless: float = 1.0,
    ) -> None:
        self.draw = draw
        self._random = draw.random
        self._restless = restless
        self._kill = weather.kill
        self.sql_refused = weather.sql_refused / 2
        """At the beginning of a transaction, and again at its commit."""
        self.weather = weather
        self.diary = diary
        self.process = process
        self.on_kill: Callable[[], None] = process.kill
        self.is_calm = False

    def strikes(self, chance: float) -> bool:
        return chance > 0.0 and not self.is_calm and self._random() < chance

    def wait(self, longest_us: int, where: str) -> None:
        """Wait at an await; it may be the last thing this daemon does.

        With `restless` below 1 only that share of short waits lets others go first.
        """
        if self._kill > 0.0 and self.strikes(self._kill):
            self._sleep_last(int(self._random() * longest_us), where)
            return
        is_short = longest_us < LONG_US
        if is_short and self._restless < 1.0 and self._random() >= self._restless:
            return
        self.process.sleep(int(self._random() * longest_us))

    def wait_in_vain(self, us: int, what: str) -> None:
        """Wait for an answer that does not come; that may be the last thing as well."""
        now_us = self.process._hub.now_us
        self.diary.trouble(now_us, now_us + us, what)
        if self.strikes(self._kill):
            self._sleep_last(us, what)
        else:
            self.process.sleep(us)

    def _sleep_last(self, us: int, where: str) -> None:
        hub = self.process._hub
        self.diary.tell(hub.now_us, f"killed at {where}")
        hub.after(us, self.on_kill)
        self.process.sleep(us)


class Store(Protocol):
    """What a daemon needs of its database, in SQL or in memory."""

    dialect: str
    url: str

    def write(self) -> AbstractContextManager[Any]: ...

    def read(self, bound_s: float = ...) -> AbstractContextManager[Any]: ...


class SqlDoor:
    """`Database` for one daemon: an await before each transaction, and one after its commit."""

    def __init__(self, db: Store, fate: Fate, state: SqlState) -> None:
        self.dialect = db.dialect
        self.url = db.url
        self._db = db
        self._fate = fate
        self._state = state

    def write(self) -> Passage:
        return Passage(self._db.write(), self._fate, self._state, "write")

    def read(self, bound_s: float = BOUND_S) -> Passage:
        return Passage(self._db.read(bound_s), self._fate, self._state, "read")


class Passage:
    """One transaction: it may be refused, fail at its commit, or be committed unheard of."""

    __slots__ = ("_conn", "_fate", "_state", "_what", "_work")

    def __init__(
        self, work: AbstractContextManager[Any], fate: Fate, state: SqlState, what: str
    ) -> None:
        self._work = work
        self._fate = fate
        self._state = state
        self._what = what

    def __enter__(self) -> Any:
        state = self._state
        self._fate.wait(state.latency_us, self._what)
        if state.is_away:
            raise StoreError("simulated: SQL is away")
        self._may_fail("refused")
        self._conn = self._work.__enter__()
        return self._conn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if kind is not None:
            return self._work.__exit__(kind, fault, trace)
        if self._what == "write":
            self._commit()
        else:
            self._work.__exit__(None, None, None)
        self._fate.wait(self._state.latency_us, self._what)
        return None

    def _commit(self) -> None:
        fate, state = self._fate, self._state
        try:
            self._may_fail("not committed")
            state.on_commit(self._conn)
        except BaseException as fault:
            self._work.__exit__(type(fault), fault, fault.__traceback__)
            raise
        self._work.__exit__(None, None, None)
        if fate.strikes(fate.weather.sql_unknown):
            fate.wait_in_vain(SQL_TIMEOUT_US, "commit unknown")
            raise StoreError("simulated: committed, but the answer was lost")

    def _may_fail(self, how: str) -> None:
        fate = self._fate
        if fate.strikes(fate.sql_refused):
            now_us = self._state.now_us()
            fate.diary.trouble(now_us, now_us, f"{self._what} {how}")
            raise StoreError(f"simulated: {self._what} {how}")


class SqlState:
    """The one database that all daemons share."""

    def __init__(self, now_us: Callable[[], int], on_commit: Callable[[Any], None]) -> None:
        self.now_us = now_us
        self.on_commit = on_commit
        self.is_away = False
        self.is_slow = False

    @property
    def is_slow(self) -> bool:
        return self.latency_us > USUAL_SQL_US

    @is_slow.setter
    def is_slow(self, is_slow: bool) -> None:
        self.latency_us = SLOW_SQL_US if is_slow else USUAL_SQL_US
        """How long it takes at most."""


class Link:
    """A daemon's link to its switch: events in order, commands beside them (`switch/link.py`)."""

    def __init__(
        self,
        node: SimNode,
        fate: Fate,
        *,
        on_up: Callable[[], None],
        on_down: Callable[[], None],
    ) -> None:
        self.is_up = False
        self._node = node
        self._fate = fate
        self._on_up, self._on_down = on_up, on_down
        self._on_event: Callable[[ChannelEvent], None] = lambda _event: None
        self._connection = 0
        self._last_arrival_us = 0
        self._handover: deque[Callable[[], None]] = deque()
        self._arrived = Flag(fate.process)
        fate.process.spawn(self._drain)

    def listen(self, on_event: Callable[[ChannelEvent], None]) -> None:
        self._on_event = on_event

    def connect(self) -> None:
        """Connect again, as soon as the process runs to do it."""
        self._fate.process.spawn(self._connect)

    def _connect(self) -> None:
        if not self.is_up and self._node.is_reachable:
            self.is_up = True
            self._connection += 1
            self._hand_over(self._on_up)

    def drop(self) -> None:
        """Lose the connection, and what was under way on it."""
        if self.is_up:
            self._hand_over(self._on_down)
        self.is_up = False
        self._connection += 1

    def send_event(self, headers: dict[str, str]) -> None:
        """The switch has made an event: it arrives in order, sooner or later."""
        if not self.is_up:
            return
        hub, connection = self._node.hub, self._connection
        late_us = self._fate.draw.randint(0, 3 * S if self._node.events_are_late else 3_000)
        self._last_arrival_us = max(self._last_arrival_us, hub.now_us + late_us)
        event = ChannelEvent.of(headers)

        def arrive() -> None:
            if connection == self._connection:
                self._hand_over(lambda: self._on_event(event))

        hub.at(self._last_arrival_us, arrive)

    def api(self, command: str, timeout_s: float = 5.0) -> str:
        fate, node = self._fate, self._node
        connection = self._connection
        latency_us = LATE_US if node.commands_are_late else LATENCY_US
        self._need(connection)
        fate.wait(latency_us, f"before {command[:40]}")
        self._need(connection)
        if fate.strikes(fate.weather.api_unsent):
            self._time_out(f"unsent {command[:40]}")
        answer = node.execute(command)
        if fate.strikes(fate.weather.api_unanswered):
            self._time_out(f"unanswered {command[:40]}")
        fate.wait(latency_us, f"after {command[:40]}")
        # What came while the process hung lies in its socket: read before a new answer can come.
        self._read()
        self._need(connection)
        return answer

    def _need(self, connection: int) -> None:
        if not self.is_up or connection != self._connection:
            raise SwitchError("simulated: the link is down")

    def _time_out(self, what: str) -> None:
        self._fate.wait_in_vain(API_TIMEOUT_US, what)
        raise SwitchTimeout("simulated: no answer in time")

    def _hand_over(self, step: Callable[[], None]) -> None:
        self._handover.append(step)
        self._arrived.set()

    def _drain(self) -> None:
        while True:
            self._arrived.clear()
            self._read()
            self._arrived.wait()

    def _read(self) -> None:
        while self._handover:
            self._handover.popleft()()
