"""Pay for the next slice of a live call: commit first, then the call may use it (rule 2)."""

from __future__ import annotations

import structlog

from fsbilling.billing.caps import allowed_to, spend
from fsbilling.calls.event import RenewalUnknown, Renewed
from fsbilling.calls.session import Session
from fsbilling.credit.slice import Grant, next_grant
from fsbilling.errors import StoreError
from fsbilling.store import holds
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold

log = structlog.get_logger(__name__)


def renew(
    db: Database, session: Session, *, slice_s: int, now_us: int, seen_us: int
) -> Renewed | RenewalUnknown:
    """Raise the hold by one slice of package or credit, or say that there is none.

    `seen_us` is the call's last sign of life, kept beside the hold for the day it is missed.

    One transaction with the account's row locked, so that calls on other daemons wait their
    turn. After it, `balance + credit_limit - held >= 0` still (DESIGN rule 1), and no second of
    the package is held twice.
    """
    call = session.call
    try:
        with db.write() as conn:
            locked = holds.lock(conn, call, session.terms.tariff)
            account, held = locked.account, locked.held
            if account is None or account.suspended:
                return _unchanged(session, now_us)
            allowed = allowed_to(conn, account, call.created_us)
            longest_s = account.limits.max_call_s
            grant = next_grant(
                session.terms,
                answered_us=session.answered_us,
                granted_s=session.granted_s,
                held_micros=session.held_micros,
                free_micros=allowed.free_micros,
                live_calls=account.live_calls,
                slice_s=slice_s,
                included_s=session.included_s,
                included_free_s=locked.used.included_free_s,
                longest_s=longest_s,
            )
            if held is not None and _stands(held, session, grant):
                grant = Grant(held.granted_s, held.amount_micros, held.included_s, grant.reserve_s)
            elif grant.granted_s > session.granted_s:
                delta_micros = holds.renew(
                    conn,
                    call.switch,
                    call.uuid,
                    amount_micros=grant.held_micros,
                    included_s=grant.included_s,
                    granted_s=grant.granted_s,
                    timer_seq=session.timer_seq + 1,
                    seen_us=max(seen_us, session.answered_us),
                    held=held,
                )
                spend(conn, account, call.created_us, delta_micros)
    except StoreError as fault:
        log.error("renewal unknown", call_uuid=call.uuid, account=call.account, fault=str(fault))
        return RenewalUnknown(now_us)
    log.debug(
        "renewed",
        call_uuid=call.uuid,
        account=call.account,
        granted_s=grant.granted_s,
        held_micros=grant.held_micros,
        included_s=grant.included_s,
        reserve_s=grant.reserve_s,
    )
    return Renewed(
        now_us=now_us,
        granted_s=grant.granted_s,
        held_micros=grant.held_micros,
        reserve_s=grant.reserve_s,
        included_s=grant.included_s,
        bound=allowed.bound_of(grant.granted_s, longest_s),
    )


def _stands(held: Hold, session: Session, grant: Grant) -> bool:
    """Tell whether more is held already under the next timer's number than would be now.

    It was renewed before, and the answer lost; or by another daemon, when this one is off duty
    and does not know: the seconds are granted, and never taken back here.
    """
    return held.timer_seq == session.timer_seq + 1 and held.granted_s > grant.granted_s


def _unchanged(session: Session, now_us: int) -> Renewed:
    return Renewed(now_us, session.granted_s, session.held_micros, 0, session.included_s)
