"""Give back what a live call holds too far ahead of others: the timer first, then the hold.

While both timers stand the earlier one decides, so that the call can never outlive the smaller
hold (DESIGN rules 2 and 3).
"""

from __future__ import annotations

import structlog

from fsbilling.billing.caps import spend
from fsbilling.calls.command import GiveBack
from fsbilling.calls.event import GaveBack, NotGivenBack
from fsbilling.calls.session import Session
from fsbilling.errors import StoreError, SwitchError
from fsbilling.store import accounts, holds
from fsbilling.store.engine import Database
from fsbilling.switch.node import Node

SOONEST_US = 1_500_000
"""An end nearer than this is not set: a timer in its last second can never be taken back."""

log = structlog.get_logger(__name__)


def give_back(
    db: Database, node: Node, session: Session, asked: GiveBack, *, now_us: int, seen_us: int
) -> GaveBack | NotGivenBack:
    """Shorten one call's hold.

    When SQL does not answer, the hold may be the old one still; going on with the smaller one is
    safe then, and the next renewal or the settlement puts the row right.
    """
    call = session.call
    if asked.at_us < now_us + SOONEST_US:
        return NotGivenBack()
    try:
        node.add_timer(call.uuid, asked.to_seq, asked.at_us)
    except SwitchError as fault:
        log.warning("not given back", call_uuid=call.uuid, fault=str(fault))
        return NotGivenBack()
    try:
        with db.write() as conn:
            account = accounts.lock(conn, call.account)
            delta_micros = holds.renew(
                conn,
                call.switch,
                call.uuid,
                amount_micros=asked.held_micros,
                included_s=asked.included_s,
                granted_s=asked.granted_s,
                timer_seq=asked.to_seq,
                seen_us=max(seen_us, session.answered_us),
            )
            if account is not None:
                spend(conn, account, call.created_us, delta_micros)
    except StoreError as fault:
        log.error("giving back unknown", call_uuid=call.uuid, fault=str(fault))
    log.debug("gave back", call_uuid=call.uuid, account=call.account, granted_s=asked.granted_s)
    return GaveBack(now_us, asked.granted_s, asked.held_micros, asked.included_s)
