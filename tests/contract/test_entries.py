"""Posting to the ledger, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from store_samples import NOW_US, YUAN, a_hold, an_account

from fsbilling.errors import Refused, StoreError
from fsbilling.ledger.chain import GENESIS
from fsbilling.ledger.entry import Entry, EntryKind
from fsbilling.money import MAX_MICROS
from fsbilling.store import accounts, entries, holds


def topup(conn, amount_micros, ref, code="acme"):
    return entries.topup(conn, code, amount_micros=amount_micros, ref=ref, at_us=NOW_US)


def adjust(conn, amount_micros, ref, code="acme"):
    return entries.adjust(conn, code, amount_micros=amount_micros, ref=ref, at_us=NOW_US)


def charge(conn, account, amount_micros, ref="sw1/uuid"):
    return entries.post(
        conn,
        account.account_id,
        kind=EntryKind.CHARGE,
        amount_micros=-amount_micros,
        ref=ref,
        note="why",
        at_us=NOW_US,
    )


def test_rule_9_the_balance_is_the_sum_of_the_entries(db):
    with db.write() as conn:
        account = an_account(conn)
        topup(conn, 10 * YUAN, "a")
        charge(conn, account, 3 * YUAN)
        adjust(conn, 1, "b")
    with db.read() as conn:
        balance_micros = accounts.find(conn, "acme").balance_micros
        listed = entries.entries(conn, "acme", 10)
        assert entries.verify(conn) == []
    assert balance_micros == 7 * YUAN + 1 == sum(entry.amount_micros for entry in listed)
    assert [entry.seq for entry in listed] == [3, 2, 1]
    assert [entry.kind for entry in listed] == ["adjustment", "charge", "topup"]
    assert listed[-1].prev_hash == GENESIS


def test_the_newest_entries_are_listed_first_up_to_the_limit(db):
    with db.write() as conn:
        an_account(conn)
        for number in range(5):
            topup(conn, 1, f"r{number}")
        assert [entry.ref for entry in entries.entries(conn, "acme", 2)] == ["r4", "r3"]
        assert entries.entries(conn, "nobody", 2) == []


def test_rule_4_a_topup_repeated_returns_the_first_entry_and_changes_nothing(db):
    with db.write() as conn:
        an_account(conn)
        first = topup(conn, 10 * YUAN, "pay-1")
    with db.write() as conn:
        assert topup(conn, 10 * YUAN, "pay-1") == first
        assert accounts.find(conn, "acme").balance_micros == 10 * YUAN


def test_a_reference_is_not_used_for_another_amount(db):
    with db.write() as conn:
        an_account(conn)
        topup(conn, 10 * YUAN, "pay-1")
        assert topup(conn, 11 * YUAN, "pay-1").reason == "ref_used"
        assert accounts.find(conn, "acme").balance_micros == 10 * YUAN


def test_a_reference_is_the_accounts_own(db):
    with db.write() as conn:
        an_account(conn, "a")
        an_account(conn, "b")
        assert isinstance(topup(conn, 1, "pay-1", "a"), Entry)
        assert isinstance(topup(conn, 2, "pay-1", "b"), Entry)
        assert isinstance(adjust(conn, 3, "pay-1", "a"), Entry)


@pytest.mark.parametrize(
    ("amount_micros", "ref", "code", "reason"),
    [
        (0, "r", "acme", "bad_amount"),
        (-1, "r", "acme", "bad_amount"),
        (MAX_MICROS, "r", "acme", "bad_amount"),
        (1, "", "acme", "bad_ref"),
        (1, "r" * 201, "acme", "bad_ref"),
        (1, "r\0", "acme", "bad_ref"),
        (1, "r", "nobody", "unknown_account"),
    ],
)
def test_a_wrong_topup_is_refused(db, amount_micros, ref, code, reason):
    with db.write() as conn:
        before = an_account(conn, balance_micros=1)
        answer = topup(conn, amount_micros, ref, code)
        assert isinstance(answer, Refused)
        assert answer.reason == reason
        assert accounts.find(conn, "acme") == before


def test_an_adjustment_takes_no_more_than_is_free(db):
    with db.write() as conn:
        account = an_account(conn, balance_micros=5 * YUAN)
        holds.place(conn, a_hold(account.account_id, 2 * YUAN))
        assert adjust(conn, -3 * YUAN - 1, "x").reason == "no_credit"
        assert adjust(conn, 0, "x").reason == "bad_amount"
        assert adjust(conn, -3 * YUAN, "x").balance_after_micros == 2 * YUAN
        assert accounts.find(conn, "acme").free_micros == 0


def test_rule_1_a_charge_beyond_what_is_free_is_refused_by_the_database_itself(db):
    with db.write() as conn:
        account = an_account(conn, balance_micros=5 * YUAN)
    with pytest.raises(StoreError), db.write() as conn:
        charge(conn, account, 5 * YUAN + 1)
    with db.read() as conn:
        assert accounts.find(conn, "acme") == account
        assert len(entries.entries(conn, "acme")) == 1


def test_text_that_no_database_keeps_does_not_stop_a_charge(db):
    with db.write() as conn:
        account = an_account(conn, balance_micros=YUAN)
        assert charge(conn, account, 1, ref="sw1/\0\udc80").ref == "sw1/\ufffd\ufffd"
    with db.read() as conn:
        assert entries.verify(conn) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE entry SET note = 'x'", "DELETE FROM entry", "TRUNCATE entry"]
)
def test_rule_9_an_entry_is_neither_changed_nor_deleted(db, statement):
    if db.dialect == "sqlite" and statement.startswith("TRUNCATE"):
        statement = "DELETE FROM entry WHERE seq = 1"
    with db.write() as conn:
        an_account(conn, balance_micros=YUAN)
    with pytest.raises(StoreError, match="append-only"), db.write() as conn:
        conn.execute(text(statement))
    with db.read() as conn:
        assert entries.verify(conn) == []
