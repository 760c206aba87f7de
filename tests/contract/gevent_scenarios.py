"""What the daemon does to a database, in a process patched as the daemon is.

Run by test_engine.py: `gevent_scenarios.py SCENARIO URL`. The account `acme` has 10 yuan.
"""

# ruff: noqa: E402  (everything is imported after the patch, as in the daemon)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys
import time

import gevent
from sqlalchemy import text
from store_samples import YUAN, a_hold

from fsbilling.store import accounts, holds
from fsbilling.store.engine import Database

WORKERS = 24
SLEEP_S = 0.5


def run(work, count=WORKERS):
    greenlets = [gevent.spawn(work, number) for number in range(count)]
    gevent.joinall(greenlets, raise_error=True, timeout=30)
    return [greenlet.value for greenlet in greenlets]


def contend(db):
    """More greenlets than connections, and than credit, at one account."""

    def take(number):
        with db.write() as conn:
            account = accounts.lock(conn, "acme")
            if account.free_micros < YUAN:
                return False
            return holds.place(conn, a_hold(account.account_id, YUAN))

    assert sum(run(take)) == 10
    with db.read() as conn:
        assert accounts.find(conn, "acme").free_micros == 0
        assert len(holds.live(conn)) == 10


def let_others_run(db):
    """PostgreSQL's waits are shared; the heart beats on. (SQLite has no wait to share.)"""
    if db.dialect == "sqlite":
        return
    gaps_s = []

    def beat():
        while True:
            before = time.monotonic()
            gevent.sleep(0.005)
            gaps_s.append(time.monotonic() - before)

    def wait(number):
        with db.read() as conn:
            conn.execute(text(f"SELECT pg_sleep({SLEEP_S})"))

    run(wait, 4)  # the connections are there now
    heart = gevent.spawn(beat)
    started = time.monotonic()
    run(wait, 4)
    assert time.monotonic() - started < 3 * SLEEP_S
    assert max(gaps_s) < SLEEP_S
    heart.kill()


def yield_while_writing(db):
    """A greenlet that yields inside its transaction delays the others; it never stops them."""

    def write(number):
        with db.write() as conn:
            account = accounts.lock(conn, "acme")
            gevent.sleep(0.01)
            accounts.change_held(conn, account.account_id, 1)

    run(write)
    with db.read() as conn:
        assert accounts.find(conn, "acme").held_micros == WORKERS


SCENARIOS = (contend, let_others_run, yield_while_writing)

if __name__ == "__main__":
    _, name, url = sys.argv
    database = Database.open(url, pool_size=4)
    {scenario.__name__: scenario for scenario in SCENARIOS}[name](database)
    database.close()
