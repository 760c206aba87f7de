"""Numbers and lines, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from store_samples import an_account

from fsbilling.store import accounts, directory
from fsbilling.store.directory import LineRow, NumberRow

HOSTILE = ["", "a\0b", "\udc80", "' OR '1'='1", "x" * 100_000]


@pytest.fixture
def conn(db):
    with db.write() as conn:
        for code in ("acme", "other"):
            an_account(conn, code)
        yield conn


def test_a_number_leads_to_its_owner_and_target(conn):
    assert directory.add_number(conn, "4001234567", "acme", "user/1001") is None
    assert directory.add_number(conn, "4000000000", "other", "user/1002") is None
    row = NumberRow("4001234567", "acme", "user/1001")
    assert directory.number(conn, "4001234567") == row
    assert directory.numbers(conn) == [NumberRow("4000000000", "other", "user/1002"), row]
    assert directory.numbers(conn, "acme") == [row]


def test_a_number_has_one_owner(conn):
    directory.add_number(conn, "4001234567", "acme", "user/1001")
    assert directory.add_number(conn, "4001234567", "other", "x").reason == "number_taken"
    assert directory.number(conn, "4001234567").account == "acme"
    assert directory.remove_number(conn, "4001234567")
    assert not directory.remove_number(conn, "4001234567")
    assert directory.number(conn, "4001234567") is None


def test_a_numbers_owner_is_locked_with_its_tariffs_and_the_target_told(conn):
    directory.add_number(conn, "4001234567", "acme", "user/1001")
    directory.add_number(conn, "4000000000", "acme", "user/1002")
    assert directory.lock_owner(conn, "4001234567") == (accounts.find(conn, "acme"), "user/1001")
    assert directory.lock_owner(conn, "4000000000") == (accounts.find(conn, "acme"), "user/1002")
    assert directory.lock_owner(conn, "4000000001") is None


def test_a_number_needs_an_account_and_a_target(conn):
    add = directory.add_number
    assert add(conn, "4001234567", "nobody", "x").reason == "unknown_account"
    assert add(conn, "4001234567", "acme", "").reason == "bad_target"
    assert directory.numbers(conn) == []


def test_a_line_leads_to_its_account(conn):
    assert directory.add_line(conn, "user", "1001", "acme") is None
    assert directory.add_line(conn, "ip", "10.0.0.1", "other") is None
    assert directory.line(conn, "user", "1001") == "acme"
    assert directory.line(conn, "gateway", "1001") is None
    assert directory.lines(conn, "acme") == [LineRow("user", "1001", "acme")]
    assert directory.lines(conn) == [
        LineRow("ip", "10.0.0.1", "other"),
        LineRow("user", "1001", "acme"),
    ]


def test_a_line_has_one_account(conn):
    directory.add_line(conn, "user", "1001", "acme")
    assert directory.add_line(conn, "user", "1001", "other").reason == "line_taken"
    assert directory.add_line(conn, "user", "1002", "nobody").reason == "unknown_account"
    assert directory.add_line(conn, "user", "", "acme").reason == "bad_line"
    assert directory.remove_line(conn, "user", "1001")
    assert not directory.remove_line(conn, "user", "1001")


@pytest.mark.parametrize(
    ("candidates", "owner"),
    [
        ([("user", "1001"), ("ip", "10.0.0.1")], "acme"),
        ([("ip", "10.0.0.1"), ("user", "1001")], "other"),
        ([("user", "\0"), ("accountcode", "x"), ("gateway", "1001"), ("ip", "10.0.0.1")], "other"),
        ([("ip", "1001"), ("user", "10.0.0.1")], None),
        ([("user", "\0")], None),
        ([], None),
    ],
)
def test_the_first_line_that_anybody_owns_names_the_payer(conn, candidates, owner):
    directory.add_line(conn, "user", "1001", "acme")
    directory.add_line(conn, "ip", "10.0.0.1", "other")
    locked = directory.lock_line_owner(conn, candidates)
    assert (locked.code if locked else None) == owner


@pytest.mark.parametrize("value", HOSTILE)
def test_rule_7_what_a_caller_sends_finds_nothing_and_breaks_nothing(conn, value):
    directory.add_number(conn, "4001234567", "acme", "x")
    directory.add_line(conn, "user", "1001", "acme")
    assert directory.number(conn, value) is None
    assert directory.lock_owner(conn, value) is None
    assert directory.line(conn, "user", value) is None
    assert directory.line(conn, value, "1001") is None
    assert directory.number(conn, "4001234567") is not None
