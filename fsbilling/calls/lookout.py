"""When to look at a call again: to renew, to warn, to cut."""

from __future__ import annotations

from fsbilling.calls import command as do
from fsbilling.calls.state import Session, Step, changed
from fsbilling.clock import US_PER_S


def is_over(session: Session, now_us: int) -> bool:
    """Tell whether the paid seconds are used up, but for the lead that a cut needs."""
    return session.answered_us != 0 and now_us >= session.paid_until_us - session.pace.cut_lead_us


def look_ahead(session: Session, now_us: int, commands: list[do.Command]) -> Step:
    """Warn, or take a warning back, as the end comes near or goes; say when to look again."""
    left_us = session.paid_until_us + session.reserve_s * US_PER_S - now_us
    if left_us > session.pace.warn_before_us:
        session = changed(session, warned=False)
    elif not session.warned and session.pace.warn_before_us:
        session = changed(session, warned=True)
        commands.append(do.Warn())
    return session, [*commands, next_look(session, now_us, renewal_due_us(session))]


def look_again(session: Session, now_us: int) -> do.WakeAt:
    """When to repeat a question that was not answered: soon, and in any case at the end."""
    if not session.answered_us:
        return do.WakeAt(now_us + session.pace.retry_us)
    end_us = session.paid_until_us - session.pace.cut_lead_us
    soon_us = now_us + session.pace.retry_us
    return do.WakeAt(min(soon_us, end_us) if now_us < end_us else soon_us)


def next_look(session: Session, now_us: int, wanted_us: int) -> do.WakeAt:
    """When to look at this call again: once more just before its end, and at its end."""
    end_us = session.paid_until_us - session.pace.cut_lead_us
    last_try_us = end_us - session.pace.last_try_us
    if not session.dry:
        return do.WakeAt(max(min(wanted_us, last_try_us), now_us))
    return do.WakeAt(last_try_us if now_us < last_try_us else end_us)


def renewal_due_us(session: Session) -> int:
    """When to ask for more: ahead of the end, or when the warning may be due."""
    pace = session.pace
    is_scarce = session.reserve_s <= pace.scarce_s
    lead_us = min(pace.renew_lead_us, pace.scarce_lead_us) if is_scarce else pace.renew_lead_us
    renewal_us = session.paid_until_us - lead_us
    if session.warned or not session.pace.warn_before_us:
        return renewal_us
    end_us = session.paid_until_us + session.reserve_s * US_PER_S
    return min(renewal_us, end_us - session.pace.warn_before_us)
