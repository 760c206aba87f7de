"""Who pays for which number and which line.

A number is a 400 number, as ten digits. A line is what an outbound call is recognised by, as
kind (user, gateway, ip, accountcode) and value.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import msgspec
from sqlalchemy import Connection, and_, bindparam, case, delete, or_, select

from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.store import accounts
from fsbilling.store.account_rows import ACCOUNTS, accounts_of
from fsbilling.store.insert import insert_once
from fsbilling.store.prepared import Prepared
from fsbilling.store.schema import account as payer
from fsbilling.store.schema import line as line_table
from fsbilling.store.schema import number as number_table
from fsbilling.store.text import storable


class NumberRow(msgspec.Struct, frozen=True):
    """A 400 number: the code of the account that pays, and the dial string it leads to."""

    number: str
    account: str
    target: str


class LineRow(msgspec.Struct, frozen=True):
    """A line, and the code of the account that pays for it."""

    kind: str
    value: str
    account: str


_NUMBERS = (
    select(number_table.c.number, payer.c.code, number_table.c.target)
    .select_from(number_table.join(payer))
    .order_by(number_table.c.number)
)
_OF_NUMBER = number_table.c.number == bindparam("of_number")
_NUMBER = Prepared(_NUMBERS.where(_OF_NUMBER))
_LOCK_OWNER = Prepared(
    ACCOUNTS.add_columns(number_table.c.target)
    .join(number_table, number_table.c.account_id == payer.c.id)
    .where(_OF_NUMBER)
    .with_for_update(of=payer)
)
_LINES = (
    select(line_table.c.kind, line_table.c.value, payer.c.code)
    .select_from(line_table.join(payer))
    .order_by(line_table.c.kind, line_table.c.value)
)


def add_number(conn: Connection, number: str, account: str, target: str) -> Refused | None:
    """Give a 400 number to an account. Refused: `unknown_account`, `bad_target`, `number_taken`."""
    owner = accounts.find(conn, account)
    if owner is None:
        return accounts.unknown(account)
    if not target or not storable(target):
        return Refused("bad_target", "a target is a dial string, such as user/1001")
    row = {"number": number, "account_id": owner.account_id, "target": target}
    if insert_once(conn, number_table, row):
        return None
    return Refused("number_taken", f"{number} belongs to an account already")


def remove_number(conn: Connection, number: str) -> bool:
    """Take a 400 number from its account; False when nobody has it."""
    return conn.execute(delete(number_table).filter_by(number=number)).rowcount == 1


def number(conn: Connection, digits: str) -> NumberRow | None:
    """Who owns a 400 number, and where it leads."""
    if not storable(digits):
        return None
    row = _NUMBER.first(conn, {"of_number": digits})
    return None if row is None else NumberRow(*row)


def lock_owner(conn: Connection, digits: str) -> tuple[Account, str] | None:
    """Lock the account that owns a 400 number (`accounts.lock`); give it, and the target."""
    rows = _LOCK_OWNER.rows(conn, {"of_number": digits}) if storable(digits) else []
    return (accounts_of(rows)[0], rows[0].target) if rows else None


def numbers(conn: Connection, account: str | None = None) -> list[NumberRow]:
    """Every 400 number, of one account or of all."""
    query = _NUMBERS if account is None else _NUMBERS.where(payer.c.code == account)
    return [NumberRow(*row) for row in conn.execute(query)]


def add_line(conn: Connection, kind: str, value: str, account: str) -> Refused | None:
    """Give a line to an account. Refused: `unknown_account`, `bad_line`, `line_taken`."""
    owner = accounts.find(conn, account)
    if owner is None:
        return accounts.unknown(account)
    if not value or not storable(value):
        return Refused("bad_line", "a line is KIND:VALUE, such as user:1001")
    row = {"kind": kind, "value": value, "account_id": owner.account_id}
    if insert_once(conn, line_table, row):
        return None
    return Refused("line_taken", f"{kind}:{value} belongs to an account already")


def remove_line(conn: Connection, kind: str, value: str) -> bool:
    """Take a line from its account; False when nobody has it."""
    return conn.execute(delete(line_table).filter_by(kind=kind, value=value)).rowcount == 1


def line(conn: Connection, kind: str, value: str) -> str | None:
    """The code of the account that pays for a line."""
    if not storable(kind) or not storable(value):
        return None
    query = _LINES.where(line_table.c.kind == kind, line_table.c.value == value)
    row = conn.execute(query).first()
    return None if row is None else row.code


def lock_line_owner(conn: Connection, candidates: Iterable[tuple[str, str]]) -> Account | None:
    """Lock the account that owns the first of some (kind, value) that anybody owns; give it.

    There are at most as many as kinds of lines.
    """
    keys = [(kind, value) for kind, value in candidates if storable(kind) and storable(value)]
    if not keys:
        return None
    values: dict[str, str] = {}
    for place, (kind, value) in enumerate(keys):
        values |= {f"kind_{place}": kind, f"value_{place}": value}
    return accounts.locked(_lock_line_owner(len(keys)).rows(conn, values))


@cache
def _lock_line_owner(candidates: int) -> Prepared:
    is_candidate = [
        and_(
            line_table.c.kind == bindparam(f"kind_{place}"),
            line_table.c.value == bindparam(f"value_{place}"),
        )
        for place in range(candidates)
    ]
    places = [(each, place) for place, each in enumerate(is_candidate)]
    first = select(line_table.c.account_id).where(or_(*is_candidate)).order_by(case(*places))
    return Prepared(
        ACCOUNTS.where(payer.c.id == first.limit(1).scalar_subquery()).with_for_update(of=payer)
    )


def lines(conn: Connection, account: str | None = None) -> list[LineRow]:
    """Every line, of one account or of all."""
    query = _LINES if account is None else _LINES.where(payer.c.code == account)
    return [LineRow(*row) for row in conn.execute(query)]
