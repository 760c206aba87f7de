"""What reaching a level of a `volume` tariff changes for the calls before: one ledger entry.

A call costs what the level at its start asks. When the month's volume reaches a level, the
difference that it makes to all earlier calls is posted. A call that was under way meanwhile
has started on the level before: its own difference is posted when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from fsbilling.billing.caps import month_allows, spend_in_month
from fsbilling.billing.month_due import month_due
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.volume_month import VolumeMonth
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.parties import parties
from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.ledger.entry import EntryKind
from fsbilling.ledger.level_ref import LevelRef
from fsbilling.money import format_micros
from fsbilling.rating.month import Adjustment, Settled, Talk
from fsbilling.rating.price import price
from fsbilling.rating.tariff import Tariff, Volume
from fsbilling.store import entries


def adjust_to_level(
    conn: Connection,
    book: TariffBook,
    tariff: Tariff,
    account: Account,
    cdr: Cdr,
    *,
    before: Volume,
    after: Volume,
    now_us: int,
) -> None:
    """Post what the call that took the month's volume from `before` to `after` changes.

    In the transaction that settles the call; `account` is as it is after the charge. What is to
    be charged beyond its free credit (DESIGN rule 1), or beyond its monthly cap, is not posted
    and the entry says so; the next level that is reached asks for it again. A month that cannot
    be reckoned (`month_due` refuses) is left: `cdr rerate` names it.
    """
    if tariff.level_at(after) != tariff.level_at(before):
        due = _month_at_level(conn, book, account, cdr, now_us=now_us)
    else:
        due = _call_at_level(tariff, cdr, after)
    free_micros = max(month_allows(conn, account, cdr.month).free_micros, 0)
    for version, adjustment in due:
        micros = min(adjustment.amount_micros, free_micros)
        if not micros:
            continue
        free_micros -= micros
        spend_in_month(conn, account, cdr.month, micros)
        ref = LevelRef(cdr.tariff, cdr.month, version, f"{cdr.switch}/{cdr.uuid}")
        entries.post(
            conn,
            account.account_id,
            kind=EntryKind.ADJUSTMENT,
            amount_micros=-micros,
            ref=str(ref),
            note=_note(adjustment, micros),
            at_us=now_us,
        )


def _month_at_level(
    conn: Connection, book: TariffBook, account: Account, cdr: Cdr, *, now_us: int
) -> Iterator[tuple[int, Adjustment]]:
    """Give for each version of the month what its calls come to now."""
    due = month_due(conn, book, account, VolumeMonth.of(cdr), at_us=now_us)
    if not isinstance(due, Refused):
        yield from ((each.version, each.adjustment) for each in due)


def _call_at_level(tariff: Tariff, cdr: Cdr, volume: Volume) -> Iterator[tuple[int, Adjustment]]:
    """Give what a call differs by that started before the level was reached, and ended after."""
    origin, destination = parties(cdr)
    terms = tariff.terms(origin, destination, cdr.answered_us, volume)
    if terms is None:
        return
    asked = price(terms, cdr.answered_us, cdr.duration_us, cdr.included_s)
    talk = Talk(origin, destination, cdr.answered_us, cdr.duration_us)
    call = Settled(talk, cdr.included_s, cdr.charge_micros, cdr.waived_micros)
    due_micros = call.comes_to_micros(asked.amount_micros)
    amount_micros = due_micros - cdr.charge_micros
    if amount_micros and tariff.plan.levels:
        level = tariff.level_at(volume)
        explanation = (
            f"{tariff.name} v{tariff.version}: the month reached {level} {tariff.plan.levels.of} "
            f"during this call: at that level {format_micros(due_micros)} "
            f"- charged {format_micros(cdr.charge_micros)} = {format_micros(amount_micros)}"
        )
        yield tariff.version, Adjustment(level, 1, amount_micros, explanation)


def _note(adjustment: Adjustment, micros: int) -> str:
    if micros == adjustment.amount_micros:
        return adjustment.explanation
    return f"{adjustment.explanation}; only {format_micros(micros)} of it, no more credit is free"
