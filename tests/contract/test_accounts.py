"""Accounts, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from store_samples import NOW_US, YUAN, a_hold, an_account

from fsbilling.credit.account import Account, Mode
from fsbilling.errors import Refused, StoreError
from fsbilling.store import accounts, entries, holds, tariffs


def add(conn, **fields):
    defaults = {"code": "acme", "mode": Mode.PREPAID, "at_us": NOW_US}
    return accounts.add(conn, **{**defaults, **fields})


def add_tariff(conn, name):
    tariffs.import_version(conn, name, [], valid_from_us=0, source="test", at_us=NOW_US)


def test_an_account_comes_back_as_it_was_added(db):
    with db.write() as conn:
        add_tariff(conn, "std-400")
        add_tariff(conn, "std")
        added = add(
            conn,
            code="Acme.1_x-y",
            mode=Mode.POSTPAID,
            credit_limit_micros=500 * YUAN,
            currency="HKD",
            tariffs={"400": "std-400", "outbound": "std"},
        )
    with db.read() as conn:
        found = accounts.find(conn, "Acme.1_x-y")
    assert found == added
    assert found == Account(
        account_id=found.account_id,
        code="Acme.1_x-y",
        mode=Mode.POSTPAID,
        currency="HKD",
        balance_micros=0,
        credit_limit_micros=500 * YUAN,
        held_micros=0,
        suspended=False,
        tariffs={"400": "std-400", "outbound": "std"},
        created_us=NOW_US,
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"code": ""}, "bad_code"),
        ({"code": "a b"}, "bad_code"),
        ({"code": "a\n"}, "bad_code"),
        ({"code": "x" * 65}, "bad_code"),
        ({"currency": "yuan"}, "bad_currency"),
        ({"credit_limit_micros": 1}, "bad_credit_limit"),
        ({"mode": Mode.POSTPAID, "credit_limit_micros": -1}, "bad_credit_limit"),
        ({"mode": Mode.POSTPAID, "credit_limit_micros": 2**63}, "bad_credit_limit"),
        ({"tariffs": {"800": "std"}}, "unknown_service"),
        ({"tariffs": {"400": "nowhere"}}, "unknown_tariff"),
    ],
)
def test_a_wrong_account_is_refused_and_nothing_is_added(db, fields, reason):
    with db.write() as conn:
        answer = add(conn, **fields)
        assert isinstance(answer, Refused)
        assert answer.reason == reason
        assert accounts.list_all(conn) == []


def test_a_code_is_given_once(db):
    with db.write() as conn:
        first = add(conn)
        assert add(conn, mode=Mode.POSTPAID).reason == "account_exists"
        assert accounts.find(conn, "acme") == first


@pytest.mark.parametrize("code", ["", "nobody", "a\0b", "\udc80", "' OR 1=1 --"])
def test_a_code_nobody_has_finds_nothing(db, code):
    with db.write() as conn:
        an_account(conn)
        assert accounts.find(conn, code) is None
        assert accounts.lock(conn, code) is None
        assert not accounts.set_suspended(conn, code, suspended=True)


def test_accounts_are_listed_by_code(db):
    with db.write() as conn:
        for code in ("b", "a", "c"):
            an_account(conn, code)
        assert [account.code for account in accounts.list_all(conn)] == ["a", "b", "c"]


def test_an_account_is_suspended_and_resumed(db):
    with db.write() as conn:
        an_account(conn)
        assert accounts.set_suspended(conn, "acme", suspended=True)
        assert accounts.lock(conn, "acme").suspended
        assert accounts.set_suspended(conn, "acme", suspended=False)
        assert not accounts.lock(conn, "acme").suspended


def test_a_credit_limit_cannot_go_below_what_is_owed_and_held(db):
    with db.write() as conn:
        account = an_account(conn, mode=Mode.POSTPAID, credit_limit_micros=10 * YUAN)
        entries.post(
            conn,
            account.account_id,
            kind="charge",
            amount_micros=-3 * YUAN,
            ref="sw1/x",
            note="",
            at_us=NOW_US,
        )
        holds.place(conn, a_hold(account.account_id, 2 * YUAN))
        assert accounts.set_credit_limit(conn, "acme", 5 * YUAN - 1).reason == "limit_in_use"
        assert accounts.set_credit_limit(conn, "acme", 5 * YUAN).free_micros == 0


def test_a_prepaid_account_gets_no_credit_limit(db):
    with db.write() as conn:
        an_account(conn)
        assert accounts.set_credit_limit(conn, "acme", 1).reason == "bad_credit_limit"
        assert accounts.set_credit_limit(conn, "nobody", 1).reason == "unknown_account"


def test_a_tariff_is_replaced_for_one_service_only(db):
    with db.write() as conn:
        for name in ("std", "gold"):
            add_tariff(conn, name)
        add(conn, tariffs={"400": "std", "outbound": "std"})
        assert accounts.set_tariff(conn, "acme", "400", "gold") is None
        assert accounts.find(conn, "acme").tariffs == {"400": "gold", "outbound": "std"}
        assert accounts.set_tariff(conn, "acme", "400", "a\0").reason == "unknown_tariff"
        assert accounts.set_tariff(conn, "acme", "fax", "std").reason == "unknown_service"
        assert accounts.set_tariff(conn, "nobody", "400", "std").reason == "unknown_account"


@pytest.mark.parametrize("delta_micros", [5 * YUAN + 1, -1])
def test_rule_1_the_database_itself_refuses_to_hold_what_is_not_free(db, delta_micros):
    with db.write() as conn:
        account = an_account(conn, balance_micros=5 * YUAN)
    with pytest.raises(StoreError), db.write() as conn:
        accounts.change_held(conn, account.account_id, delta_micros)
    with db.read() as conn:
        assert accounts.find(conn, "acme") == account
