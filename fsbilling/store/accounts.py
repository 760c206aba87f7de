"""Accounts in SQL: who pays, what is free.

Order of locks everywhere in the store: the account first, then its holds, then the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, case, delete, insert, select, update

from fsbilling.credit.account import Account, Mode, Standing
from fsbilling.credit.limits import Limits
from fsbilling.errors import Refused
from fsbilling.ledger.chain import GENESIS
from fsbilling.money import MAX_MICROS, format_micros
from fsbilling.store.account_rows import ACCOUNTS, FREE, STANDINGS, accounts_of, standing_of
from fsbilling.store.batches import in_batches
from fsbilling.store.insert import insert_once
from fsbilling.store.prepared import Asked, Prepared
from fsbilling.store.schema import account, account_tariff, tariff
from fsbilling.store.text import clean, storable

SERVICES = frozenset({"400", "outbound"})

_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")

_BY_CODE = ACCOUNTS.where(account.c.code == bindparam("of_code"))
_FIND = Prepared(_BY_CODE)
_LOCK = Prepared(_BY_CODE.with_for_update(of=account))
_CHANGE_HELD = Prepared(
    update(account)
    .where(account.c.id == bindparam("of_account"))
    .values(
        held_micros=account.c.held_micros + bindparam("delta_micros", type_=BigInteger),
        live_calls=account.c.live_calls + bindparam("delta_calls", type_=BigInteger),
    )
)
_SET_THROTTLE = Prepared(
    update(account)
    .where(account.c.id == bindparam("of_account"))
    .values(throttle_us=bindparam("until_us"))
)
_PAY_BACK = Prepared(
    update(account)
    .where(account.c.id == bindparam("of_account"), FREE + account.c.overdraft_micros > 0)
    .values(overdraft_micros=case((FREE < 0, -FREE), else_=0))
)
_REVISE = (
    update(account)
    .where(account.c.id == bindparam("account_id"))
    .values(revision=account.c.revision + 1)
)
_STANDINGS = STANDINGS.where(account.c.code.in_(bindparam("codes", expanding=True)))


def add(
    conn: Connection,
    *,
    code: str,
    mode: Mode,
    credit_limit_micros: int = 0,
    currency: str = "CNY",
    tariffs: Mapping[str, str] | None = None,
    at_us: int,
) -> Account | Refused:
    """Open an account with a balance of zero.

    Refused: `bad_code`, `bad_currency`, `bad_credit_limit`, `account_exists`,
    `unknown_service`, `unknown_tariff`. After a refusal roll back: the account may be there
    without its tariffs.
    """
    if not _CODE.fullmatch(code):
        return Refused("bad_code", "an account's code is 1 to 64 of A-Z a-z 0-9 . _ -")
    if not _CURRENCY.fullmatch(currency):
        return Refused("bad_currency", f"{currency!r} is not a currency; write it like CNY")
    if refusal := _refuse_limit(mode, credit_limit_micros):
        return refusal
    for service, name in (tariffs or {}).items():
        if refusal := _refuse_tariff(conn, service, name):
            return refusal
    row = {
        "code": code,
        "mode": mode,
        "currency": currency,
        "balance_micros": 0,
        "credit_limit_micros": credit_limit_micros,
        "held_micros": 0,
        "suspended": False,
        "last_seq": 0,
        "last_hash": GENESIS,
        "created_us": at_us,
        "revision": 0,
        "live_calls": 0,
        "throttle_us": 0,
        "time_zone": Limits().time_zone,
        "overdraft_micros": 0,
    }
    if not insert_once(conn, account, row):
        return Refused("account_exists", f"there is an account {code} already")
    for service, name in (tariffs or {}).items():
        set_tariff(conn, code, service, name)
    return _known(conn, code)


def find(conn: Connection, code: str) -> Account | None:
    """The account as this transaction sees it."""
    return locked(_FIND.rows(conn, {"of_code": code})) if storable(code) else None


def lock(conn: Connection, code: str) -> Account | None:
    """The account, kept from every other transaction until this one ends."""
    return locked(_LOCK.rows(conn, {"of_code": code})) if storable(code) else None


def locking(code: str) -> Asked:
    """Say what `lock` asks, for `together`; no row has a code that cannot be stored."""
    return _LOCK, {"of_code": clean(code)}


def locked(rows: Iterable[Row[Any]]) -> Account | None:
    """Give what that answers."""
    return next(iter(accounts_of(rows)), None)


def list_all(conn: Connection) -> list[Account]:
    """Every account, by code."""
    return accounts_of(conn.execute(ACCOUNTS))


def with_outage_limit(conn: Connection) -> list[Account]:
    """Every account whose calls may start while the database is out, by code."""
    return accounts_of(conn.execute(ACCOUNTS.where(account.c.outage_limit_micros > 0)))


def with_overdraft(conn: Connection) -> list[Account]:
    """Every account that calls of an outage may have taken beyond its limit, by code."""
    return accounts_of(conn.execute(ACCOUNTS.where(account.c.overdraft_micros > 0)))


def set_suspended(conn: Connection, code: str, suspended: bool) -> bool:  # noqa: FBT001
    """Stop all calls or allow them; False when there is no such account."""
    if not storable(code):
        return False
    done = conn.execute(
        update(account)
        .where(account.c.code == code)
        .values(suspended=suspended, revision=account.c.revision + 1)
    )
    return done.rowcount == 1


def set_credit_limit(conn: Connection, code: str, micros: int) -> Account | Refused:
    """Change how far below zero the balance may go.

    Refused: `unknown_account`, `bad_credit_limit`, `limit_in_use` (less than what is owed and
    held now: DESIGN rule 1).
    """
    found = lock(conn, code)
    if found is None:
        return unknown(code)
    if refusal := _refuse_limit(found.mode, micros):
        return refusal
    used_micros = found.held_micros - found.balance_micros
    if micros < min(used_micros, found.credit_limit_micros):
        return Refused(
            "limit_in_use",
            f"{code} owes or holds {format_micros(used_micros)} now; the limit cannot be lower",
        )
    conn.execute(
        update(account).where(account.c.id == found.account_id).values(credit_limit_micros=micros)
    )
    revise(conn, found.account_id)
    return _known(conn, code)


def set_tariff(conn: Connection, code: str, service: str, name: str) -> Refused | None:
    """Price the account's new calls of `service` (`"400"`, `"outbound"`) by tariff `name`.

    Refused: `unknown_account`, `unknown_service`, `unknown_tariff`.
    """
    found = lock(conn, code)
    if found is None:
        return unknown(code)
    if refusal := _refuse_tariff(conn, service, name):
        return refusal
    key = {"account_id": found.account_id, "service": service}
    conn.execute(delete(account_tariff).filter_by(**key))
    conn.execute(insert(account_tariff).values(**key, tariff=name))
    return None


def change_held(
    conn: Connection, account_id: int, delta_micros: int, *, delta_calls: int = 0
) -> None:
    """Add to what is held and to the live calls (subtract, when negative).

    The transaction fails, by the table's own check, rather than break DESIGN rule 1.
    """
    change = {
        "of_account": account_id,
        "delta_micros": delta_micros,
        "delta_calls": delta_calls,
    }
    _CHANGE_HELD.later(conn, change)


def revise(conn: Connection, account_id: int) -> None:
    """Note a change that is not a call's own, so that every daemon tells its live calls."""
    conn.execute(_REVISE, {"account_id": account_id})


def set_throttle(conn: Connection, account_id: int, throttle_us: int) -> None:
    """Note until when the account's calls per second are used up (`credit.throttle`)."""
    _SET_THROTTLE.later(conn, {"of_account": account_id, "until_us": throttle_us})


def pay_back(conn: Connection, account_id: int) -> None:
    """Lower what an outage let the account owe to what it owes now."""
    _PAY_BACK.later(conn, {"of_account": account_id})


def set_overdraft(conn: Connection, account_id: int, micros: int) -> None:
    """Let the account be so far beyond its limit: only calls of an outage take it there."""
    conn.execute(update(account).where(account.c.id == account_id).values(overdraft_micros=micros))


def standings(conn: Connection, codes: Sequence[str]) -> Iterator[Standing]:
    """How these accounts stand now: small enough to be asked every half second."""
    for some in in_batches(codes):
        yield from map(standing_of, conn.execute(_STANDINGS, {"codes": some}))


def unknown(code: str) -> Refused:
    """What to answer when nobody has this code."""
    return Refused("unknown_account", f"there is no account {code}; see: fsbilling account list")


def _refuse_limit(mode: Mode, credit_limit_micros: int) -> Refused | None:
    if mode is Mode.PREPAID and credit_limit_micros:
        return Refused("bad_credit_limit", "a prepaid account has no credit limit")
    if not 0 <= credit_limit_micros <= MAX_MICROS:
        return Refused("bad_credit_limit", "the credit limit is out of range")
    return None


def _refuse_tariff(conn: Connection, service: str, name: str) -> Refused | None:
    if service not in SERVICES:
        return Refused("unknown_service", f"{service!r} is not a service: 400 or outbound")
    if not storable(name) or not conn.execute(select(tariff).filter_by(name=name)).first():
        return Refused(
            "unknown_tariff",
            f"there is no tariff {name!r}; first: fsbilling rates import {name} FILE.csv",
        )
    return None


def _known(conn: Connection, code: str) -> Account:
    return accounts_of(_FIND.rows(conn, {"of_code": code}))[0]
