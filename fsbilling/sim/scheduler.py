"""FreeSWITCH's task scheduler, with the corners a biller can cut himself on.

Source: switch_scheduler.c and `sched_api_function` in mod_commands.c; each point was seen
on a real 1.11:

- times are whole epoch seconds, and a loop of its own runs at least every 500 ms: a task runs
  in [when, when + 0.5 s];
- an absolute time that has passed is taken for an interval: `sched_api 1795284783 ...` one
  second too late runs after 1,795,284,783 seconds, that is never;
- a command that ends in `&` runs in its own thread. Once that has begun (`expand ...
  ${msleep(900)}&` sleeps in it), `sched_del` still answers `+OK Deleted: 1`, and the command
  runs all the same;
- groups are compared without regard to case.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fsbilling.clock import US_PER_S
from fsbilling.sim.alarms import Alarms

_MSLEEP = re.compile(r"\$\{msleep\((\d+)\)\}")
_LEADING_DIGITS = re.compile(r"\d+")


@dataclass(slots=True, eq=False)
class _Task:
    task_id: int
    group: str
    command: str
    own_thread: bool
    repeat_s: int
    deleted: bool = False


class Scheduler:
    """The tasks of one switch.

    `late` draws how much later than its second the loop comes to a task, at most
    `max_late_us`; one draw per task, so a seed repeats it.
    """

    def __init__(
        self,
        alarms: Alarms,
        execute: Callable[[str], object],
        *,
        late: random.Random,
        max_late_us: int,
    ) -> None:
        self._alarms = alarms
        self._execute = execute
        self._late = late
        self._max_late_us = max_late_us
        self._last_id = 0
        self._by_group: dict[str, list[_Task]] = {}
        self._by_id: dict[int, _Task] = {}

    @property
    def now_us(self) -> int:
        """The switch's clock."""
        return self._alarms.now_us

    @property
    def now_s(self) -> int:
        """The switch's epoch second."""
        return self._alarms.now_us // US_PER_S

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, when: str, group: str, command: str) -> int:
        """Add a task as `sched_api` does and return its id."""
        now_s = self.now_s
        repeat_s = 0
        if when[0] in "+@":
            due_s = now_s + _number(when[1:])
            repeat_s = _number(when[1:]) if when[0] == "@" else 0
        else:
            due_s = _number(when)
            if due_s < now_s:
                due_s, repeat_s = now_s + due_s, due_s
        own_thread = command.endswith("&")
        self._last_id += 1
        task = _Task(self._last_id, group, command.removesuffix("&"), own_thread, repeat_s)
        self._by_id[task.task_id] = task
        self._by_group.setdefault(group.lower(), []).append(task)
        self._wait(task, due_s)
        return task.task_id

    def delete(self, key: str) -> int:
        """Delete by id or by group, as `sched_del` does; returns how many it says it did."""
        if key.isdigit():
            task = self._by_id.get(int(key))
            tasks = [task] if task is not None else []
        else:
            tasks = list(self._by_group.get(key.lower(), ()))
        for task in tasks:
            self._forget(task)
        return len(tasks)

    def clear(self) -> None:
        """Forget all tasks: the switch was restarted."""
        self._by_group.clear()
        self._by_id.clear()

    def _wait(self, task: _Task, due_s: int) -> None:
        late_us = self._late.randint(0, self._max_late_us) if self._max_late_us else 0
        self._alarms.at(due_s * US_PER_S + late_us, partial(self._begin, task))

    def _begin(self, task: _Task) -> None:
        if task.deleted:
            return
        sleep = _MSLEEP.search(task.command) if task.own_thread else None
        if sleep is None:
            self._run(task)
        else:
            due_us = self._alarms.now_us + int(sleep[1]) * 1000
            self._alarms.at(due_us, partial(self._run, task))

    def _run(self, task: _Task) -> None:
        self._execute(task.command)
        if task.deleted:
            return
        if task.repeat_s:
            self._wait(task, self._alarms.now_us // US_PER_S + task.repeat_s)
        else:
            self._forget(task)

    def _forget(self, task: _Task) -> None:
        task.deleted = True
        self._by_id.pop(task.task_id, None)
        group = self._by_group.get(task.group.lower())
        if group is not None and task in group:
            group.remove(task)
            if not group:
                del self._by_group[task.group.lower()]


def _number(text: str) -> int:
    """Read digits as C's `atol` does: what is no number is 0."""
    found = _LEADING_DIGITS.match(text)
    return int(found[0]) if found else 0
