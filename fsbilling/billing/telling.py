"""Say to the switch what a call's session asks for."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from fsbilling.billing.warning import WarningSound
from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.cause import cut_cause
from fsbilling.calls.session import Session
from fsbilling.errors import SwitchError, SwitchTimeout
from fsbilling.switch.node import Node

log = structlog.get_logger(__name__)


def tell(
    node: Node,
    session: Session,
    command: do.Command,
    *,
    now_us: int,
    warning: WarningSound,
    heard: Callable[[], None],
) -> on.TimerUnknown | None:
    """Say it; a lost link changes nothing: the switch's own timers go on (DESIGN rule 3).

    Gives which timers may stand though they should not, when the switch did not say. `heard` is
    called when it answered.
    """
    uuid = session.call.uuid
    try:
        _say(node, session, command, warning)
    except SwitchError as fault:
        asked = type(command).__name__
        log.warning("switch not told", call_uuid=uuid, command=asked, fault=str(fault))
        seqs = _meant_to_go(command)
        is_linked = isinstance(fault, SwitchTimeout)
        return on.TimerUnknown(now_us, seqs, is_linked) if seqs else None
    heard()
    return None


def _say(node: Node, session: Session, command: do.Command, warning: WarningSound) -> None:
    uuid = session.call.uuid
    match command:
        case do.MoveTimer(at_us=at_us, to_seq=to_seq, from_seqs=from_seqs):
            node.add_timer(uuid, to_seq, at_us)
            for seq in from_seqs:
                node.replace_timer(uuid, seq, at_us)
        case do.RemoveTimer(seq=seq):
            node.remove_timer(uuid, seq)
        case do.Cut(leg_uuid=leg_uuid, by=by):
            node.kill(leg_uuid, cut_cause(by))
            account = session.call.account
            log.info("cut", call_uuid=uuid, leg_uuid=leg_uuid, account=account, by=by.value)
        case do.Warn():
            warning.give(node, session)


def _meant_to_go(command: do.Command) -> tuple[int, ...]:
    match command:
        case do.MoveTimer(from_seqs=from_seqs):
            return from_seqs
        case do.RemoveTimer(seq=seq):
            return (seq,)
        case _:
            return ()
