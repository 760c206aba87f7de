"""Transactions: what is committed, what is bounded, what survives."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from store_samples import YUAN, an_account

from fsbilling.errors import ConfigError, StoreError
from fsbilling.store import accounts
from fsbilling.store.engine import Database

SCENARIOS = Path(__file__).parent / "gevent_scenarios.py"


@pytest.fixture
def impatient(db, store_url):
    """A second daemon on the same database, that waits for at most 0.4 s."""
    database = Database.open(store_url, pool_size=2, statement_timeout_ms=400)
    yield database
    database.close()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://root:secret@localhost/x"],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url):
    with pytest.raises(ConfigError) as refused:
        Database.open(url)
    assert "sqlite:///PATH or postgresql://" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_database_shows_where_it_is_without_its_password():
    database = Database.open("postgresql://billing:secret@127.0.0.1:1/x")
    assert "secret" not in database.url
    with pytest.raises(StoreError) as failed, database.read():
        pass
    assert "secret" not in str(failed.value)


def add_an_account_and_fail(db):
    with db.write() as conn:
        an_account(conn)
        raise ZeroDivisionError


def test_a_block_that_raises_changes_nothing(db):
    with pytest.raises(ZeroDivisionError):
        add_an_account_and_fail(db)
    with db.read() as conn:
        assert accounts.list_all(conn) == []


def test_a_reader_cannot_write(db):
    with db.write() as conn:
        an_account(conn)
    with pytest.raises(StoreError, match=r"read-?only"), db.read() as conn:
        accounts.set_suspended(conn, "acme", suspended=True)


def test_a_reader_sees_one_moment(db):
    with db.write() as conn:
        an_account(conn)
    with db.read() as reader:
        assert not accounts.find(reader, "acme").suspended
        with db.write() as conn:
            accounts.set_suspended(conn, "acme", suspended=True)
        assert not accounts.find(reader, "acme").suspended
    with db.read() as reader:
        assert accounts.find(reader, "acme").suspended


def test_an_sql_fault_becomes_a_store_error_and_leaves_the_pool_sound(db):
    with pytest.raises(StoreError), db.read() as conn:
        conn.execute(text("SELECT * FROM no_such_table"))
    with db.read() as conn:
        assert conn.execute(text("SELECT 1")).scalar_one() == 1


def test_waiting_for_another_daemons_lock_is_bounded(db, impatient):
    with db.write() as conn:
        an_account(conn)
    with db.write() as conn:
        accounts.lock(conn, "acme")
        started = time.monotonic()
        with pytest.raises(StoreError), impatient.write() as other:
            accounts.lock(other, "acme")
        assert time.monotonic() - started < 1
    with impatient.write() as other:
        assert accounts.lock(other, "acme") is not None


def test_a_short_wait_for_another_daemons_lock_is_waited_out(db, impatient):
    with db.write() as conn:
        an_account(conn)
    locked, release = threading.Event(), threading.Event()

    def hold_the_lock():
        with db.write() as conn:
            accounts.lock(conn, "acme")
            locked.set()
            release.wait(5)

    thread = threading.Thread(target=hold_the_lock)
    thread.start()
    assert locked.wait(5)
    threading.Timer(0.1, release.set).start()
    with impatient.write() as other:
        assert accounts.lock(other, "acme") is not None
    thread.join(5)


def test_waiting_for_a_free_connection_is_bounded(impatient):
    started = time.monotonic()
    with (
        impatient.read(),
        impatient.read(),
        pytest.raises(StoreError, match="busy"),
        impatient.read(),
    ):
        pass
    assert time.monotonic() - started < 1


def test_a_statement_is_bounded_on_postgresql(postgres_url):
    database = Database.open(postgres_url, statement_timeout_ms=200)
    started = time.monotonic()
    with pytest.raises(StoreError, match="statement timeout"), database.read() as conn:
        conn.execute(text("SELECT pg_sleep(5)"))
    assert time.monotonic() - started < 2
    database.close()


def test_commits_are_durable(db):
    with db.write() as conn:
        if db.dialect == "postgresql":
            assert conn.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        else:
            full = 2
            assert conn.execute(text("PRAGMA synchronous")).scalar_one() == full
            assert conn.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert conn.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


def suspend_and_lose_the_server(database, postgres):
    with database.write() as conn:
        accounts.set_suspended(conn, "acme", suspended=True)
        postgres.stop()
        accounts.list_all(conn)


def test_the_pool_survives_a_restart_of_postgresql(postgres, postgres_url):
    database = Database.open(postgres_url)
    with database.write() as conn:
        an_account(conn, balance_micros=YUAN)
    with pytest.raises(StoreError):
        suspend_and_lose_the_server(database, postgres)
    with pytest.raises(StoreError), database.read() as conn:
        pass
    postgres.start()
    with database.read() as conn:
        found = accounts.find(conn, "acme")
    assert found.balance_micros == YUAN
    assert not found.suspended
    database.close()


def test_a_filled_pool_has_every_connection_that_may_be_lent(postgres_url):
    """A renewal that has to connect first is late by that: up to 110 ms on a busy machine."""
    database, watcher = Database.open(postgres_url, pool_size=5), Database.open(postgres_url)
    database.fill()
    count = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'fsbilling'"
    )
    with watcher.read() as conn:
        opened = conn.execute(count).scalar_one() - 1
        with database.write() as one, database.read() as other:
            assert one is not other
            assert conn.execute(count).scalar_one() == 1 + opened
    assert opened == 5
    database.close()
    watcher.close()


@pytest.mark.parametrize("scenario", ["contend", "let_others_run", "yield_while_writing"])
def test_under_gevent(db, store_url, scenario):
    """Each scenario is a function of gevent_scenarios.py, in a process of its own."""
    with db.write() as conn:
        an_account(conn, balance_micros=10 * YUAN)
    done = subprocess.run(
        [sys.executable, SCENARIOS, scenario, store_url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
