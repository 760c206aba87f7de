"""Give back what a live call holds too far ahead of others: the timer first, then the hold.

While both timers stand the earlier one decides, so that the call can never outlive the smaller
hold (DESIGN rules 2 and 3).
"""

from __future__ import annotations

import structlog

from fsbilling.billing.caps import spend
from fsbilling.calls.command import GiveBack
from fsbilling.calls.event import GaveBack, NotGivenBack
from fsbilling.calls.session import Phase, Session
from fsbilling.clock import US_PER_S
from fsbilling.errors import StoreError, SwitchError
from fsbilling.store import accounts, holds
from fsbilling.store.engine import Database
from fsbilling.switch.node import TIMER_0, Node, first_timer

SOONEST_US = 1_500_000
"""An end nearer than this is not set: a timer in its last second can never be taken back."""

log = structlog.get_logger(__name__)


def give_back(
    db: Database, node: Node, session: Session, asked: GiveBack, *, now_us: int, seen_us: int
) -> GaveBack | NotGivenBack | None:
    """Shorten one call's hold; None when nothing was tried.

    When SQL does not answer, the hold may be the old one still; going on with the smaller one is
    safe then, and the next renewal or the settlement puts the row right.
    """
    call = session.call
    is_ringing = session.phase is Phase.RINGING
    try:
        if is_ringing and not _awaits(node, session, session.granted_s):
            return None
    except SwitchError as fault:
        log.warning("not given back", call_uuid=call.uuid, fault=str(fault))
        return None
    try:
        if is_ringing:
            is_earlier = _rearm(node, session, asked)
        else:
            is_earlier = _arm(node, session, asked, now_us)
    except SwitchError as fault:
        log.warning("not given back", call_uuid=call.uuid, fault=str(fault))
        is_earlier = False
    if not is_earlier:
        return NotGivenBack()
    _shrink(db, session, asked, seen_us)
    log.debug("gave back", call_uuid=call.uuid, account=call.account, granted_s=asked.granted_s)
    return GaveBack(now_us, asked.granted_s, asked.held_micros, asked.included_s)


def _arm(node: Node, session: Session, asked: GiveBack, now_us: int) -> bool:
    """Set the earlier timer; False when it may be late.

    Only the switch can say: its clock may be another than we think, and the command may have
    been under way for long. Then it must end nothing before it is taken away.
    """
    if asked.at_us < now_us + SOONEST_US:
        return False
    node.add_timer(session.call.uuid, asked.to_seq, asked.at_us, session.paid_until_us)
    return node.now_us() // US_PER_S < asked.at_us // US_PER_S


def _rearm(node: Node, session: Session, asked: GiveBack) -> bool:
    """Let the switch set timer 0 sooner; False when it may have been answered before that.

    The switch marks the answer first and reads the variable then (switch_channel.c): a channel
    that is seen unanswered after it was set will read what was set.
    """
    uuid = session.call.uuid
    node.mark(uuid, {TIMER_0: first_timer(uuid, asked.granted_s)})
    return _awaits(node, session, asked.granted_s)


def _awaits(node: Node, session: Session, granted_s: int) -> bool:
    """Tell whether the switch will set timer 0, at an answer to come, to these seconds.

    Until the hook's own answer has arrived it would overwrite what is set here.
    """
    uuid = session.call.uuid
    channel = node.dump(uuid)
    if channel is None or channel.answered_us:
        return False
    return channel.variable(TIMER_0) == first_timer(uuid, granted_s)


def _shrink(db: Database, session: Session, asked: GiveBack, seen_us: int) -> None:
    call = session.call
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
