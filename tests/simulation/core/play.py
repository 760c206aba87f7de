"""One run of the core: a seed's weather, calls and operator; then calm, and the rules."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from fsbilling.clock import US_PER_S as S
from fsbilling.errors import StoreError

from ..doors import Fate, SqlDoor, SqlState
from ..hub import Hub, Process
from ..memory import accounts, entries, in_memory
from ..memory.books import Transaction
from ..weather import SPELL_US, SPELLS_PER_MIN, Diary, draw_weather
from .audit import Audit
from .disk import at_virtual_time as disks_at_virtual_time
from .disk import draw_disk_weather
from .lock import at_virtual_time
from .place import CorePlace
from .rules import STORE_TROUBLES, CoreCheck, Quiet, check_books, check_disks
from .seat import Seat
from .shop import ACCOUNTS, CoreShop, code_of, start_us

RUSH_US = 120 * S
"""How long calls arrive, and things go wrong."""
CALM_US = 100 * S
"""How long the daemons then have to put everything right."""
CALLS = (200, 800)
STANDBY_SHARE = 0.15
"""In so many runs each switch has two daemons."""
OUTAGE_SHARE, CUT_SHARE = 0.25, 0.15
"""In so many runs SQL is away often, or a machine is cut off from it."""
OUTAGES_PER_MIN = (2.0, 6.0)
LONGEST_CUT_US = 20 * S
LOCK_SHARE = 0.3
"""So many of the daemons that are alone have a lock all the same, as on PostgreSQL."""
TAKEOVERS = {kind: SPELLS_PER_MIN[kind] for kind in ("freeze", "daemon_down", "sql_away")}
"""What then always goes wrong, unless nothing does: that for which the second one is there."""


@dataclass(frozen=True, slots=True)
class CorePlayed:
    """What a run did."""

    calls: int
    commits: int
    diary: Diary


class CoreRun:
    """Everything of one seed."""

    def __init__(self, seed: int, shop: CoreShop, *, verbose: bool = False) -> None:
        draw = self.draw = random.Random(f"core/{seed}")
        self.shop = shop
        self.weather = draw_weather(draw)
        has_standby = random.Random(f"standby/{seed}").random() < STANDBY_SHARE
        if has_standby and not self.weather.is_fair:
            self.weather = replace(self.weather, **TAKEOVERS)
        self.diary = Diary(verbose)
        self.hub = Hub()
        self.start_us = start_us(draw)
        self.hub.now_us = self.start_us
        outage_draw = self._outage_draw = random.Random(f"outage/{seed}")
        has_lock = outage_draw.random() < LOCK_SHARE
        self.cut_per_min = 0.0
        if not self.weather.is_fair:
            if outage_draw.random() < OUTAGE_SHARE:
                self.weather = replace(self.weather, sql_away=outage_draw.choice(OUTAGES_PER_MIN))
            if outage_draw.random() < CUT_SHARE:
                self.cut_per_min = 1.5
        self.disk_weather = draw_disk_weather(outage_draw, is_fair=self.weather.is_fair)
        self.db = shop.open(draw, outage_draw)
        self.audit = Audit(lambda: self.db.books)
        self.sql = SqlState(lambda: self.hub.now_us, self.audit.on_commit)
        self.topups: dict[tuple[str, str], int] = {}
        self.restless = draw.choice((0.05, 0.2, 1.0))
        unruly = not self.weather.is_fair and draw.random() < 0.3
        self.places = [
            CorePlace(
                f"fs{number + 1}",
                self,
                shuffle=0.1 * unruly,
                double=0.1 * unruly,
                has_lock=has_standby or has_lock,
                has_standby=has_standby,
                seed=seed,
            )
            for number in range(draw.choice((1, 1, 2)))
        ]
        self.audit.switches = {place.name: place.switch for place in self.places}
        self.diary.tell(self.start_us, f"{self.weather} {self.disk_weather}")

    def play(self) -> CorePlayed:
        draw, hub = self.draw, self.hub
        for place in self.places:
            place.start()
        calls = draw.randint(*CALLS)
        for _ in range(calls):
            place, plan = draw.choice(self.places), self.shop.draw_plan(draw)
            at_us = self.start_us + S + int(draw.random() * (RUSH_US - S))
            hub.at(at_us, lambda place=place, plan=plan: place.switch.place(plan))
        self._plan_spells()
        self._plan_outages()
        self._plan_operator()
        hub.run_until(self.start_us + RUSH_US)
        self._calm_down()
        self._check()
        self.diary.oddities["call at risk"] = len(self.audit.risks.granted)
        return CorePlayed(calls, self.audit.commits, self.diary)

    def close(self) -> None:
        """End what still waits: a parked fibre would keep everything of its run."""
        for place in self.places:
            place.close()
        # What points round in a circle costs a search to be rid of: most of it need not.
        self.hub.forget()
        self.db.books.forget()
        self.audit.switches.clear()

    def _check(self) -> None:
        check_books(self.db, self.audit, self.topups)
        check_disks([seat.disk for place in self.places for seat in place.seats])
        quiet = Quiet(self.diary)
        listened = Quiet(self.diary, passed_over=STORE_TROUBLES)
        over_us = self.start_us + RUSH_US
        for place in self.places:
            for uuid, legs in place.switch.calls.items():
                key = (place.name, uuid)
                cdr, hold = self.db.books.cdrs.get(key), self.audit.holds.get(key)
                CoreCheck(
                    place.switch,
                    legs[0],
                    cdr,
                    hold,
                    granted_s=self.audit.talked_on_s(key),
                    quiet=quiet,
                    has_witness=self.weather.witnessed,
                    is_priced_unheld=key in self.audit.risks.finished,
                    is_at_risk=key in self.audit.risks.granted,
                    is_heard=(
                        len(place.seats) == 1
                        and len(legs) == 1
                        and legs[0].ended_us < over_us
                        and listened.was(legs[0].created_us - 70 * S, over_us)
                    ),
                ).check()

    def _calm_down(self) -> None:
        """Mend everything; let the calls end; leave the daemons time to find all of it out."""
        self.sql.is_away = self.sql.is_slow = False
        for place in self.places:
            place.calm_down()
        self.hub.run_until(self.hub.now_us + 5 * S)
        for place in self.places:
            for leg in list(place.switch.live.values()):
                place.switch.end(leg, "NORMAL_CLEARING", "caller")
        if self.draw.random() < 0.5:
            for place in self.places:
                place.seats[0].kill_life(None, S)
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
                place = self.draw.choice(self.places)
                self.hub.at(at_us, lambda k=kind, p=place, us=length_us: self._spell(k, p, us))

    def _spell(self, kind: str, place: CorePlace, us: int) -> None:
        now_us = self.hub.now_us
        us = min(us, self.start_us + RUSH_US - now_us)
        if kind in ("sql_away", "sql_slow"):
            self.diary.trouble(now_us, now_us + us, kind)
            name = f"is_{kind[4:]}"
            setattr(self.sql, name, True)
            self.hub.after(us, lambda: setattr(self.sql, name, False))
        else:
            place.spell(kind, us)

    def _plan_outages(self) -> None:
        """What goes wrong for one machine alone: its disk is full, its way to SQL cut."""
        per_min = {"disk full": self.disk_weather.full, "sql cut": self.cut_per_min}
        for seat in (seat for place in self.places for seat in place.seats):
            for kind, rate in per_min.items():
                at_us = self.start_us
                while rate:
                    at_us += round(self._outage_draw.expovariate(rate / 60) * S)
                    if at_us > self.start_us + RUSH_US:
                        break
                    us = self._outage_draw.randint(S // 10, LONGEST_CUT_US)
                    self.hub.at(at_us, lambda k=kind, seat=seat, us=us: self._cut(k, seat, us))

    def _cut(self, kind: str, seat: Seat, us: int) -> None:
        cut, name = (seat.sql, "is_cut") if kind == "sql cut" else (seat.disk, "is_full")
        setattr(cut, name, True)
        self.diary.trouble(self.hub.now_us, self.hub.now_us + us, kind)
        self.hub.after(us, lambda: setattr(cut, name, False))

    def _plan_operator(self) -> None:
        """Top-ups and the like, repeated until SQL has said that they are done."""
        process = Process(self.hub, "operator")
        fate = Fate(self.draw, self.weather, self.diary, process)
        fate.on_kill = lambda: None
        door = SqlDoor(self.db, fate, self.sql)
        for number in range(self.draw.randint(0, 30)):
            at_us = self.start_us + self.draw.randint(0, RUSH_US - 10 * S)
            code = code_of(self.draw.randrange(ACCOUNTS))
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

    def _topup(self, conn: Transaction, code: str, number: int) -> None:
        micros = 10_000 * (number + 1) ** 2
        ref = f"pay-{number}"
        self.topups[code, ref] = micros
        entries.topup(conn, code, amount_micros=micros, ref=ref, at_us=self.hub.now_us)

    def _take(self, conn: Transaction, code: str, number: int) -> None:
        entries.adjust(
            conn, code, amount_micros=-50_000, ref=f"take-{number}", at_us=self.hub.now_us
        )

    def _suspend(self, conn: Transaction, code: str, number: int) -> None:
        accounts.set_suspended(conn, code, bool(number % 2))


@contextmanager
def at_work() -> Iterator[None]:
    """Let the use cases keep their books in memory, and daemons take turns at virtual time."""
    with in_memory(), at_virtual_time(), disks_at_virtual_time():
        yield


def play(seed: int, shop: CoreShop, *, verbose: bool = False) -> CorePlayed:
    """Play one seed. Raises RuleBrokenError, or whatever broke."""
    run = CoreRun(seed, shop, verbose=verbose)
    try:
        return run.play()
    finally:
        run.close()
