"""Packages and volumes by month, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from store_samples import YUAN, a_hold, an_account

from fsbilling.credit.usage import Usage
from fsbilling.errors import StoreError
from fsbilling.rating.plan import UNLIMITED_S
from fsbilling.store import accounts, entries, holds, usages
from fsbilling.store.engine import Database

MONTH = ("std", "2026-11")


@pytest.fixture
def account(db):
    with db.write() as conn:
        return an_account(conn, balance_micros=100 * YUAN)


def a_packaged_hold(account, included_s, **call):
    hold = a_hold(account.account_id, 0, month=MONTH[1], **call)
    return msgspec.structs.replace(hold, included_s=included_s)


def used(conn, account):
    return usages.find(conn, account.account_id, *MONTH)


def test_a_month_without_calls_is_empty(db, account):
    with db.read() as conn:
        assert used(conn, account) == Usage(tariff="std", month="2026-11")
        assert usages.of_account(conn, account.account_id) == []


def test_a_package_is_opened_once_and_follows_its_size(db, account):
    key = (account.account_id, *MONTH)
    with db.write() as conn:
        assert usages.open_package(conn, *key, 600).included_free_s == 600
        assert usages.open_package(conn, *key, 600) == used(conn, account)
        holds.place(conn, a_packaged_hold(account, 400))
        assert usages.open_package(conn, *key, 900).included_free_s == 500
        assert usages.open_package(conn, *key, 100) == used(conn, account)
        assert used(conn, account).included_free_s == 0
        assert usages.open_package(conn, *key, UNLIMITED_S).package_s == UNLIMITED_S


def test_seconds_are_held_renewed_given_back_and_counted(db, account):
    key = (account.account_id, *MONTH)
    hold = a_packaged_hold(account, 15)
    call = ("sw1", hold.call.uuid)
    with db.write() as conn:
        usages.open_package(conn, *key, 100)
        holds.place(conn, hold)
        assert not holds.place(conn, hold)
        assert used(conn, account).included_held_s == 15
        holds.renew(
            conn, *call, amount_micros=0, included_s=45, granted_s=45, timer_seq=1, seen_us=0
        )
        assert holds.find(conn, *call).included_s == 45
        assert used(conn, account).included_free_s == 55
        assert entries.verify(conn) == []
        assert holds.remove(conn, *call).included_s == 45
        usages.count_call(conn, *key, billed_s=40, included_s=38)
        usages.count_call(conn, *key, billed_s=6, included_s=0)
    with db.read() as conn:
        month = used(conn, account)
        assert (month.volume.billed_s, month.volume.calls) == (46, 2)
        assert (month.included_s, month.included_held_s, month.included_free_s) == (38, 0, 62)
        assert usages.of_account(conn, account.account_id) == [month]
        assert entries.verify(conn) == []


def test_the_database_itself_refuses_to_hold_more_than_there_is(db, account):
    hold = a_packaged_hold(account, 100)
    with db.write() as conn:
        usages.open_package(conn, account.account_id, *MONTH, 100)
        holds.place(conn, hold)
    with pytest.raises(StoreError), db.write() as conn:
        holds.place(conn, a_packaged_hold(account, 1))
    with pytest.raises(StoreError), db.write() as conn:
        usages.change_held(conn, account.account_id, *MONTH, -101)
    with db.read() as conn:
        assert used(conn, account).included_held_s == 100


def test_calls_are_counted_where_no_package_was_opened(db, account):
    with db.write() as conn:
        usages.count_call(conn, account.account_id, *MONTH, billed_s=60, included_s=0)
    with db.read() as conn:
        assert used(conn, account) == Usage(tariff="std", month="2026-11", billed_s=60, calls=1)


def test_no_two_calls_get_the_same_second_of_a_package(store_url):
    """Rule 1 for packages: two daemons, several threads each, one account."""
    daemons = [Database.open(store_url, statement_timeout_ms=20_000) for _ in range(2)]
    with daemons[0].write() as conn:
        account = an_account(conn, balance_micros=YUAN)

    def take_all(seed):
        taken_s = 0
        while True:
            with daemons[seed % 2].write() as conn:
                accounts.lock(conn, "acme")
                left = usages.open_package(conn, account.account_id, *MONTH, 100)
                if not left.included_free_s:
                    return taken_s
                seconds = min(7, left.included_free_s)
                holds.place(conn, a_packaged_hold(account, seconds))
                taken_s += seconds

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take_all, range(6))) == 100
    with daemons[1].read() as conn:
        assert used(conn, account).included_held_s == 100
        assert entries.verify(conn) == []
    for daemon in daemons:
        daemon.close()
