"""What reaching a level of a `volume` tariff changes for the calls before: one ledger entry.

A call costs what the level at its start asks. When the month's volume reaches a level, the
difference that it makes to all earlier calls is posted. A call that was under way meanwhile
has started on the level before: its own difference is posted when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from fsbilling.billing.caps import month_allows, spend_in_month
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.parties import parties
from fsbilling.credit.account import Account
from fsbilling.ledger.entry import LEVEL_REF, EntryKind
from fsbilling.money import format_micros
from fsbilling.rating.month import Adjustment, Settled, volume_adjustment
from fsbilling.rating.plan import LevelMode
from fsbilling.rating.price import price
from fsbilling.rating.tariff import NO_VOLUME, Tariff, Volume
from fsbilling.store import cdrs, entries


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
    and the entry says so; the next level that is reached asks for it again.
    """
    if tariff.level_at(after) != tariff.level_at(before):
        due = _month_at_level(conn, book, account, cdr, volume=after, now_us=now_us)
    else:
        due = _call_at_level(tariff, cdr, after)
    free_micros = month_allows(conn, account, cdr.created_us)
    for version, adjustment in due:
        micros = min(adjustment.amount_micros, free_micros)
        if not micros:
            continue
        free_micros -= micros
        spend_in_month(conn, account, cdr.created_us, micros)
        entries.post(
            conn,
            account.account_id,
            kind=EntryKind.ADJUSTMENT,
            amount_micros=-micros,
            ref=f"{_ref_start(cdr, version)}{cdr.switch}/{cdr.uuid}",
            note=_note(adjustment, micros),
            at_us=now_us,
        )


def counts_volume(tariff: Tariff) -> bool:
    """Tell whether reaching a level changes what earlier calls cost."""
    levels = tariff.plan.levels
    return levels is not None and levels.mode is LevelMode.VOLUME


def _month_at_level(
    conn: Connection,
    book: TariffBook,
    account: Account,
    cdr: Cdr,
    *,
    volume: Volume,
    now_us: int,
) -> Iterator[tuple[int, Adjustment]]:
    """Give for each version that priced calls of this month what they come to now.

    A version that took over in mid-month prices its own calls: the others keep theirs.
    """
    by_version: dict[int, list[Settled]] = {}
    month = cdrs.settled(conn, account=account.code, tariff=cdr.tariff, month=cdr.month)
    for version, settled in month:
        by_version.setdefault(version, []).append(settled)
    for version, calls in by_version.items():
        tariff = book.numbered(cdr.tariff, version, now_us)
        if tariff is None:
            continue
        ref_start = _ref_start(cdr, version)
        posted_micros = entries.posted_micros(
            conn, account.account_id, EntryKind.ADJUSTMENT, ref_start
        )
        earlier = Adjustment(0, 0, -posted_micros, "")
        adjustment = volume_adjustment(tariff, calls, NO_VOLUME, volume, [earlier])
        if adjustment is not None:
            yield version, adjustment


def _call_at_level(tariff: Tariff, cdr: Cdr, volume: Volume) -> Iterator[tuple[int, Adjustment]]:
    """Give what a call differs by that started before the level was reached, and ended after."""
    terms = tariff.terms(*parties(cdr), cdr.answered_us, volume)
    if terms is None:
        return
    due = price(terms, cdr.answered_us, cdr.duration_us, cdr.included_s)
    asked_micros = cdr.charge_micros + cdr.waived_micros
    amount_micros = due.amount_micros - asked_micros
    if amount_micros and tariff.plan.levels:
        level = tariff.level_at(volume)
        explanation = (
            f"{tariff.name} v{tariff.version}: the month reached {level} {tariff.plan.levels.of} "
            f"during this call: at that level {format_micros(due.amount_micros)} "
            f"- charged {format_micros(asked_micros)} = {format_micros(amount_micros)}"
        )
        yield tariff.version, Adjustment(level, 1, amount_micros, explanation)


def _note(adjustment: Adjustment, micros: int) -> str:
    if micros == adjustment.amount_micros:
        return adjustment.explanation
    return f"{adjustment.explanation}; only {format_micros(micros)} of it, no more credit is free"


def _ref_start(cdr: Cdr, version: int) -> str:
    return f"{LEVEL_REF}{cdr.tariff}/{cdr.month}/v{version}/"
