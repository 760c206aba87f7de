"""Twin of `fsbilling.store.accounts`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from fsbilling.credit.account import Account, Mode, Standing
from fsbilling.errors import Refused
from fsbilling.store.accounts import unknown

from .books import Transaction, check


def add(
    conn: Transaction,
    *,
    code: str,
    mode: Mode,
    credit_limit_micros: int = 0,
    currency: str = "CNY",
    tariffs: Mapping[str, str] | None = None,
    at_us: int,
) -> Account | Refused:
    if code in conn.books.accounts:
        return Refused("account_exists", f"there is an account {code} already")
    account = Account(
        account_id=len(conn.books.accounts) + 1,
        code=code,
        mode=mode,
        currency=currency,
        balance_micros=0,
        credit_limit_micros=credit_limit_micros,
        held_micros=0,
        suspended=False,
        tariffs=dict(tariffs or {}),
        created_us=at_us,
    )
    conn.put(conn.books.accounts, code, account)
    conn.put(conn.books.codes, account.account_id, code)
    return account


def find(conn: Transaction, code: str) -> Account | None:
    return conn.books.accounts.get(code)


def lock(conn: Transaction, code: str) -> Account | None:
    account = conn.books.accounts.get(code)
    if account is not None:
        conn.lock(account.account_id)
    return account


def list_all(conn: Transaction) -> list[Account]:
    return sorted(conn.books.accounts.values(), key=lambda account: account.code)


def with_outage_limit(conn: Transaction) -> list[Account]:
    return [each for each in list_all(conn) if each.limits.outage_limit_micros]


def with_overdraft(conn: Transaction) -> list[Account]:
    return [each for each in list_all(conn) if each.overdraft_micros]


def set_suspended(conn: Transaction, code: str, suspended: bool) -> bool:
    account = conn.books.accounts.get(code)
    if account is not None:
        keep(conn, replace(account, suspended=suspended, revision=account.revision + 1))
    return account is not None


def set_credit_limit(conn: Transaction, code: str, micros: int) -> Account | Refused:
    account = lock(conn, code)
    if account is None:
        return unknown(code)
    if micros < account.held_micros - account.balance_micros:
        return Refused("limit_in_use")
    return keep(conn, replace(account, credit_limit_micros=micros, revision=account.revision + 1))


def change_held(
    conn: Transaction, account_id: int, delta_micros: int, *, delta_calls: int = 0
) -> None:
    conn.need_lock(account_id)
    account = _numbered(conn, account_id)
    changed = replace(
        account,
        held_micros=account.held_micros + delta_micros,
        live_calls=account.live_calls + delta_calls,
    )
    keep(conn, changed)


def revise(conn: Transaction, account_id: int) -> None:
    account = _numbered(conn, account_id)
    keep(conn, replace(account, revision=account.revision + 1))


def set_throttle(conn: Transaction, account_id: int, throttle_us: int) -> None:
    keep(conn, replace(_numbered(conn, account_id), throttle_us=throttle_us))


def set_overdraft(conn: Transaction, account_id: int, micros: int) -> None:
    keep(conn, replace(_numbered(conn, account_id), overdraft_micros=micros))


def pay_back(conn: Transaction, account_id: int) -> None:
    account = _numbered(conn, account_id)
    if account.free_micros + account.overdraft_micros > 0:
        set_overdraft(conn, account_id, max(-account.free_micros, 0))


def standings(conn: Transaction, codes: Sequence[str]) -> Iterator[Standing]:
    for account in filter(None, map(conn.books.accounts.get, codes)):
        yield Standing(
            account_id=account.account_id,
            code=account.code,
            revision=account.revision,
            suspended=account.suspended,
            live_calls=account.live_calls,
            free_micros=account.free_micros,
            limits=account.limits,
        )


def _numbered(conn: Transaction, account_id: int) -> Account:
    return conn.books.accounts[conn.books.codes[account_id]]


def keep(conn: Transaction, account: Account) -> Account:
    """Put a row in the place of the account's last one, as far as the table allows it."""
    check(account.free_micros + account.overdraft_micros >= 0, "no_overspend")
    check(account.overdraft_micros >= 0, "overdraft")
    check(account.held_micros >= 0, "held")
    conn.put(conn.books.accounts, account.code, account)
    return account
