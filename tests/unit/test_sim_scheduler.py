"""The simulated scheduler: whole seconds, groups, own threads, and its traps."""

import random

from fsbilling.sim.alarms import Alarms
from fsbilling.sim.scheduler import Scheduler

SECOND = 1_000_000
START_S = 1_795_000_000
START_US = START_S * SECOND + 250_000


class Bench:
    """A scheduler on bare alarms, noting what it ran and when."""

    def __init__(self, max_late_us=0, seed=1):
        self.alarms = Alarms(START_US)
        self.ran = []
        self.tasks = Scheduler(
            self.alarms, self._run, late=random.Random(seed), max_late_us=max_late_us
        )

    def _run(self, command):
        self.ran.append((self.alarms.now_us - START_S * SECOND, command))

    def pass_s(self, seconds):
        self.alarms.advance_to(START_US + seconds * SECOND)


def test_a_relative_time_counts_whole_seconds_of_the_epoch():
    bench = Bench()
    bench.tasks.add("+2", "g", "uuid_kill x")
    bench.pass_s(5)
    assert bench.ran == [(2 * SECOND, "uuid_kill x")]


def test_an_absolute_time_runs_at_its_second():
    bench = Bench()
    bench.tasks.add(str(START_S + 3), "g", "a")
    bench.pass_s(5)
    assert bench.ran == [(3 * SECOND, "a")]


def test_an_absolute_time_that_has_passed_never_runs():
    bench = Bench()
    bench.tasks.add(str(START_S - 1), "g", "a")
    bench.pass_s(40 * 365 * 86_400)
    assert bench.ran == []
    assert len(bench.tasks) == 1


def test_the_running_second_itself_still_runs():
    bench = Bench()
    bench.tasks.add(str(START_S), "g", "a")
    bench.pass_s(0)
    assert [command for _, command in bench.ran] == ["a"]


def test_lateness_is_drawn_from_the_seed_and_bounded():
    def run_times(seed):
        bench = Bench(max_late_us=500_000, seed=seed)
        for _ in range(50):
            bench.tasks.add("+1", "g", "a")
        bench.pass_s(3)
        return [at_us for at_us, _ in bench.ran]

    times = run_times(7)
    assert times == run_times(7)
    assert times != run_times(8)
    assert len(times) == 50
    assert all(SECOND <= at_us <= SECOND + 500_000 for at_us in times)
    assert len(set(times)) > 10


def test_expand_with_msleep_runs_its_milliseconds_later_in_its_own_thread():
    bench = Bench()
    bench.tasks.add("+1", "g", "expand hupall A b c ${msleep(370)}&")
    bench.pass_s(3)
    assert bench.ran == [(1_370_000, "expand hupall A b c ${msleep(370)}")]


def test_deleting_a_group_stops_all_its_tasks_whatever_the_case():
    bench = Bench()
    bench.tasks.add("+1", "fsbilling-AB-1", "a")
    bench.tasks.add("+1", "fsbilling-ab-1", "b")
    bench.tasks.add("+1", "fsbilling-ab-2", "c")
    assert bench.tasks.delete("FSBILLING-ab-1") == 2
    assert bench.tasks.delete("fsbilling-ab-1") == 0
    bench.pass_s(2)
    assert [command for _, command in bench.ran] == ["c"]


def test_deleting_by_id_stops_one_task():
    bench = Bench()
    first = bench.tasks.add("+1", "g", "a")
    bench.tasks.add("+1", "g", "b")
    assert bench.tasks.delete(str(first)) == 1
    bench.pass_s(2)
    assert [command for _, command in bench.ran] == ["b"]


def test_a_task_asleep_in_its_thread_runs_although_it_was_deleted():
    bench = Bench()
    bench.tasks.add("+1", "g", "expand a ${msleep(900)}&")
    bench.alarms.advance_to((START_S + 1) * SECOND + 100_000)
    assert bench.tasks.delete("g") == 1
    assert bench.tasks.delete("g") == 0
    bench.pass_s(3)
    assert len(bench.ran) == 1


def test_a_recurring_task_runs_until_it_is_deleted():
    bench = Bench()
    bench.tasks.add("@2", "g", "a")
    bench.pass_s(5)
    assert [at_us for at_us, _ in bench.ran] == [2 * SECOND, 4 * SECOND]
    bench.tasks.delete("g")
    bench.pass_s(20)
    assert len(bench.ran) == 2
