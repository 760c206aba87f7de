"""What the daemon does every so often: a fault puts it off, and is told once."""

import gevent
import pytest
from structlog.testing import capture_logs

from fsbilling.daemon.errands import Errand
from fsbilling.errors import StoreError


def kept(job):
    """What the log says while an errand is kept until its job asks to end."""
    over = gevent.event.Event()
    with capture_logs() as lines:
        keeper = gevent.spawn(Errand(0.001, lambda: job(over), "not done").keep)
        assert over.wait(10)
        gevent.sleep(0)
        keeper.kill()
    return [(line["log_level"], line["event"]) for line in lines if line["log_level"] != "debug"]


def test_faults_in_a_row_are_one_warning_and_so_is_their_end():
    times = []

    def job(over):
        times.append(1)
        if len(times) <= 5:
            raise StoreError("SQL is out")
        over.set()

    assert kept(job) == [("warning", "not done"), ("info", "done again")]


def test_each_outage_is_told():
    times = []

    def job(over):
        times.append(1)
        if len(times) in {1, 3}:
            raise StoreError("SQL is out")
        if len(times) > 3:
            over.set()

    told = ("warning", "not done"), ("info", "done again")
    assert kept(job) == [*told, *told]


def test_what_is_no_expected_fault_ends_it():
    def job():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Errand(0.001, job, "not done").keep()
