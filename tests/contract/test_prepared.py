"""Prepared statements say the same as SQLAlchemy's own execution, on both stores."""

import psycopg
import pytest
from sqlalchemy import bindparam, insert, select, text
from store_samples import YUAN, an_account

from fsbilling.errors import StoreError
from fsbilling.store import accounts, postgres_connections
from fsbilling.store.engine import Database
from fsbilling.store.prepared import Prepared
from fsbilling.store.schema import account


@pytest.fixture
def acme(db):
    with db.write() as conn:
        an_account(conn, balance_micros=YUAN)
        accounts.set_suspended(conn, "acme", suspended=True)


def test_a_row_has_the_values_and_names_that_sqlalchemy_gives(db, acme):
    statement = select(account).where(account.c.code == bindparam("of_code"))
    with db.read() as conn:
        expected = conn.execute(statement, {"of_code": "acme"}).one()
        row = Prepared(statement).first(conn, {"of_code": "acme"})
        assert Prepared(statement).first(conn, {"of_code": "nobody"}) is None
        assert Prepared(statement).rows(conn, {"of_code": "acme"}) == [row]
    assert row._asdict() == expected._mapping
    assert row.suspended is True


def hold_and_open_again(database, account_id, again, values):
    with database.write() as conn:
        accounts.change_held(conn, account_id, 1)
        again.change(conn, values)


def test_a_broken_rule_of_a_table_is_a_store_error_and_leaves_nothing(db, acme):
    names = [column.name for column in account.columns if column.name != "id"]
    again = Prepared(insert(account).values({name: bindparam(name) for name in names}))
    with db.read() as conn:
        row = accounts.find(conn, "acme")
    values = dict.fromkeys(names, 0) | {
        "code": row.code,
        "mode": row.mode,
        "currency": "CNY",
        "last_hash": "",
        "suspended": False,
    }
    with pytest.raises(StoreError):
        hold_and_open_again(db, row.account_id, again, values)
    with db.read() as conn:
        assert accounts.find(conn, "acme") == row


def kill_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def read(database: Database) -> object:
    with database.read() as conn:
        return accounts.find(conn, "acme")


def test_a_connection_that_died_idle_is_replaced_unnoticed(postgres_url, monkeypatch):
    monkeypatch.setattr(postgres_connections, "TRUSTED_S", 0)
    database = Database.open(postgres_url)
    assert read(database) is None
    kill_connections(postgres_url)
    assert read(database) is None
    database.close()


def test_a_connection_that_died_just_after_use_costs_one_transaction(postgres_url):
    database = Database.open(postgres_url)
    with database.write() as conn:
        conn.execute(text("SELECT 1"))
    kill_connections(postgres_url)
    with pytest.raises(StoreError):
        read(database)
    assert read(database) is None
    database.close()


def test_a_statement_outlives_a_rollback(db, acme):
    """psycopg deallocates all statements of a connection when it has prepared one by itself."""
    with db.write() as conn:
        for _ in range(10):
            conn.execute(
                select(account).where(account.c.code == bindparam("of_code")), {"of_code": ""}
            )
        known = accounts.lock(conn, "acme")
    with pytest.raises(ZeroDivisionError), db.write() as conn:
        accounts.change_held(conn, known.account_id, 1 // 0)
    with pytest.raises(StoreError), db.write() as conn:
        accounts.change_held(conn, known.account_id, 2 * YUAN)
    with db.write() as conn:
        assert accounts.lock(conn, "acme") == known
