"""Holds, on SQLite and on PostgreSQL: what is held is always the sum of the holds."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text
from store_samples import NOW_US, YUAN, a_cdr, a_hold, an_account

from fsbilling.errors import StoreError
from fsbilling.ledger.entry import EntryKind
from fsbilling.store import accounts, cdrs, entries, holds
from fsbilling.store.hold_rows import Outline


@pytest.fixture
def account(db):
    with db.write() as conn:
        return an_account(conn, balance_micros=10 * YUAN)


def held_micros(conn):
    found = accounts.find(conn, "acme")
    total = conn.execute(text("SELECT coalesce(sum(amount_micros), 0) FROM hold")).scalar_one()
    assert found.held_micros == total
    return total


def place(conn, hold):
    accounts.lock(conn, hold.call.account)
    return holds.place(conn, hold)


def test_a_hold_comes_back_as_it_was_placed(db, account):
    hold = a_hold(account.account_id)
    with db.write() as conn:
        assert place(conn, hold)
    with db.read() as conn:
        assert holds.find(conn, "sw1", hold.call.uuid) == hold
        assert holds.find(conn, "sw2", hold.call.uuid) is None
        assert held_micros(conn) == YUAN
        assert accounts.find(conn, "acme").free_micros == 9 * YUAN


def test_a_call_is_held_for_once(db, account):
    hold = a_hold(account.account_id)
    with db.write() as conn:
        assert place(conn, hold)
        assert not place(conn, msgspec.structs.replace(hold, amount_micros=2 * YUAN))
        assert held_micros(conn) == YUAN


def test_two_switches_may_have_the_same_uuid(db, account):
    with db.write() as conn:
        assert place(conn, a_hold(account.account_id, switch="sw1", uuid="u"))
        assert place(conn, a_hold(account.account_id, switch="sw2", uuid="u"))
        assert held_micros(conn) == 2 * YUAN


@pytest.mark.parametrize("amount_micros", [0, YUAN // 2, YUAN, 10 * YUAN])
def test_a_renewal_moves_the_account_by_the_difference(db, account, amount_micros):
    hold = a_hold(account.account_id)
    with db.write() as conn:
        place(conn, hold)
    with db.write() as conn:
        holds.renew(
            conn,
            "sw1",
            hold.call.uuid,
            amount_micros=amount_micros,
            included_s=0,
            granted_s=90,
            timer_seq=3,
            seen_us=NOW_US + 5,
        )
    with db.read() as conn:
        renewed = holds.find(conn, "sw1", hold.call.uuid)
        assert held_micros(conn) == amount_micros
    assert renewed == msgspec.structs.replace(
        hold, amount_micros=amount_micros, granted_s=90, timer_seq=3, seen_us=NOW_US + 5
    )


def test_rule_1_a_renewal_beyond_what_is_free_is_refused_by_the_database_itself(db, account):
    hold = a_hold(account.account_id)
    with db.write() as conn:
        place(conn, hold)
    with pytest.raises(StoreError), db.write() as conn:
        renew(conn, hold, 10 * YUAN + 1)
    with db.read() as conn:
        assert holds.find(conn, "sw1", hold.call.uuid) == hold
        assert held_micros(conn) == YUAN


def test_rule_2_a_renewal_without_a_hold_fails(db, account):
    with pytest.raises(StoreError, match="no hold"), db.write() as conn:
        renew(conn, a_hold(account.account_id), YUAN)


def renew(conn, hold, amount_micros):
    holds.renew(
        conn,
        hold.call.switch,
        hold.call.uuid,
        amount_micros=amount_micros,
        included_s=0,
        granted_s=1,
        timer_seq=1,
        seen_us=NOW_US,
    )


def test_the_answer_and_a_transfer_are_noted(db, account):
    hold = a_hold(account.account_id)
    key = ("sw1", hold.call.uuid)
    with db.write() as conn:
        place(conn, hold)
        assert holds.answered(conn, *key, NOW_US + 7, NOW_US + 8)
        assert holds.follow(conn, *key, "leg-b", NOW_US + 9)
        assert not holds.answered(conn, "sw1", "nobody", 1, 1)
        assert not holds.follow(conn, "sw1", "nobody", "x", 1)
        assert holds.find(conn, *key) == msgspec.structs.replace(
            hold, answered_us=NOW_US + 7, leg_uuid="leg-b", seen_us=NOW_US + 9
        )


def test_a_hold_is_given_back_once(db, account):
    hold = a_hold(account.account_id)
    with db.write() as conn:
        place(conn, hold)
    with db.write() as conn:
        assert holds.remove(conn, "sw1", hold.call.uuid) == hold
        assert holds.remove(conn, "sw1", hold.call.uuid) is None
        assert held_micros(conn) == 0


def test_live_calls_are_listed_oldest_first_by_switch_and_by_account(db, account):
    with db.write() as conn:
        other = an_account(conn, "other", balance_micros=10 * YUAN)
        first = msgspec.structs.replace(a_hold(account.account_id), authorised_us=1)
        second = a_hold(account.account_id, switch="sw2")
        third = msgspec.structs.replace(
            a_hold(other.account_id, account="other"), authorised_us=NOW_US + 1
        )
        for hold in (third, second, first):
            place(conn, hold)
        assert holds.live(conn) == [first, second, third]
        assert holds.live(conn, switch="sw1") == [first, third]
        assert holds.live(conn, account="acme") == [first, second]
        assert holds.live(conn, switch="sw1", account="acme") == [first]
        assert holds.live(conn, account="nobody") == []
        outlines = [Outline(each.call.uuid, each.leg_uuid) for each in (first, third)]
        assert list(holds.outlines(conn, "sw1")) == outlines
        uuids = [each.call.uuid for each in (third, second, first)]
        assert holds.among(conn, "sw1", [*uuids, "nobody's"]) == [first, third]
        assert holds.among(conn, "sw1", []) == []
        assert accounts.find(conn, "acme").live_calls == 2
        assert accounts.find(conn, "other").live_calls == 1


def settle(conn, hold, charge_micros):
    """What billing does at the end of a call."""
    account = accounts.lock(conn, hold.call.account)
    if holds.remove(conn, hold.call.switch, hold.call.uuid) is None:
        return False
    cdrs.write(conn, a_cdr(uuid=hold.call.uuid, charge_micros=charge_micros))
    entries.post(
        conn,
        account.account_id,
        kind=EntryKind.CHARGE,
        amount_micros=-charge_micros,
        ref=f"{hold.call.switch}/{hold.call.uuid}",
        note="",
        at_us=NOW_US,
    )
    return True


def test_rule_4_a_settled_call_is_one_charge_and_one_record(db, account):
    hold = a_hold(account.account_id, 10 * YUAN)
    with db.write() as conn:
        place(conn, hold)
    for expected in (True, False):
        with db.write() as conn:
            assert settle(conn, hold, 10 * YUAN) is expected
    with db.read() as conn:
        settled = accounts.find(conn, "acme")
        assert (settled.balance_micros, settled.held_micros) == (0, 0)
        assert len(cdrs.find(conn, hold.call.uuid)) == 1
        assert len(entries.entries(conn, "acme")) == 2
        assert entries.verify(conn) == []


def test_a_settle_that_fails_leaves_the_hold(db, account):
    hold = a_hold(account.account_id)
    with db.write() as conn:
        place(conn, hold)
    with pytest.raises(StoreError), db.write() as conn:
        settle(conn, hold, 11 * YUAN)
    with db.read() as conn:
        assert holds.find(conn, "sw1", hold.call.uuid) == hold
        assert cdrs.find(conn, hold.call.uuid) == []
        assert held_micros(conn) == YUAN
