"""Calls, holds, records and rates for the store's tests: one of each, to vary by keyword."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from fsbilling.calls.call import Call
from fsbilling.calls.cdr import Cdr, EndSource, HungUpBy
from fsbilling.credit.account import Account, Mode
from fsbilling.ledger.entry import Entry
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms
from fsbilling.store import accounts, entries
from fsbilling.store.hold_rows import Hold

NOW_US = 1_795_000_000_000_000
YUAN = 1_000_000
CALLER = Number("013800138000", NumberKind.MOBILE, "8613800138000")
CALLEE = Number("4001234567", NumberKind.SERVICE_400, "4001234567")
SHENZHEN = Region("0755", "深圳", "广东")


def an_account(
    conn: Connection, code: str = "acme", *, balance_micros: int = 0, **fields: Any
) -> Account:
    """Add an account with some money in it."""
    added = accounts.add(conn, code=code, at_us=NOW_US, **{"mode": Mode.PREPAID, **fields})
    assert isinstance(added, Account), added
    if balance_micros:
        paid = entries.topup(
            conn, code, amount_micros=balance_micros, ref=f"first-{code}", at_us=NOW_US
        )
        assert isinstance(paid, Entry), paid
    found = accounts.find(conn, code)
    assert found is not None
    return found


def a_call(**fields: Any) -> Call:
    """Make up a call to a 400 number."""
    defaults = {
        "switch": "sw1",
        "uuid": str(uuid4()),
        "core_uuid": "core-1",
        "account": "acme",
        "service": "400",
        "direction": "inbound",
        "caller": CALLER,
        "callee": CALLEE,
        "caller_region": SHENZHEN,
        "callee_region": UNKNOWN_REGION,
        "rated_caller": CALLER,
        "rated_caller_region": SHENZHEN,
        "created_us": NOW_US,
    }
    return Call(**{**defaults, **fields})


def a_hold(account_id: int, amount_micros: int = 1 * YUAN, **call_fields: Any) -> Hold:
    """Make up the first hold of a new call."""
    call = a_call(**call_fields)
    return Hold(
        call=call,
        terms=Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=150_000, note="市话")),
        account_id=account_id,
        amount_micros=amount_micros,
        granted_s=60,
        leg_uuid=call.uuid,
        authorised_us=NOW_US,
        seen_us=NOW_US,
    )


def a_cdr(**fields: Any) -> Cdr:
    """Make up the record of a call that talked for 61.5 s."""
    call = a_call()
    defaults: dict[str, Any] = {
        **{name: getattr(call, name) for name in Call.__struct_fields__},
        "progress_us": NOW_US + 1,
        "answered_us": NOW_US + 2,
        "ended_us": NOW_US + 61_500_002,
        "end_source": EndSource.EVENT,
        "duration_us": 61_500_000,
        "billed_s": 62,
        "charge_micros": 155_000,
        "waived_micros": 0,
        "tariff": "std",
        "tariff_version": 3,
        "rate_id": 12,
        "price_micros_per_min": 150_000,
        "explanation": "62 s at 0.15 per minute",
        "refusal": "",
        "hangup_cause": "NORMAL_CLEARING",
        "sip_cause": "",
        "hung_up_by": HungUpBy.CALLEE,
        "last_leg_uuid": call.uuid,
    }
    return Cdr(**{**defaults, **fields})


def a_refused_cdr(**fields: Any) -> Cdr:
    """Make up the record of a refused attempt."""
    nothing = dict.fromkeys(
        ("progress_us", "answered_us", "duration_us", "billed_s", "charge_micros"), 0
    )
    return a_cdr(**{**nothing, "refusal": "no_credit", "ended_us": NOW_US, **fields})
