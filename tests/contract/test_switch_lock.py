"""One daemon at a time has a switch; a silent one loses it."""

import time

import pytest

from fsbilling.errors import StoreError
from fsbilling.store.engine import Database
from fsbilling.store.switch_lock import SILENCE_MS, switch_lock


@pytest.fixture
def other(db, store_url):
    """Another daemon's way to the same database."""
    database = Database.open(store_url)
    yield database
    database.close()


def test_one_has_it_until_it_lets_go(db, other):
    first, second = switch_lock(db, ["fs1"]), switch_lock(other, ["fs1"])
    assert (first.take(), second.take(), second.take()) == (True, False, False)
    first.confirm()
    first.release()
    wait_until(second.take)
    second.release()


def test_switches_are_taken_together_or_not_at_all(db, other, store_url):
    both, one = switch_lock(db, ["fs1", "fs2"]), switch_lock(other, ["fs2"])
    assert one.take()
    assert not both.take()
    alone = switch_lock(db, ["fs1"])
    assert alone.take(), "what was not needed was given back"
    for lock in (both, one, alone):
        lock.release()


def test_different_switches_are_nobody_s_quarrel(db, other):
    first, second = switch_lock(db, ["fs1"]), switch_lock(other, ["fs2"])
    assert first.take()
    assert second.take()
    first.release()
    second.release()


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
class TestPostgres:
    def test_the_holder_knows_whether_another_waits(self, db, other):
        first, second = switch_lock(db, ["fs1"]), switch_lock(other, ["fs1"])
        assert first.take()
        assert first.confirm() is False
        assert not second.take()
        assert first.confirm() is True
        second.release()
        wait_until(lambda: not first.confirm())
        first.release()

    def test_a_silent_holder_loses_it_by_the_server_s_clock(self, db, other):
        first, second = switch_lock(db, ["fs1"]), switch_lock(other, ["fs1"])
        assert first.take()
        began = time.monotonic()
        while not second.take():
            time.sleep(0.1)
        assert SILENCE_MS / 1000 - 0.2 < time.monotonic() - began < SILENCE_MS / 1000 + 0.5
        with pytest.raises(StoreError):
            first.confirm()
        assert not first.take()
        first.release()
        second.release()


def wait_until(is_true):
    """The server notices a closed connection in its own time: within milliseconds."""
    for _ in range(50):
        if is_true():
            return
        time.sleep(0.02)
    raise AssertionError("not within a second")
