"""Settle a month anew, after calls of it were corrected: whole, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from fsbilling.billing.caps import month_allows, spend_in_month
from fsbilling.billing.foretold import Foretold
from fsbilling.billing.month_due import Due, month_due
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.volume_month import VolumeMonth
from fsbilling.calls.cdr import HungUpBy
from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.ledger.entry import EntryKind
from fsbilling.ledger.level_ref import anew_ref
from fsbilling.money import format_micros
from fsbilling.store import accounts, entries
from fsbilling.store.entries import Draft


def settle_anew(
    conn: Connection,
    book: TariffBook,
    account: Account,
    month: VolumeMonth,
    *,
    at_us: int,
    now_us: int,
    foretold: Foretold | None = None,
) -> list[Due] | Refused:
    """Post what a month's adjustments lack, one entry for each version; give what that was.

    The caller has locked the account in this transaction, and `account` is as it is now. What is
    to be charged in all is posted whole, or not at all when it is more than the account has free
    (DESIGN rule 1) or than its monthly cap leaves. A second time nothing is due. With `foretold`,
    a dry run's, nothing is written: it is noted there.

    Refused: `no_credit`, `monthly_cap`, and as `month_due`, which also says what is raised.
    """
    due = month_due(conn, book, account, month, at_us=at_us, foretold=foretold)
    if isinstance(due, Refused) or not due:
        return due
    refused = _objection(conn, account, month, due, foretold)
    if refused is not None:
        return refused
    if foretold is None:
        _post(conn, account, month, due, now_us)
    else:
        micros = {each.version: each.adjustment.amount_micros for each in due}
        foretold.adjust(account, month, micros)
    return due


def total_micros(due: Sequence[Due]) -> int:
    """Add up what is charged (negative: given back)."""
    return sum(each.adjustment.amount_micros for each in due)


def _objection(
    conn: Connection,
    account: Account,
    month: VolumeMonth,
    due: Sequence[Due],
    foretold: Foretold | None,
) -> Refused | None:
    micros = total_micros(due)
    more_micros = foretold.spent_in_micros(account, month.month) if foretold else 0
    allowed = month_allows(conn, account, month.month, more_micros)
    if micros <= max(allowed.free_micros, 0):
        return None
    extra = format_micros(micros)
    if allowed.bound is HungUpBy.CREDIT:
        todo = f"is not free; top up account {account.code} and run again"
        return Refused("no_credit", f"{extra} more {todo}")
    todo = f"fsbilling account set {account.code} --monthly-cap and run again"
    return Refused("monthly_cap", f"{extra} more is beyond the monthly cap; {todo}")


def _post(
    conn: Connection, account: Account, month: VolumeMonth, due: Sequence[Due], now_us: int
) -> None:
    drafts = [
        Draft(
            kind=EntryKind.ADJUSTMENT,
            amount_micros=-each.adjustment.amount_micros,
            ref=anew_ref(month.tariff, month.month, each.version, each.anew + 1),
            note=each.adjustment.explanation,
        )
        for each in due
    ]
    entries.post_all(conn, account.account_id, drafts, now_us)
    spend_in_month(conn, account, month.month, total_micros(due))
    accounts.revise(conn, account.account_id)
