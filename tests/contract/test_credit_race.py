"""Rule 1 under concurrency: two daemons, several threads each, one account."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from store_samples import NOW_US, YUAN, a_cdr, a_hold, an_account

from fsbilling.ledger.entry import EntryKind
from fsbilling.store import accounts, cdrs, entries, holds
from fsbilling.store.engine import Database

THREADS = 6


@pytest.fixture
def daemons(store_url):
    """Two daemons on one database."""
    databases = [Database.open(store_url, statement_timeout_ms=20_000) for _ in range(2)]
    yield databases
    for database in databases:
        database.close()


def together(daemons, work):
    """Run `work(db, seed)` in many threads at once; what each returned."""
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(work, daemons[seed % 2], seed) for seed in range(THREADS)]
        return [job.result(60) for job in jobs]


def place_if_free(conn, amount_micros, uuid=None):
    """What billing does to authorise: lock, look, hold."""
    account = accounts.lock(conn, "acme")
    if account.free_micros < amount_micros:
        return None
    hold = a_hold(account.account_id, amount_micros, **({"uuid": uuid} if uuid else {}))
    return hold if holds.place(conn, hold) else None


def test_rule_1_no_two_calls_get_the_same_credit(daemons):
    with daemons[0].write() as conn:
        an_account(conn, balance_micros=50 * YUAN)

    def take_all(db, _seed):
        taken = 0
        while True:
            with db.write() as conn:
                if place_if_free(conn, 3 * YUAN) is None:
                    return taken
            taken += 1

    assert sum(together(daemons, take_all)) == 16
    with daemons[1].read() as conn:
        assert accounts.find(conn, "acme").free_micros == 2 * YUAN
        assert entries.verify(conn) == []


def test_rule_4_one_call_is_held_for_and_settled_once_whoever_comes_first(daemons):
    with daemons[0].write() as conn:
        an_account(conn, balance_micros=50 * YUAN)

    def place_the_same(db, _seed):
        with db.write() as conn:
            return place_if_free(conn, YUAN, uuid="the-call") is not None

    def settle_the_same(db, _seed):
        with db.write() as conn:
            return settle(conn, "the-call", YUAN)

    assert sum(together(daemons, place_the_same)) == 1
    assert sum(together(daemons, settle_the_same)) == 1
    with daemons[0].read() as conn:
        account = accounts.find(conn, "acme")
        assert (account.balance_micros, account.held_micros) == (49 * YUAN, 0)


def settle(conn, uuid, charge_micros):
    """What billing does at the end, but without locking the account first."""
    hold = holds.remove(conn, "sw1", uuid)
    if hold is None:
        return False
    entries.post(
        conn,
        hold.account_id,
        kind=EntryKind.CHARGE,
        amount_micros=-charge_micros,
        ref=f"sw1/{uuid}",
        note="",
        at_us=NOW_US,
    )
    return cdrs.write(conn, a_cdr(uuid=uuid, charge_micros=charge_micros))


def test_calls_that_come_grow_and_go_at_once_never_lock_each_other_out(daemons):
    with daemons[0].write() as conn:
        an_account(conn, balance_micros=1000 * YUAN)

    def live(db, seed):
        chance = random.Random(seed)
        charged = 0
        for number in range(15):
            uuid = f"{seed}-{number}"
            with db.write() as conn:
                assert place_if_free(conn, YUAN, uuid) is not None
            with db.write() as conn:
                if chance.random() < 0.5:
                    accounts.lock(conn, "acme")
                holds.answered(conn, "sw1", uuid, NOW_US, NOW_US)
                renew(conn, uuid, chance.randrange(2 * YUAN, 9 * YUAN))
            with db.write() as conn:
                entries.topup(
                    conn, "acme", amount_micros=1, ref=f"pay-{seed}-{number}", at_us=NOW_US
                )
            with db.write() as conn:
                charge_micros = chance.randrange(1, 2 * YUAN)
                assert settle(conn, uuid, charge_micros)
                charged += charge_micros
        return charged

    charged_micros = sum(together(daemons, live))
    with daemons[0].read() as conn:
        account = accounts.find(conn, "acme")
        assert account.held_micros == 0
        assert account.balance_micros == 1000 * YUAN + THREADS * 15 - charged_micros
        assert entries.verify(conn) == []


def renew(conn, uuid, amount_micros):
    holds.renew(
        conn,
        "sw1",
        uuid,
        amount_micros=amount_micros,
        included_s=0,
        granted_s=9,
        timer_seq=1,
        seen_us=NOW_US,
    )
