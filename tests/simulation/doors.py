"""A daemon's doors to SQL and to its switch, each of which may be slow, shut or silent."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from fsbilling.clock import US_PER_S as S
from fsbilling.errors import StoreError, SwitchError, SwitchTimeout
from fsbilling.store.engine import BOUND_S, Database
from fsbilling.switch.channel import ChannelEvent

from .hub import Flag, Process

if TYPE_CHECKING:
    from .node import SimNode
    from .weather import Diary, Weather

API_TIMEOUT_US = 5 * S
SQL_TIMEOUT_US = 3 * S


class Fate:
    """Draws what happens at one await of one daemon."""

    def __init__(self, draw: random.Random, weather: Weather, diary: Diary, process: Process):
        self.draw = draw
        self.weather = weather
        self.diary = diary
        self.process = process
        self.on_kill: Callable[[], None] = process.kill
        self.is_calm = False

    def strikes(self, chance: float) -> bool:
        return bool(chance) and not self.is_calm and self.draw.random() < chance

    def wait(self, now_us: int, us: int, where: str) -> None:
        """Wait at an await; it may be the last thing this daemon does."""
        if self.strikes(self.weather.kill):
            self.diary.tell(now_us, f"killed at {where}")
            self.process._hub.after(us, self.on_kill)
        self.process.sleep(us)


class SqlDoor:
    """`Database` for one daemon: an await before each transaction, and one after its commit."""

    def __init__(self, db: Database, fate: Fate, state: SqlState) -> None:
        self.dialect = db.dialect
        self.url = db.url
        self._db = db
        self._fate = fate
        self._state = state

    @contextmanager
    def write(self) -> Iterator[Connection]:
        fate, now_us = self._fate, self._state.now_us
        self._before("write")
        with self._db.write() as conn:
            yield conn
            self._state.on_commit(conn)
        if fate.strikes(fate.weather.sql_unknown):
            fate.diary.trouble(now_us(), now_us() + SQL_TIMEOUT_US, "commit unknown")
            fate.wait(now_us(), SQL_TIMEOUT_US, "commit unknown")
            raise StoreError("simulated: committed, but the answer was lost")
        fate.wait(now_us(), self._state.latency_us(fate.draw), "committed")

    @contextmanager
    def read(self, bound_s: float = BOUND_S) -> Iterator[Connection]:
        self._before("read")
        with self._db.read(bound_s) as conn:
            yield conn
        self._fate.wait(self._state.now_us(), self._state.latency_us(self._fate.draw), "read")

    def _before(self, what: str) -> None:
        fate, now_us = self._fate, self._state.now_us
        fate.wait(now_us(), self._state.latency_us(fate.draw), f"before {what}")
        if self._state.is_away:
            raise StoreError("simulated: SQL is away")
        if fate.strikes(fate.weather.sql_refused):
            fate.diary.trouble(now_us(), now_us(), f"{what} refused")
            raise StoreError("simulated: SQL failed")


class SqlState:
    """The one database that all daemons share."""

    def __init__(self, now_us: Callable[[], int], on_commit: Callable[[Connection], None]) -> None:
        self.now_us = now_us
        self.on_commit = on_commit
        self.is_away = False
        self.is_slow = False

    def latency_us(self, draw: random.Random) -> int:
        return draw.randint(0, 2 * S if self.is_slow else 4_000)


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
        self._need(connection)
        fate.wait(node.hub.now_us, fate.draw.randint(0, 1_000), f"before {command[:40]}")
        self._need(connection)
        if fate.strikes(fate.weather.api_unsent):
            self._time_out(f"unsent {command[:40]}")
        answer = node.execute(command)
        if fate.strikes(fate.weather.api_unanswered):
            self._time_out(f"unanswered {command[:40]}")
        fate.wait(node.hub.now_us, fate.draw.randint(0, 1_000), f"after {command[:40]}")
        self._need(connection)
        return answer

    def _need(self, connection: int) -> None:
        if not self.is_up or connection != self._connection:
            raise SwitchError("simulated: the link is down")

    def _time_out(self, what: str) -> None:
        now_us = self._node.hub.now_us
        self._fate.diary.trouble(now_us, now_us + API_TIMEOUT_US, what)
        self._fate.wait(now_us, API_TIMEOUT_US, what)
        raise SwitchTimeout("simulated: no answer in time")

    def _hand_over(self, step: Callable[[], None]) -> None:
        self._handover.append(step)
        self._arrived.set()

    def _drain(self) -> None:
        while True:
            self._arrived.clear()
            while self._handover:
                self._handover.popleft()()
            self._arrived.wait()
