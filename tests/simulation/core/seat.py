"""One daemon beside a switch: one life after the other."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from fsbilling.clock import US_PER_S as S

from ..doors import Fate, SqlDoor
from ..hub import Process
from ..node import MachineClock
from .disk import Disk
from .life import CoreLife
from .lock import Standing
from .node import CoreNode
from .sql import SqlView

if TYPE_CHECKING:
    from .place import CorePlace
    from .play import CoreRun


RESTART_US = S
"""`RestartSec` of the service: how soon a daemon that could not start is started again."""


class Seat:
    """A machine of its own, on which a daemon is started again whenever it has died."""

    def __init__(self, name: str, place: CorePlace, run: CoreRun, draw: random.Random) -> None:
        self.name, self.hub = name, run.hub
        self.machine_clock = MachineClock(run.hub, run.weather.clock_offset_us)
        self.life: CoreLife | None = None
        self.sql = SqlView(run.sql)
        self.disk = Disk(
            run.shop.folder / f"{name}.journal".replace(" ", "-"),
            run.disk_weather,
            on_written=lambda kept: run.audit.risks.write(name, kept),
            on_kept=run.audit.risks.keep,
        )
        self._place, self._run, self._diary, self._draw = place, run, run.diary, draw

    def start_life(self) -> None:
        """Start a daemon; its link comes up a moment later."""
        run, place, process = self._run, self._place, Process(self.hub, self.name)
        fate = Fate(self._draw, run.weather, self._diary, process, restless=run.restless)
        fate.is_calm = place.is_calm
        fate.on_kill = lambda: self.kill_life(process, self._draw.randint(0, 20 * S))
        self.fate = fate
        self.life = CoreLife(
            fate,
            SqlDoor(run.db, fate, self.sql),
            run.shop.book,
            run.shop.regions,
            make_node=self._make_node,
            machine_clock=self.machine_clock,
            steady_clock=MachineClock(self.hub, self.machine_clock.offset_us),
            witness=place if run.weather.witnessed else None,
            standing=Standing(place.lock, fate, self.sql) if place.lock else None,
            journal=self.disk.open(fate),
            on_duty=lambda: self.connect_later(self._draw.randint(0, S // 2)),
            on_failure=lambda: self.hub.after(0, lambda: self.kill_life(process, RESTART_US)),
        )
        self._diary.tell(self.hub.now_us, f"{self.name} daemon started")

    def kill_life(self, process: Process | None, down_us: int) -> None:
        """End the daemon as by kill -9, and start another one after a while."""
        life = self.life
        if life is None or (process is not None and life.process is not process):
            return
        now_us = self.hub.now_us
        self._diary.trouble(now_us, now_us + down_us + S, f"{self.name} daemon down")
        self.life = None
        life.post.leave()
        life.node.drop()
        life.end()
        self._place.hang_up_on_callers_of(life)
        self.hub.after(down_us, lambda: self.life or self.start_life())

    def end(self) -> None:
        """End the daemon for good, without a word, and leave nothing behind."""
        if self.life is not None:
            self.life.end()
        self.disk.forget()

    def freeze(self, us: int) -> None:
        if self.life is not None:
            self.life.process.freeze(us)

    def calm_down(self) -> None:
        """From now on nothing goes wrong."""
        self.disk.is_full = self.sql.is_cut = False
        if self.life is None:
            self.start_life()
        else:
            self.fate.is_calm = True
            self.life.process.frozen_until_us = 0
            self.connect_later(0)

    def lose_link(self, us: int) -> None:
        if self.life is not None:
            self.life.node.drop()
        self.connect_later(us)

    def connect_later(self, us: int) -> None:
        def connect() -> None:
            life = self.life
            if life is None:
                return
            if life.process.frozen_until_us > self.hub.now_us:
                self.hub.at(life.process.frozen_until_us, connect)
            elif self._place.is_reachable:
                life.node.connect()

        self.hub.after(us, connect)

    def _make_node(self, fate: Fate, **handlers) -> CoreNode:
        return self._place.make_node(fate, **handlers)
