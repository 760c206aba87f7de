"""What goes wrong in one run: chances at every await, and times when a door is shut."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from fsbilling.clock import US_PER_S as S


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Chances (of 1) at each await of a daemon, and how often (per minute) a spell begins.

    Attributes:
        kill: The daemon is killed there.
        sql_refused: The transaction fails, and nothing of it is committed.
        sql_unknown: It is committed, and fails all the same.
        api_unsent: The command never reaches the switch; the answer does not come in time.
        api_unanswered: The command is executed; its answer does not come in time.
        sql_away, sql_slow, link_down, events_late, commands_late, freeze, daemon_down,
        switch_restart, clock_step: Spells, per minute.
        clock_offset_us: How far the daemons' clocks are from the switches' at the start.
        witnessed: Whether the switch's own JSON records can be read.
    """

    kill: float = 0.0
    sql_refused: float = 0.0
    sql_unknown: float = 0.0
    api_unsent: float = 0.0
    api_unanswered: float = 0.0
    sql_away: float = 0.0
    sql_slow: float = 0.0
    link_down: float = 0.0
    events_late: float = 0.0
    commands_late: float = 0.0
    freeze: float = 0.0
    daemon_down: float = 0.0
    switch_restart: float = 0.0
    clock_step: float = 0.0
    clock_offset_us: int = 0
    witnessed: bool = False

    @property
    def is_fair(self) -> bool:
        """Whether nothing goes wrong."""
        return self == FAIR or self == replace(FAIR, witnessed=True)


FAIR = Weather()
CHANCES = {
    "kill": 0.01,
    "sql_refused": 0.03,
    "sql_unknown": 0.03,
    "api_unsent": 0.03,
    "api_unanswered": 0.03,
}
SPELLS_PER_MIN = {
    "sql_away": 2.0,
    "sql_slow": 2.0,
    "link_down": 2.0,
    "events_late": 2.0,
    "commands_late": 1.0,
    "freeze": 1.5,
    "daemon_down": 1.5,
    "switch_restart": 0.5,
    "clock_step": 1.0,
}
SPELL_US = {
    "sql_away": (S // 10, 40 * S),
    "sql_slow": (S, 20 * S),
    "link_down": (S // 10, 40 * S),
    "events_late": (S, 20 * S),
    "commands_late": (S, 20 * S),
    "freeze": (S // 10, 30 * S),
    "daemon_down": (S // 10, 40 * S),
    "switch_restart": (S // 10, 5 * S),
    "clock_step": (0, 0),
}
"""How long a spell lasts: at least, at most."""


def draw_weather(draw: random.Random, *, fair_share: float = 0.2) -> Weather:
    """Draw a run's weather: fair, one kind of fault alone, several, or all of them."""
    witnessed = draw.random() < 0.5
    mood = draw.random()
    if mood < fair_share:
        return Weather(witnessed=witnessed)
    kinds = [*CHANCES, *SPELLS_PER_MIN]
    if mood < 0.6:
        chosen = [draw.choice(kinds)]
    elif mood < 0.9:
        chosen = draw.sample(kinds, draw.randint(2, 5))
    else:
        chosen = kinds
    highest = CHANCES | SPELLS_PER_MIN
    rates = {kind: highest[kind] * draw.choice((0.2, 1.0)) for kind in chosen}
    offset_us = draw.randint(-5 * S, 5 * S) if "clock_step" in rates else 0
    return Weather(**rates, clock_offset_us=offset_us, witnessed=witnessed)


@dataclass(slots=True)
class Diary:
    """What went wrong when, and, if wanted, every line of what happened."""

    verbose: bool = False
    lines: list[str] = field(default_factory=list)
    troubles: list[tuple[int, int, str]] = field(default_factory=list)
    oddities: Counter[str] = field(default_factory=Counter)

    def trouble(self, from_us: int, until_us: int, what: str) -> None:
        self.troubles.append((from_us, until_us, what))
        self.tell(from_us, f"!! {what} for {(until_us - from_us) / S:.3f} s")

    def oddity(self, what: str) -> None:
        """Note what should make no difference at all."""
        self.oddities[what] += 1

    def faults(self) -> Counter[str]:
        """How often which kind of thing went wrong."""
        return Counter(_kind_of(what) for _, _, what in self.troubles) + self.oddities

    def tell(self, at_us: int, what: str) -> None:
        if self.verbose:
            self.lines.append(f"{at_us // S % 100_000:05d}.{at_us % S:06d} {what}")

    def quiet_us(self, from_us: int, until_us: int) -> int:
        """The longest time in between in which nothing went wrong."""
        longest_us, since_us = 0, from_us
        for start_us, end_us, _ in sorted(self.troubles):
            longest_us = max(longest_us, min(start_us, until_us) - since_us)
            since_us = max(since_us, end_us)
        return max(longest_us, until_us - since_us)

    def was_quiet(self, from_us: int, until_us: int) -> bool:
        """Whether nothing went wrong in that time."""
        return all(end < from_us or start > until_us for start, end, _ in self.troubles)


def _kind_of(trouble: str) -> str:
    """Leave out which node it was, which command, and by how much."""
    what = re.sub(r"^fs\d ", "", trouble).replace("_", " ")
    return re.sub(r"^(unsent|unanswered|clock set)\b.*", r"\1", what)
