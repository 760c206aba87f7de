"""After a transfer: does the carrier leg that was paid for live on?"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from fsbilling.calls.event import LegEnded, LegLives, LegUnknown
from fsbilling.calls.session import Session
from fsbilling.errors import StoreError, SwitchError
from fsbilling.store import holds
from fsbilling.store.engine import Database
from fsbilling.switch.node import Node

log = structlog.get_logger(__name__)

NO_TRANSFER_CONTEXT = "fsbilling-no-transfer"
"""The dialplan's dead end: the payer has left, and nobody else may send his leg on."""


def follow(
    db: Database,
    node: Node,
    session: Session,
    leg_uuid: str,
    *,
    now_us: int,
    lives: Callable[[], object],
) -> LegLives | LegEnded | LegUnknown:
    """Make the other leg the one whose end ends the billing, if it lives.

    Marking it with the account lets its hang-up through the event filter; looking at it after
    that tells whether the hang-up had come before the mark. An answer that did not come is
    unknown (DESIGN rule 5): the switch-side timer, which knows every leg of the call by
    `fsbilling_call`, goes on guarding it. `lives` is called as soon as the leg is seen to live:
    while that is noted in SQL the link may be lost.
    """
    call = session.call
    try:
        marked = node.mark(
            leg_uuid,
            {
                "fsbilling_account": call.account,
                "fsbilling_call": call.uuid,
                "force_transfer_context": NO_TRANSFER_CONTEXT,
            },
        )
        leg = node.dump(leg_uuid) if marked else None
    except SwitchError as fault:
        log.warning("leg unknown", call_uuid=call.uuid, leg_uuid=leg_uuid, fault=str(fault))
        return LegUnknown(leg_uuid, now_us)
    if leg is None or leg.hungup_us:
        return LegEnded(leg_uuid, leg.hungup_us if leg else 0)
    lives()
    try:
        with db.write() as conn:
            holds.follow(conn, call.switch, call.uuid, leg_uuid, now_us)
    except StoreError as fault:
        log.error("leg not recorded", call_uuid=call.uuid, leg_uuid=leg_uuid, fault=str(fault))
    log.info("leg followed", call_uuid=call.uuid, leg_uuid=leg_uuid, account=call.account)
    return LegLives(leg_uuid, now_us, leg.answered_us)
