"""Fibres at virtual time: every wait is a place where anything else may happen first."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from greenlet import getcurrent, greenlet

from fsbilling.sim.virtual_clock import Timed, VirtualClock


class Killed(BaseException):
    """Thrown where a killed process waits; no `except Exception` may catch it."""


class Hub:
    """Runs what is due, in order of time, then of arrival; the same seed gives the same order."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.machines: list[Timed] = []
        self.unhandled: BaseException | None = None
        self._main = getcurrent()
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0

    @property
    def now_us(self) -> int:
        return self.clock.now_us()

    def at(self, due_us: int, action: Callable[[], object]) -> None:
        """Do `action` at a moment."""
        self._order += 1
        heapq.heappush(self._heap, (max(due_us, self.now_us), self._order, action))

    def after(self, delay_us: int, action: Callable[[], object]) -> None:
        self.at(self.now_us + delay_us, action)

    def run_until(self, until_us: int) -> None:
        """Let time pass. Raises what broke in a fibre."""
        while True:
            due_us, machine = self._earliest()
            if due_us is None or due_us > until_us:
                break
            self.clock.move_to(max(due_us, self.now_us))
            if machine is not None:
                machine.advance_to(self.now_us)
            else:
                heapq.heappop(self._heap)[2]()
            if self.unhandled is not None:
                raise self.unhandled
        self.clock.move_to(until_us)
        for machine in self.machines:
            machine.advance_to(until_us)

    def _earliest(self) -> tuple[int | None, Timed | None]:
        first_us = self._heap[0][0] if self._heap else None
        first: Timed | None = None
        for machine in self.machines:
            due_us = machine.next_due_us()
            if due_us is not None and (first_us is None or due_us < first_us):
                first_us, first = due_us, machine
        return first_us, first

    def wait(self) -> None:
        """Give way to the others until somebody switches back to this fibre."""
        self._main.switch()


class Process:
    """Fibres that live, hang and die together, as a daemon's greenlets do."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.frozen_until_us = 0
        self._hub = hub
        self._fibres: dict[greenlet, None] = {}

    def spawn(self, job: Callable[[], object]) -> None:
        """Start a job of its own, a moment from now."""
        if self.is_dead:
            return
        fibre = greenlet(lambda: self._run(job), parent=self._hub._main)
        self._fibres[fibre] = None
        self._hub.after(0, lambda: self._resume(fibre))

    def sleep(self, us: int) -> None:
        """Wait, in one of its fibres. Raises Killed when the process is killed meanwhile."""
        if self.is_dead:
            raise Killed
        fibre = getcurrent()
        assert fibre in self._fibres, "only a fibre of the process may wait"
        self._hub.after(us, lambda: self._resume(fibre))
        self._hub.wait()

    def freeze(self, us: int) -> None:
        """Stop as by SIGSTOP: nothing runs until then."""
        self.frozen_until_us = max(self.frozen_until_us, self._hub.now_us + us)

    def kill(self) -> None:
        """End every fibre where it waits, as kill -9 does; not from inside one of them."""
        self.is_dead = True
        for fibre in list(self._fibres):
            if fibre:  # one that was never started has nothing to end
                fibre.throw(Killed())
        self._fibres.clear()

    def _resume(self, fibre: greenlet) -> None:
        if self.is_dead or fibre.dead:
            return
        if self.frozen_until_us > self._hub.now_us:
            self._hub.at(self.frozen_until_us, lambda: self._resume(fibre))
            return
        fibre.switch()

    def _run(self, job: Callable[[], object]) -> None:
        try:
            job()
        except Killed:
            return
        except BaseException as fault:  # noqa: BLE001 -- the run must end with it
            self._hub.unhandled = self._hub.unhandled or fault
        finally:
            self._fibres.pop(getcurrent(), None)


class Flag:
    """What one fibre waits for and another sets, as gevent's Event."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._is_set = False
        self._waiter: greenlet | None = None

    def set(self) -> None:
        self._is_set = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._process._hub.after(0, lambda: self._process._resume(waiter))

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout_us: int | None = None) -> None:
        """Wait until it is set, or for so long."""
        if self._is_set:
            return
        hub = self._process._hub
        waiter = self._waiter = getcurrent()
        if timeout_us is not None:
            hub.after(timeout_us, lambda: self._time_out(waiter, token))
        token = self._token = object()
        hub.wait()

    def _time_out(self, waiter: greenlet, token: object) -> None:
        if self._waiter is waiter and self._token is token:
            self._waiter = None
            self._process._resume(waiter)
