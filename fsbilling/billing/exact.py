"""Correct a call that was billed to its last sign of life, once its real end is known."""

from __future__ import annotations

import msgspec

from fsbilling.calls.cdr import Cdr, EndSource
from fsbilling.calls.event import HungUp
from fsbilling.credit.account import Account
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.price import explain, price
from fsbilling.rating.terms import Terms
from fsbilling.store import accounts, cdrs, entries, tariffs
from fsbilling.store.engine import Database


def make_exact(db: Database, estimated: Cdr, ending: HungUp, *, now_us: int) -> Cdr | None:
    """Put the exact end in the place of an estimate; None when there is no estimate (any more).

    In one transaction: the record's new end and price, a reversal of what was charged and the
    right charge. What it said before stays in its explanation, and in the ledger. Never more is
    charged than the account has free (DESIGN rule 1); the rest is waived, and shown. Raises
    StoreError.
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
        cdrs.make_exact(conn, after)
        if after.charge_micros != before.charge_micros:
            ref = f"{before.switch}/{before.uuid}"
            for kind, micros, note in (
                (EntryKind.REVERSAL, before.charge_micros, f"takes back {before.explanation}"),
                (EntryKind.CHARGE, -after.charge_micros, after.explanation),
            ):
                if micros:
                    entries.post(
                        conn,
                        account.account_id,
                        kind=kind,
                        amount_micros=micros,
                        ref=ref,
                        note=note,
                        at_us=now_us,
                    )
    return after


def _exact(before: Cdr, terms: Terms, ending: HungUp, account: Account) -> Cdr:
    answered_us = before.answered_us or ending.answered_us
    duration_us = max(ending.ended_us - answered_us, 0) if answered_us else 0
    charge = price(terms, answered_us, duration_us)
    limit_micros = before.charge_micros
    if not before.waived_micros:
        # Where the hold had run out, what was beyond it stays waived.
        limit_micros += account.free_micros
    charge_micros = min(charge.amount_micros, limit_micros)
    return msgspec.structs.replace(
        before,
        answered_us=answered_us,
        progress_us=before.progress_us or ending.progress_us,
        ended_us=ending.ended_us,
        end_source=ending.source,
        duration_us=duration_us,
        billed_s=charge.billed_s,
        charge_micros=charge_micros,
        waived_micros=charge.amount_micros - charge_micros,
        explanation=f"{explain(terms, charge)}; by estimate it was {before.explanation}",
        hangup_cause=ending.cause,
        sip_cause=ending.sip_cause,
        hung_up_by=ending.by,
        last_leg_uuid=ending.leg_uuid,
    )
