"""Fibres at virtual time: every wait is a place where anything else may happen first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

from greenlet import getcurrent, greenlet

from fsbilling.sim.virtual_clock import EPOCH_US, Timed


class Killed(BaseException):
    """Thrown where a killed process waits; no `except Exception` may catch it."""


class Hub:
    """Runs what is due, in order of time, then of arrival; the same seed gives the same order."""

    def __init__(self) -> None:
        self.machines: list[Timed] = []
        self.unhandled: BaseException | None = None
        self.now_us = EPOCH_US
        self._main = getcurrent()
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0
        self._until_us = 0

    def at(self, due_us: int, action: Callable[[], object]) -> None:
        """Do `action` at a moment; at once, after all that is due now, if that is over."""
        self.after(max(due_us - self.now_us, 0), action)

    def after(self, delay_us: int, action: Callable[[], object]) -> None:
        self._order = order = self._order + 1
        heappush(self._heap, (self.now_us + delay_us, order, action))

    def pass_alone(self, us: int) -> bool:
        """Let time pass at once when nothing else is due in it; else False, and nothing is done."""
        due_us = self.now_us + us
        if due_us > self._until_us or self.machines or (self._heap and self._heap[0][0] <= due_us):
            return False
        self.now_us = due_us
        return True

    def forget(self) -> None:
        """Let nothing happen any more."""
        self._heap.clear()

    def run_until(self, until_us: int) -> None:
        """Let time pass. Raises what broke in a fibre."""
        heap, machines = self._heap, self.machines
        self._until_us = until_us
        while True:
            due_us = heap[0][0] if heap else until_us + 1
            machine: Timed | None = None
            for each in machines:
                own_us = each.next_due_us()
                if own_us is not None and own_us < due_us:
                    due_us, machine = own_us, each
            if due_us > until_us:
                break
            if machine is None:
                self.now_us = due_us
                heappop(heap)[2]()
            else:
                self.now_us = max(self.now_us, due_us)
                machine.advance_to(self.now_us)
            if self.unhandled is not None:
                raise self.unhandled
        self.now_us = until_us
        for machine in machines:
            machine.advance_to(until_us)


class Process:
    """Fibres that live, hang and die together, as a daemon's greenlets do."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.frozen_until_us = 0
        self._hub = hub
        self._fibres: dict[greenlet, Callable[[], object]] = {}
        """Its fibres, each with what lets it go on."""
        self._idle: list[greenlet] = []
        self._jobs: deque[Callable[[], object]] = deque()

    @property
    def now_us(self) -> int:
        """The present moment, by a clock that runs on while the process does not."""
        return self._hub.now_us

    def spawn(self, job: Callable[[], object]) -> None:
        """Start a job of its own, a moment from now, in a fibre that has nothing to do."""
        if self.is_dead:
            return
        if self._idle:
            fibre = self._idle.pop()
        else:
            fibre = greenlet(self._work, parent=self._hub._main)
            fibre.process = self
            self._fibres[fibre] = fibre.switch
        self._jobs.append(job)
        self._hub.after(0, self._fibres[fibre])

    def sleep(self, us: int) -> None:
        """Wait, in one of its fibres. Raises Killed when the process is killed meanwhile."""
        if self.is_dead:
            raise Killed
        if self.frozen_until_us <= self._hub.now_us and self._hub.pass_alone(us):
            return  # switching to the main loop and back would come to the same
        # Only a fibre of the process may wait: no other is found here.
        self._hub.after(us, self._fibres[getcurrent()])
        self.wait()

    def wait(self) -> None:
        """Let a fibre give way until somebody lets it go on, and the process runs."""
        hub = self._hub
        hub._main.switch()
        if self.frozen_until_us > hub.now_us:
            self._thaw()

    def _thaw(self) -> None:
        while self.frozen_until_us > self._hub.now_us:
            self._hub.at(self.frozen_until_us, self._fibres[getcurrent()])
            self._hub._main.switch()

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
        self._idle.clear()
        self._jobs.clear()

    def _work(self) -> None:
        """Do one job after the other; making a fibre takes longer than most of them."""
        fibre = getcurrent()
        try:
            self._thaw()
            # There is none when the process was killed before the fibre began.
            while self._jobs:
                self._jobs.popleft()()
                self._idle.append(fibre)
                self.wait()
        except Killed:
            return
        except BaseException as fault:  # noqa: BLE001 -- the run must end with it
            self._hub.unhandled = self._hub.unhandled or fault
            self._fibres.pop(fibre, None)


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
            self._process._hub.after(0, waiter.switch)

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
        self._process.wait()

    def _time_out(self, waiter: greenlet, token: object) -> None:
        if self._waiter is waiter and self._token is token:
            self._waiter = None
            waiter.switch()
