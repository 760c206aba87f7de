"""One run: a seed's weather, its calls, its operator; then calm, and the rules."""

from __future__ import annotations

import random
from dataclasses import dataclass

from fsbilling.billing.tariff_book import TariffBook
from fsbilling.clock import US_PER_S as S
from fsbilling.errors import StoreError
from fsbilling.store import accounts, entries

from .doors import Fate, SqlDoor, SqlState
from .hub import Hub, Process
from .node import SimNode
from .rules import Books, RuleBrokenError, check_run
from .shop import CODES, Shop, draw_plan
from .weather import SPELL_US, SPELLS_PER_MIN, Diary, draw_weather

RUSH_US = 150 * S
"""How long calls arrive, and things go wrong."""
CALM_US = 120 * S
"""How long the daemons then have to put everything right."""
STEP_US = 20 * S


@dataclass(frozen=True, slots=True)
class Played:
    """What a run did."""

    calls: int
    commits: int
    diary: Diary


class Run:
    """Everything of one seed."""

    def __init__(self, seed: int, shop: Shop, *, verbose: bool = False) -> None:
        self.draw = random.Random(f"run/{seed}")
        self.weather = draw_weather(self.draw)
        self.diary = Diary(verbose)
        self.hub = Hub()
        self.books = Books()
        self.db = shop.reset()
        book = TariffBook(self.db)
        book.refresh()
        self.sql = SqlState(lambda: self.hub.now_us, self.books.on_commit)
        self.topups: dict[tuple[str, str], int] = {}
        names = ["fs1", "fs2"][: self.draw.choice((1, 1, 2))]
        self.nodes = [
            SimNode(
                name,
                self.hub,
                self.sql,
                self.books,
                db=self.db,
                book=book,
                weather=self.weather,
                diary=self.diary,
                seed=seed,
            )
            for name in names
        ]
        self.start_us = self.hub.now_us
        self.diary.tell(self.start_us, f"{self.weather}")

    def play(self) -> Played:
        draw, hub = self.draw, self.hub
        for node in self.nodes:
            node.start_life()
        calls = draw.randint(10, 40)
        for _ in range(calls):
            node, plan = draw.choice(self.nodes), draw_plan(draw)
            at_us = self.start_us + draw.randint(S, draw.choice((10 * S, RUSH_US)))
            hub.at(at_us, lambda node=node, plan=plan: node.place(plan))
        self._plan_spells()
        self._plan_operator()
        hub.run_until(self.start_us + RUSH_US)
        self._calm_down()
        check_run(self.nodes, self.db, self.books, self.diary)
        self._check_topups()
        return Played(calls, self.books.commits, self.diary)

    def close(self) -> None:
        """End what still waits: a parked fibre would keep everything of its run."""
        for node in self.nodes:
            if node.life is not None:
                node.life.process.kill()

    def _calm_down(self) -> None:
        """Mend everything; let the calls end; leave the daemons time to find all of it out."""
        self.sql.is_away = self.sql.is_slow = False
        for node in self.nodes:
            node.calm_down()
        self.hub.run_until(self.hub.now_us + 5 * S)
        for node in self.nodes:
            node.switch.execute("hupall NORMAL_CLEARING")
        if self.draw.random() < 0.5:
            for node in self.nodes:
                node.kill_life(None, S)
        self.hub.run_until(self.hub.now_us + CALM_US)

    def _plan_spells(self) -> None:
        for kind in SPELLS_PER_MIN:
            per_min = getattr(self.weather, kind)
            at_us = self.start_us
            while per_min:
                at_us += round(self.draw.expovariate(per_min / 60) * S)
                if at_us > self.start_us + RUSH_US:
                    break
                length_us = self.draw.randint(*SPELL_US[kind])
                node = self.draw.choice(self.nodes)
                self.hub.at(at_us, lambda k=kind, n=node, us=length_us: self._spell(k, n, us))

    def _spell(self, kind: str, node: SimNode, us: int) -> None:
        now_us = self.hub.now_us
        us = min(us, self.start_us + RUSH_US - now_us)
        match kind:
            case "daemon_down":
                node.kill_life(None, us)
            case "freeze":
                node.freeze(us)
            case "link_down":
                node.shut_link(us)
            case "switch_restart":
                node.restart_switch(us)
            case "clock_step":
                step_us = self.draw.choice((-30, -2, -1, 1, 2, 30)) * S // 2
                self.diary.trouble(now_us, now_us, f"{node.name} clock set by {step_us} us")
                node.machine_clock.offset_us += step_us
            case _:
                self.diary.trouble(now_us, now_us + us, kind)
                owner, name = {
                    "sql_away": (self.sql, "is_away"),
                    "sql_slow": (self.sql, "is_slow"),
                    "events_late": (node, "events_are_late"),
                    "commands_late": (node, "commands_are_late"),
                }[kind]
                setattr(owner, name, True)
                self.hub.after(us, lambda: setattr(owner, name, False))

    def _plan_operator(self) -> None:
        """Top-ups, suspensions and limits, repeated until SQL has said that they are done."""
        process = Process(self.hub, "operator")
        fate = Fate(self.draw, self.weather, self.diary, process)
        fate.on_kill = lambda: None
        door = SqlDoor(self.db, fate, self.sql)
        for number in range(self.draw.randint(0, 8)):
            at_us = self.start_us + self.draw.randint(0, RUSH_US - 10 * S)
            code = self.draw.choice(CODES)
            act = self.draw.choice((self._topup, self._topup, self._take, self._suspend))

            def keep_trying(act=act, code=code, number=number) -> None:
                while True:
                    try:
                        with door.write() as conn:
                            act(conn, code, number)
                    except StoreError:
                        process.sleep(S)
                    else:
                        return

            self.hub.at(at_us, lambda job=keep_trying: process.spawn(job))

    def _topup(self, conn, code: str, number: int) -> None:
        micros = 10_000 * (number + 1) ** 2
        self.topups[code, f"pay-{number}"] = micros
        ref = f"pay-{number}"
        entries.topup(conn, code, amount_micros=micros, ref=ref, at_us=self.hub.now_us)

    def _take(self, conn, code: str, number: int) -> None:
        entries.adjust(
            conn, code, amount_micros=-50_000, ref=f"take-{number}", at_us=self.hub.now_us
        )

    def _suspend(self, conn, code: str, number: int) -> None:
        accounts.set_suspended(conn, code, bool(number % 2))

    def _check_topups(self) -> None:
        with self.db.read() as conn:
            rows = conn.exec_driver_sql(
                "SELECT code, ref, amount_micros FROM entry JOIN account ON id = account_id"
                " WHERE kind = 'topup' AND ref <> 'first'"
            ).fetchall()
        found = {(code, ref): micros for code, ref, micros in rows}
        if found != self.topups or len(rows) != len(found):
            raise RuleBrokenError(4, f"top-ups: {self.topups} wanted, {rows} posted")


def play(seed: int, shop: Shop, *, verbose: bool = False) -> Played:
    """Play one seed. Raises RuleBrokenError, or whatever broke."""
    run = Run(seed, shop, verbose=verbose)
    try:
        return run.play()
    finally:
        run.close()
