"""Ever new seeds, on every core of the machine, for as long as asked."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import structlog

from .kind import KINDS, Kind, Shop

TURN_S = 20.0
"""After so long the other kind has its turn."""
MAX_FAULTS = 20
"""So many broken seeds say enough."""


@dataclass(slots=True)
class Tally:
    """What a process has played of one kind."""

    seeds: int = 0
    calls: int = 0
    commits: int = 0
    played_s: float = 0.0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.seeds += other.seeds
        self.calls += other.calls
        self.commits += other.commits
        self.played_s += other.played_s
        self.cpu_s += other.cpu_s
        self.faults += other.faults
        self.broken += other.broken


@dataclass(frozen=True, slots=True)
class Errand:
    """One process's part: seeds `first`, `first + step`, ... of each kind, taking turns."""

    kinds: tuple[str, ...]
    first: int
    step: int
    seconds: float
    keep_going: bool

    def run(self) -> dict[str, Tally]:
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=True
        )
        tallies = {name: Tally() for name in self.kinds}
        shops = {name: KINDS[name].open_shop() for name in self.kinds}
        # What a run leaves is collected after it: looking for it meanwhile takes a tenth of the time.
        gc.freeze()
        gc.disable()
        until_s = time.monotonic() + self.seconds
        turn_s = min(TURN_S, self.seconds / len(self.kinds))
        while time.monotonic() < until_s and not self._is_to_stop(tallies):
            for name, tally in tallies.items():
                end_s = min(until_s, time.monotonic() + turn_s)
                self._take_turn(KINDS[name], shops[name], tally, end_s)
        for shop in shops.values():
            shop.close()
        return tallies

    def _take_turn(self, kind: Kind, shop: Shop, tally: Tally, end_s: float) -> None:
        began_s, began_cpu_s = time.monotonic(), time.process_time()
        with kind.at_work():
            while time.monotonic() < end_s and not self._is_to_stop({kind.name: tally}):
                seed = self.first + tally.seeds * self.step
                tally.seeds += 1
                gc.collect()
                try:
                    played = kind.play(seed, shop)
                except Exception as fault:  # noqa: BLE001 -- whatever broke, the seed matters
                    tally.broken.append((seed, f"{type(fault).__name__}: {fault}"))
                else:
                    tally.calls += played.calls
                    tally.commits += played.commits
                    tally.faults += played.diary.faults()
        tally.played_s += time.monotonic() - began_s
        tally.cpu_s += time.process_time() - began_cpu_s

    def _is_to_stop(self, tallies: dict[str, Tally]) -> bool:
        broken = sum(len(tally.broken) for tally in tallies.values())
        return broken >= (MAX_FAULTS if self.keep_going else 1)


def soak(
    kinds: Sequence[str], *, first: int, seconds: float, processes: int, keep_going: bool
) -> bool:
    """Play until the time is over or a rule is broken; print what was played. True: all held."""
    errands = [
        Errand(tuple(kinds), first + number, processes, seconds, keep_going)
        for number in range(processes)
    ]
    totals = {name: Tally() for name in kinds}
    with ProcessPoolExecutor(processes) as workers:
        for tallies in workers.map(Errand.run, errands):
            for name, tally in tallies.items():
                totals[name].add(tally)
    for name, tally in totals.items():
        report(KINDS[name], tally, processes)
    return not any(tally.broken for tally in totals.values())


def report(kind: Kind, tally: Tally, processes: int) -> None:
    """Print one kind's figures, and for each broken seed the command that replays it."""
    rate = tally.calls / max(tally.played_s, 1e-9) * processes
    cpu_rate = tally.calls / max(tally.cpu_s, 1e-9)
    print(f"{kind.name}: {kind.says}")
    print(
        f"  {tally.seeds} seeds, {tally.calls} calls, {tally.commits} commits; "
        f"{rate:,.0f} calls/s by {processes} processes, {cpu_rate:,.0f} calls per CPU second; "
        f"{len(tally.broken)} failed"
    )
    faults = ", ".join(f"{count} {what}" for what, count in tally.faults.most_common())
    print(f"  {tally.faults.total()} faults: {faults or 'none'}")
    for seed, fault in tally.broken:
        print(f"  seed {seed}: {fault}\n    {kind.replay(seed)}")
