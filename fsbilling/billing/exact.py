"""Correct a call that was billed to its last sign of life, once its real end is known."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.correction import Correction, recount
from fsbilling.billing.resettle import settle_anew
from fsbilling.billing.tariff_book import TariffBook, terms_of
from fsbilling.billing.volume_month import VolumeMonth, may_be_adjusted
from fsbilling.calls.cdr import PRICE_FIELDS, Cdr, EndSource
from fsbilling.calls.event import HungUp
from fsbilling.calls.parties import parties
from fsbilling.calls.settlement import repriced_cdr
from fsbilling.errors import Refused
from fsbilling.rating.tariff import Volume
from fsbilling.rating.terms import Terms
from fsbilling.store import accounts, cdrs, entries, revisions
from fsbilling.store.engine import Database


class Exact(msgspec.Struct, frozen=True):
    """An estimate that was made exact.

    Attributes:
        cdr: Its record, as it is now.
        month_left: Why the month's adjustments stay as they are, though the call has changed;
            None when they are right. `cdr rerate` tries again.
    """

    cdr: Cdr
    month_left: Refused | None = None


def make_exact(
    db: Database, book: TariffBook, estimated: Cdr, ending: HungUp, *, now_us: int
) -> Exact | Refused | None:
    """Put the exact end in the place of an estimate; None when there is no estimate (any more).

    In one transaction: the record's new end, its new price as the next revision, a reversal of
    what was charged and the right charge, and what the month counts. The version that priced the
    call prices it again, and the package pays for no more of it than it did. Never more is
    charged than the account has free (DESIGN rule 1); the rest is waived, and shown. Then its
    month is settled anew, as a `volume` level may be reached now, or no longer.

    Refused: `no_tariff` and `no_rate`, as for any correction; the estimate stays. Raises
    StoreError.
    """
    with db.write() as conn:
        account = accounts.lock(conn, estimated.account)
        found = cdrs.find(conn, estimated.uuid, estimated.switch)
        if account is None or not found:
            return None
        (before,) = found
        if before.end_source is not EndSource.ESTIMATE:
            return None
        ended = _ended(before, ending)
        terms = _terms(book, ended)
        if isinstance(terms, Refused):
            return terms
        limit_micros = before.charge_micros
        if not before.waived_micros:
            # Where the hold had run out, what was beyond it stays waived.
            limit_micros += max(account.free_micros, 0)
        after = _revised(before, repriced_cdr(ended, terms, limit_micros))
        if after.revision != before.revision:
            revisions.replace(conn, [(before, after)], now_us)
        cdrs.make_exact(conn, after)
        correction = Correction(0, before, after)
        recount(conn, account, correction)
        entries.post_all(conn, account.account_id, correction.drafts(), now_us)
        accounts.revise(conn, account.account_id)
        return Exact(after, _settle_month(conn, book, after, now_us))


def _settle_month(conn: Connection, book: TariffBook, cdr: Cdr, now_us: int) -> Refused | None:
    # The correction has been posted: what is free is asked for again.
    account = accounts.lock(conn, cdr.account)
    if account is None or not may_be_adjusted(conn, cdr.tariff):
        return None
    month, at_us = VolumeMonth.of(cdr), cdr.answered_us or cdr.created_us
    due = settle_anew(conn, book, account, month, at_us=at_us, now_us=now_us)
    return due if isinstance(due, Refused) else None


def _ended(before: Cdr, ending: HungUp) -> Cdr:
    answered_us = before.answered_us or ending.answered_us
    return msgspec.structs.replace(
        before,
        answered_us=answered_us,
        progress_us=before.progress_us or ending.progress_us,
        ended_us=ending.ended_us,
        end_source=ending.source,
        duration_us=max(ending.ended_us - answered_us, 0) if answered_us else 0,
        hangup_cause=ending.cause,
        sip_cause=ending.sip_cause,
        hung_up_by=ending.by,
        last_leg_uuid=ending.leg_uuid,
    )


def _terms(book: TariffBook, cdr: Cdr) -> Terms | Refused:
    """Find the terms anew that the call was started with, by what its record says."""
    at_us = cdr.answered_us or cdr.created_us
    tariff = book.numbered(cdr.tariff, cdr.tariff_version, at_us)
    if tariff is None:
        return Refused("no_tariff", f"tariff {cdr.tariff} has no version {cdr.tariff_version}")
    volume = Volume(cdr.used_s, cdr.used_calls)
    return terms_of(tariff, *parties(cdr), at_us, volume)


def _revised(before: Cdr, after: Cdr) -> Cdr:
    """Count the revision only when the price is another."""
    is_same_price = all(getattr(after, name) == getattr(before, name) for name in PRICE_FIELDS)
    return after if is_same_price else msgspec.structs.replace(after, revision=before.revision + 1)
