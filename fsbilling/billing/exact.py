"""Correct a call that was billed to its last sign of life, once its real end is known."""

from __future__ import annotations

import msgspec

from fsbilling.billing.correction import Correction
from fsbilling.calls.cdr import PRICE_FIELDS, Cdr, EndSource
from fsbilling.calls.event import HungUp
from fsbilling.calls.settlement import repriced_cdr
from fsbilling.credit.account import Account
from fsbilling.rating.terms import Terms
from fsbilling.store import accounts, cdrs, entries, revisions, tariffs
from fsbilling.store.engine import Database


def make_exact(db: Database, estimated: Cdr, ending: HungUp, *, now_us: int) -> Cdr | None:
    """Put the exact end in the place of an estimate; None when there is no estimate (any more).

    In one transaction: the record's new end, its new price as the next revision, a reversal of
    what was charged and the right charge. Never more is charged than the account has free
    (DESIGN rule 1); the rest is waived, and shown. Raises StoreError.
    """
    with db.write() as conn:
        account = accounts.lock(conn, estimated.account)
        found = cdrs.find(conn, estimated.uuid, estimated.switch)
        rate = tariffs.find_rate(conn, estimated.rate_id)
        if account is None or rate is None or not found:
            return None
        (before,) = found
        if before.end_source is not EndSource.ESTIMATE:
            return None
        terms = Terms(tariff=before.tariff, version=before.tariff_version, rate=rate)
        after = _exact(before, terms, ending, account)
        if after.revision != before.revision:
            revisions.replace(conn, [(before, after)], now_us)
        cdrs.make_exact(conn, after)
        drafts = Correction(0, before, after).drafts()
        entries.post_all(conn, account.account_id, drafts, now_us)
    return after


def _exact(before: Cdr, terms: Terms, ending: HungUp, account: Account) -> Cdr:
    answered_us = before.answered_us or ending.answered_us
    ended = msgspec.structs.replace(
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
    limit_micros = before.charge_micros
    if not before.waived_micros:
        # Where the hold had run out, what was beyond it stays waived.
        limit_micros += account.free_micros
    after = repriced_cdr(ended, terms, limit_micros)
    is_same_price = all(getattr(after, name) == getattr(before, name) for name in PRICE_FIELDS)
    return after if is_same_price else msgspec.structs.replace(after, revision=before.revision + 1)
