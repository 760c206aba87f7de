"""Twin of `fsbilling.store.directory`."""

from __future__ import annotations

from collections.abc import Iterable

from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.store.accounts import unknown
from fsbilling.store.directory import LineRow, NumberRow

from . import accounts
from .books import Transaction


def add_number(conn: Transaction, number: str, account: str, target: str) -> Refused | None:
    if account not in conn.books.accounts:
        return unknown(account)
    if number in conn.books.numbers:
        return Refused("number_taken", f"{number} belongs to an account already")
    conn.put(conn.books.numbers, number, NumberRow(number, account, target))
    return None


def number(conn: Transaction, digits: str) -> NumberRow | None:
    return conn.books.numbers.get(digits)


def numbers(conn: Transaction, account: str | None = None) -> list[NumberRow]:
    rows = conn.books.numbers.values()
    return sorted((row for row in rows if account in (None, row.account)), key=lambda r: r.number)


def lock_owner(conn: Transaction, digits: str) -> tuple[Account, str] | None:
    owned = conn.books.numbers.get(digits)
    account = accounts.lock(conn, owned.account) if owned else None
    return (account, owned.target) if owned and account else None


def add_line(conn: Transaction, kind: str, value: str, account: str) -> Refused | None:
    if account not in conn.books.accounts:
        return unknown(account)
    if (kind, value) in conn.books.lines:
        return Refused("line_taken", f"{kind}:{value} belongs to an account already")
    conn.put(conn.books.lines, (kind, value), account)
    return None


def lock_line_owner(conn: Transaction, candidates: Iterable[tuple[str, str]]) -> Account | None:
    lines = conn.books.lines
    code = next((lines[key] for key in candidates if key in lines), None)
    return None if code is None else accounts.lock(conn, code)


def lines(conn: Transaction, account: str | None = None) -> list[LineRow]:
    rows = (LineRow(kind, value, code) for (kind, value), code in conn.books.lines.items())
    return sorted(
        (row for row in rows if account in (None, row.account)), key=lambda r: (r.kind, r.value)
    )
