"""The last act: what a call's CDR says and costs."""

from __future__ import annotations

from typing import Any

import msgspec

from fsbilling.calls.call import Call
from fsbilling.calls.cause import ALLOTTED_TIMEOUT, MANAGER_REQUEST
from fsbilling.calls.cdr import Cdr, EndSource, HungUpBy
from fsbilling.calls.event import HungUp
from fsbilling.calls.session import Session
from fsbilling.errors import Refused
from fsbilling.rating.price import Charge, explain, price
from fsbilling.rating.terms import Terms


def settled_cdr(session: Session, ending: HungUp) -> Cdr:
    """Price a finished call, the package's seconds in its hold first.

    Duration is hang-up minus answer in the switch's microseconds (DESIGN rule 6). The charge is
    never more than the hold (rule 1): what the rate asks beyond it is waived, and shown.
    """
    answered_us = session.answered_us
    duration_us = max(ending.ended_us - answered_us, 0) if answered_us else 0
    charge = price(session.terms, answered_us, duration_us, session.included_s)
    return Cdr(
        **_who(session.call),
        progress_us=(session.left or ending).progress_us,
        answered_us=answered_us,
        ended_us=ending.ended_us,
        end_source=ending.source,
        duration_us=duration_us,
        **_cost(session.terms, charge, session.held_micros),
        refusal="",
        hangup_cause=ending.cause,
        sip_cause=ending.sip_cause,
        hung_up_by=_ended_by(session, ending),
        last_leg_uuid=ending.leg_uuid,
    )


def repriced_cdr(cdr: Cdr, terms: Terms, limit_micros: int | None) -> Cdr:
    """Price a recorded call again, on other terms; what happened stays as it is.

    `limit_micros` is the most it may be charged, None without a limit; the rest is waived. The
    package pays for no more of it than it did.
    """
    charge = price(terms, cdr.answered_us, cdr.duration_us, cdr.included_s)
    return msgspec.structs.replace(cdr, **_cost(terms, charge, limit_micros))


def ending_of(cdr: Cdr) -> HungUp:
    """Give back the end that a record was priced by."""
    return HungUp(
        leg_uuid=cdr.last_leg_uuid,
        ended_us=cdr.ended_us,
        answered_us=cdr.answered_us,
        progress_us=cdr.progress_us,
        cause=cdr.hangup_cause,
        sip_cause=cdr.sip_cause,
        by=cdr.hung_up_by,
        source=cdr.end_source,
    )


def refused_cdr(call: Call, refused: Refused, *, cause: str, at_us: int) -> Cdr:
    """Record an attempt that was not let through: "why was my call refused?" has an answer."""
    return Cdr(
        **_who(call),
        progress_us=0,
        answered_us=0,
        ended_us=at_us,
        end_source=EndSource.NONE,
        duration_us=0,
        billed_s=0,
        charge_micros=0,
        waived_micros=0,
        tariff="",
        tariff_version=0,
        rate_id=0,
        price_micros_per_min=0,
        explanation=str(refused),
        refusal=refused.reason,
        hangup_cause=cause,
        sip_cause="",
        hung_up_by=HungUpBy.SWITCH,
        last_leg_uuid=call.uuid,
    )


def _cost(terms: Terms, charge: Charge, limit_micros: int | None) -> dict[str, Any]:
    """Give the fields of `PRICE_FIELDS`."""
    amount_micros = charge.amount_micros
    charge_micros = amount_micros if limit_micros is None else min(amount_micros, limit_micros)
    return {
        "billed_s": charge.billed_s,
        "included_s": charge.included_s,
        "charge_micros": charge_micros,
        "waived_micros": amount_micros - charge_micros,
        "tariff": terms.tariff,
        "tariff_version": terms.version,
        "rate_id": charge.rate.rate_id,
        "price_micros_per_min": charge.rate.rate_micros_per_min,
        "explanation": explain(terms, charge),
    }


def _who(call: Call) -> dict[str, Any]:
    return msgspec.structs.asdict(call)


def _ended_by(session: Session, ending: HungUp) -> HungUpBy:
    if ending.cause == ALLOTTED_TIMEOUT:
        return session.bound
    if ending.cause == MANAGER_REQUEST:
        return HungUpBy.OPERATOR
    return ending.by
