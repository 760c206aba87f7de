"""PostgreSQL is asked in few exchanges, and still does what it is told, in order, or nothing."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import bindparam, select, text, update
from store_samples import YUAN, a_hold, an_account

from fsbilling.errors import StoreDeclined, StoreError
from fsbilling.store import accounts, directory, holds, migrations
from fsbilling.store.engine import Database
from fsbilling.store.pipelined_connection import MAX_WAITING, PipelinedConnection
from fsbilling.store.prepared import Prepared, together
from fsbilling.store.schema import account

HELD = Prepared(select(account.c.held_micros).where(account.c.code == bindparam("of_code")))
MORE = Prepared(
    update(account)
    .where(account.c.code == bindparam("of_code"))
    .values(held_micros=account.c.held_micros + bindparam("more"))
)
ACME = {"of_code": "acme"}


@pytest.fixture
def payer(db):
    with db.write() as conn:
        return an_account(conn, balance_micros=YUAN)


@pytest.fixture
def exchanges(monkeypatch):
    """The names of what each exchange with PostgreSQL executed."""
    seen = []
    send = PipelinedConnection._send

    def sending(connection, steps):
        seen.append([question.sql for question, is_executed in steps if is_executed])
        return send(connection, steps)

    monkeypatch.setattr(PipelinedConnection, "_send", sending)
    return seen


def change_later(database, changes) -> None:
    with database.write() as conn:
        for more in changes:
            MORE.later(conn, ACME | {"more": more})


def held(database) -> int:
    with database.read() as conn:
        return HELD.first(conn, ACME).held_micros


def test_what_is_done_later_is_seen_by_what_is_asked_next(db, payer):
    with db.write() as conn:
        MORE.later(conn, ACME | {"more": 5})
        assert HELD.first(conn, ACME).held_micros == 5
        MORE.later(conn, ACME | {"more": 2})
        assert conn.execute(text("SELECT held_micros FROM account")).scalar_one() == 7
        MORE.later(conn, ACME | {"more": 1})
    assert held(db) == 8, "and what nobody asks for is committed"


def test_what_is_done_later_can_still_be_given_up(db, payer):
    with pytest.raises(ZeroDivisionError):
        change_later(db, (1 // more for more in (1, 0)))
    assert held(db) == 0
    with db.write() as conn:
        MORE.later(conn, ACME | {"more": 3})
    assert held(db) == 3, "and does not come back with the next transaction"


def test_what_a_table_declines_later_fails_the_commit_and_leaves_nothing(db, payer):
    with pytest.raises(StoreDeclined):
        change_later(db, (1, 2 * YUAN, 1))
    assert held(db) == 0


def test_a_failed_transaction_that_somebody_went_on_with_is_never_taken_for_committed(db, payer):
    def go_on(conn):
        with pytest.raises(psycopg.Error):
            MORE.change(conn, ACME | {"more": 2 * YUAN})

    if db.dialect == "postgresql":
        with pytest.raises(StoreError, match="nothing was committed"), db.write() as conn:
            go_on(conn)
    assert held(db) == 0


def test_several_are_asked_together_and_answered_in_order(db, payer):
    more = ACME | {"more": 4}
    returning = Prepared(MORE._statement.returning(account.c.held_micros))
    with db.write() as conn:
        before, now, nobody, after = together(
            conn, (HELD, ACME), (returning, more), (HELD, {"of_code": "x"}), (HELD, ACME)
        )
    assert [[row.held_micros for row in rows] for rows in (before, now, nobody, after)] == [
        [0],
        [4],
        [],
        [4],
    ]


def test_more_than_may_wait_is_sent_before_the_end(postgres_url, exchanges):
    database = Database.open(postgres_url)
    with database.write() as conn:
        an_account(conn, balance_micros=YUAN)
    exchanges.clear()
    with database.write() as conn:
        for _ in range(MAX_WAITING + 1):
            MORE.later(conn, ACME | {"more": 1})
        assert len(exchanges) == 1
    assert held(database) == MAX_WAITING + 1
    database.close()


def test_text_is_kept_whatever_the_database_s_own_encoding_is(postgres):
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as conn:
        conn.execute("CREATE DATABASE gb ENCODING 'EUC_CN' LOCALE 'C' TEMPLATE template0")
    migrations.upgrade(postgres.url("gb"))
    database = Database.open(postgres.url("gb"))
    with database.write() as conn:
        an_account(conn, balance_micros=YUAN)
        assert directory.add_number(conn, "4001234567", "acme", "深圳") is None
    with database.write() as conn:
        _, target = directory.lock_owner(conn, "4001234567")
        stored = conn.execute(text("SELECT octet_length(target) FROM number")).scalar_one()
    assert (target, stored) == ("深圳", 4)
    database.close()
    postgres.drop("gb")


def test_a_hold_takes_two_exchanges_begin_and_commit_included(postgres_url, exchanges):
    database = Database.open(postgres_url)
    with database.write() as conn:
        payer = an_account(conn, balance_micros=YUAN)
    exchanges.clear()
    with database.write() as conn:
        accounts.lock(conn, "acme")
        assert holds.place(conn, a_hold(payer.account_id, 5), is_last=True)
    assert [len(each) for each in exchanges] == [2, 2]
    assert exchanges[0][0].startswith(b"BEGIN")
    assert exchanges[1][1] == b"COMMIT"
    database.close()


def test_a_renewal_takes_two_exchanges_begin_and_commit_included(postgres_url, exchanges):
    database = Database.open(postgres_url)
    with database.write() as conn:
        payer = an_account(conn, balance_micros=YUAN)
        hold = a_hold(payer.account_id, 5)
        holds.place(conn, hold)
    exchanges.clear()
    with database.write() as conn:
        locked = holds.lock(conn, hold.call, "std")
        assert (locked.account.code, locked.held) == ("acme", hold)
        holds.renew(
            conn,
            *hold.call.key,
            amount_micros=hold.amount_micros + 10_000,
            included_s=0,
            granted_s=hold.granted_s + 1,
            timer_seq=1,
            seen_us=hold.seen_us,
            held=locked.held,
        )
    assert [len(executed) for executed in exchanges] == [4, 3]
    assert (exchanges[0][0][:5], exchanges[-1][-1]) == (b"BEGIN", b"COMMIT")
    database.close()


def test_a_reader_writes_nothing(db, payer):
    with pytest.raises(StoreError), db.read() as conn:
        MORE.later(conn, ACME | {"more": 1})
    assert held(db) == 0


def test_a_connection_given_up_in_an_exchange_is_used_no_more(postgres_url, monkeypatch):
    database = Database.open(postgres_url)
    with database.write() as conn:
        an_account(conn, balance_micros=YUAN)

    def interrupted(_connection, _exchange, *_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PipelinedConnection, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt), database.write() as conn:
            MORE.change(conn, ACME | {"more": 1})
    with database.write() as conn:
        MORE.later(conn, ACME | {"more": 2})
    assert held(database) == 2
    database.close()
