"""What happens to the parts, drawn from one seed; and doing it to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from .daemon import Daemon
from .ports import listening_ports
from .service import RESTART_S, Service

WATCHDOG_S = 5.0
"""systemd kills a daemon that says nothing for so long (contrib/systemd)."""

GAP_S = (3.0, 12.0)
AT_ONCE = 0.2
"""How often the next blow comes with the last one still unhealed."""


class Kind(StrEnum):
    """What can happen to a part."""

    WORKING = "kill -9 of the daemon at work"
    STANDBY = "kill -9 of the daemon standing by"
    DATABASE = "kill -9 of PostgreSQL"
    SWITCH = "kill -9 of FreeSWITCH"
    STOPPED = "SIGSTOP of the daemon at work"
    LINK = "cut of the event socket"


WEIGHTS = {
    Kind.WORKING: 5,
    Kind.STANDBY: 2,
    Kind.DATABASE: 4,
    Kind.SWITCH: 2,
    Kind.STOPPED: 3,
    Kind.LINK: 3,
}
FOR_S = {Kind.STOPPED: (0.5, 8.0), Kind.DATABASE: (1.0, 10.0)}
"""How long the one stands still, and how long the other is away before it recovers."""


@dataclass(frozen=True)
class Blow:
    """One thing that happens, so long after the beginning."""

    at_s: float
    kind: Kind
    for_s: float


def forecast(seed: int, seconds: float) -> list[Blow]:
    """All blows of one run: each kind once at first, in any order, then by weight."""
    random = Random(f"storm {seed}")
    blows, at_s = [], 0.0
    for kind in _kinds(random):
        at_s += random.uniform(0.1, 1.0) if random.random() < AT_ONCE else random.uniform(*GAP_S)
        if at_s >= seconds:
            return blows
        for_s = random.uniform(*FOR_S[kind]) if kind in FOR_S else RESTART_S
        blows.append(Blow(at_s, kind, for_s))
    return blows


def _kinds(random: Random) -> Iterator[Kind]:
    yield from random.sample(list(Kind), len(Kind))
    while True:
        yield from random.choices(list(WEIGHTS), list(WEIGHTS.values()))


@dataclass(frozen=True)
class Struck:
    """A blow that was dealt.

    Attributes:
        at_us: When, by the machine's clock (which is the switch's).
        part: Whom it hit; empty when that part was down already.
    """

    at_us: int
    kind: Kind
    part: str


class Storm:
    """Deals the blows, and keeps the list of what they hit."""

    def __init__(self, daemons: tuple[Daemon, Daemon], database: Service, switch: Service) -> None:
        self.struck: list[Struck] = []
        self._daemons = daemons
        self._database = database
        self._switch = switch
        self._timers: list[threading.Timer] = []

    def rage(self, blows: list[Blow], after: Callable[[Struck], None]) -> None:
        """Deal each at its time; `after` is told of each."""
        began_s = time.monotonic()
        for blow in blows:
            time.sleep(max(began_s + blow.at_s - time.monotonic(), 0))
            at_us = time.time_ns() // 1_000
            struck = Struck(at_us, blow.kind, self._strike(blow))
            self.struck.append(struck)
            after(struck)

    def calm(self) -> None:
        """Let everything go on that stands still."""
        for timer in self._timers:
            timer.cancel()
        for daemon in self._daemons:
            daemon.service.go_on()

    def _strike(self, blow: Blow) -> str:
        match blow.kind:
            case Kind.DATABASE:
                part = self._database
            case Kind.SWITCH:
                part = self._switch
            case Kind.LINK:
                return self._working().name if self._working().cable.cut() else ""
            case Kind.STOPPED:
                part = self._working().service
                return part.name if part.stop() and self._revive(part, blow.for_s) else ""
            case Kind.WORKING:
                part = self._working().service
            case Kind.STANDBY:
                (part,) = (d.service for d in self._daemons if d is not self._working())
        return part.name if part.kill(blow.for_s) else ""

    def _working(self) -> Daemon:
        """Whoever has its hook open: only who is on duty does, or stands still since."""
        open_now = listening_ports()
        return min(
            self._daemons,
            key=lambda daemon: (daemon.hook_port not in open_now, daemon.service.is_stopped),
        )

    def _revive(self, stopped: Service, after_s: float) -> bool:
        """It goes on after a while, or is killed by the watchdog that it does not feed."""
        revive = stopped.go_on if after_s < WATCHDOG_S else stopped.kill
        timer = threading.Timer(min(after_s, WATCHDOG_S), revive)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)
        return True
