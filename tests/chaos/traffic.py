"""Calls of every kind, a few a second: SIPp, a batch at a time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import count
from random import Random

from lab import CARRIER_HOST, Lab
from phones import Dial, Phone, Phones

BATCH_S = 6.0
MOBILE = "139{serial:04}{behaviour:04}"
ANSWERS, BUSY, SILENT, HANGS_UP, REFUSES, UNHEARD = range(6)
"""How the carrier's callee behaves, by a digit of the number called (contrib/sipp/callee.xml)."""

NUMBERS = ("4001000001", "4001000002", "4001000003")
"""400 numbers: an agent who waits, one who hangs up, a voice menu."""


@dataclass(frozen=True)
class Emergency:
    """One call to 110, and the SIPp that placed it."""

    at_us: int
    phone: Phone


class Traffic:
    """Places calls from `start` to `end`, drawn from one seed.

    Attributes:
        placed: How many calls were asked of SIPp, emergencies among them.
        emergencies: The calls to 110.
    """

    def __init__(self, seed: int, lab: Lab) -> None:
        self.placed = 0
        self.emergencies: list[Emergency] = []
        self._random = Random(f"traffic {seed}")
        self._phones = Phones(lab, lab.folder / "sipp")
        self._serials = count()
        self._ending = threading.Event()
        self._placing = threading.Lock()
        self._thread = threading.Thread(target=self._place_batches, daemon=True)

    def start(self) -> None:
        self._phones.carrier()
        self._thread.start()

    def end(self) -> None:
        """Place no more; what was placed goes on."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(2 * BATCH_S)

    def stop(self) -> None:
        """End every SIPp."""
        self.end()
        self._phones.stop()

    def call_for_help(self) -> None:
        """One emergency call, now."""
        with self._placing:
            phone = self._phones.place([Dial("110", user="1001", ms=500)], per_s=1)
            self.emergencies.append(Emergency(time.time_ns() // 1_000, phone))
            self.placed += 1

    def _place_batches(self) -> None:
        while True:
            with self._placing:
                customers, carrier = self._of_customers(), self._of_carrier()
                self._phones.place(customers, per_s=2)
                self._phones.place(carrier, host=CARRIER_HOST, per_s=1)
                self.placed += len(customers) + len(carrier)
            if self._ending.wait(BATCH_S):
                return

    def _of_customers(self) -> list[Dial]:
        """Twelve calls out: eight of all kinds, four by those who are short of credit."""
        draw = self._random
        dials = [self._of_the_rich(draw.random()) for _ in range(6)]
        dials.append(self._out("1005", ms=draw.randint(3_000, 15_000)))
        dials.append(self._out("1016", ms=1_000))  # nobody's line: refused
        dials += [self._out("1002", ms=draw.randint(8_000, 20_000)) for _ in range(2)]
        dials += [self._out(user, ms=20_000) for user in ("1003", "1004")]
        draw.shuffle(dials)
        return dials

    def _of_the_rich(self, draw: float) -> Dial:
        ms = self._random.randint(300, 4_000)
        if draw < 0.3:
            return self._out("1001", ms=ms, ring=ms // 100)
        if draw < 0.5:
            return self._out("1001", ms=self._random.randint(8_000, 25_000))
        if draw < 0.65:
            return self._out("1001", HANGS_UP, ms // 4, mode="wait")
        if draw < 0.75:
            return self._out("1001", SILENT, mode="cancel", ms=ms)
        behaviour = self._random.choice((BUSY, REFUSES, UNHEARD))
        return self._out("1001", behaviour, 50, mode="wait")

    def _out(
        self, user: str, behaviour: int = ANSWERS, ring: int = 5, *, mode="hangup", ms: int = 0
    ) -> Dial:
        serial = next(self._serials) % 10_000
        number = MOBILE.format(serial=serial, behaviour=1_000 * behaviour + ring)
        return Dial(number, user=user, mode=mode, ms=ms)

    def _of_carrier(self) -> list[Dial]:
        """Five calls in."""
        serials = [next(self._serials) % 10_000 for _ in range(5)]
        dials = []
        for serial in serials:
            number = self._random.choice(NUMBERS)
            shown = f"1860755{serial:04}"
            mode = "hangup" if number == NUMBERS[0] else "wait"
            ms = self._random.randint(500, 15_000)
            dials.append(Dial(number, shown=shown, mode=mode, ms=ms))
        return dials
