"""`verify` finds what somebody with the database's password did behind our back."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from store_samples import NOW_US, YUAN, a_hold, an_account

from fsbilling.ledger.chain import FaultKind, hash_of
from fsbilling.store import entries, holds

DROP_TRIGGERS = {
    "sqlite": ["DROP TRIGGER entry_no_update", "DROP TRIGGER entry_no_delete"],
    "postgresql": ["DROP TRIGGER entry_append_only ON entry"],
}
# With seq on both sides of the key, a swap needs a place in between.
TAMPERINGS = {
    "edited amount": (
        ["UPDATE entry SET amount_micros = 99 WHERE seq = 2"],
        (FaultKind.EDITED, 2),
    ),
    "removed entry": (["DELETE FROM entry WHERE seq = 2"], (FaultKind.REMOVED, 2)),
    "removed tail": (["DELETE FROM entry WHERE seq >= 3"], (FaultKind.REMOVED, 3)),
    "reordered entries": (
        [
            "UPDATE entry SET seq = 99 WHERE seq = 2",
            "UPDATE entry SET seq = 2 WHERE seq = 3",
            "UPDATE entry SET seq = 3 WHERE seq = 99",
        ],
        (FaultKind.REORDERED, 2),
    ),
    "changed balance": (
        ["UPDATE account SET balance_micros = balance_micros + 1 WHERE code = 'acme'"],
        (FaultKind.BALANCE, 0),
    ),
    "changed held": (
        ["UPDATE account SET held_micros = held_micros + 1 WHERE code = 'acme'"],
        (FaultKind.HELD, 0),
    ),
    "removed hold": (["DELETE FROM hold"], (FaultKind.HELD, 0)),
    "changed package of a hold": (["UPDATE hold SET included_s = 1"], (FaultKind.PACKAGE, 0)),
    "changed hold": (["UPDATE hold SET amount_micros = 1"], (FaultKind.HELD, 0)),
}


@pytest.fixture
def ledger(db):
    """Two accounts of four entries each, one with a hold; the triggers gone."""
    with db.write() as conn:
        for code in ("acme", "other"):
            account = an_account(conn, code, balance_micros=5 * YUAN)
            for number in range(3):
                entries.topup(
                    conn, code, amount_micros=YUAN + number, ref=f"r{number}", at_us=NOW_US
                )
        holds.place(conn, a_hold(account.account_id))
        an_account(conn, "empty")
        for statement in DROP_TRIGGERS[db.dialect]:
            conn.execute(text(statement))
    return db


def faults(db, code=None):
    with db.read() as conn:
        return [(fault.account, fault.kind, fault.seq) for fault in entries.verify(conn, code)]


def test_untouched_accounts_have_no_fault(ledger):
    assert faults(ledger) == []


@pytest.mark.parametrize("what", TAMPERINGS)
def test_rule_9_tampering_is_found(ledger, what):
    statements, (kind, seq) = TAMPERINGS[what]
    account = "other" if "hold" in what else "acme"
    with ledger.write() as conn:
        for statement in statements:
            only = " AND account_id = (SELECT id FROM account WHERE code = 'acme')"
            conn.execute(text(statement + (only if " entry " in statement else "")))
    assert (account, kind, seq) in faults(ledger)
    assert {found for found, _, _ in faults(ledger)} == {account}
    assert faults(ledger, account) == faults(ledger)
    assert faults(ledger, "empty") == []


def test_rule_9_an_inserted_entry_is_found_although_its_own_hash_is_right(ledger):
    with ledger.write() as conn:
        second = entries.entries(conn, "acme")[2]
        conn.execute(
            text("UPDATE entry SET seq = seq + 100 WHERE account_id = :id AND seq > 2"),
            {"id": second.account_id},
        )
        conn.execute(
            text("UPDATE entry SET seq = seq - 99 WHERE account_id = :id AND seq > 100"),
            {"id": second.account_id},
        )
        forged = {**_fields(second), "seq": 3, "prev_hash": second.hash, "ref": "forged"}
        forged["hash"] = hash_of(type(second)(**forged))
        columns = ", ".join(forged)
        values = ", ".join(f":{name}" for name in forged)
        conn.execute(text(f"INSERT INTO entry ({columns}) VALUES ({values})"), forged)
    found = faults(ledger)
    assert ("acme", FaultKind.REORDERED, 4) in found
    assert ("acme", FaultKind.INSERTED, 5) in found


def _fields(entry):
    return {name: getattr(entry, name) for name in entry.__struct_fields__}
