"""What other hands did to the account: go on longer, or give back what others need more."""

from __future__ import annotations

from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.lookout import look_ahead
from fsbilling.calls.state import Phase, Session, Step, changed
from fsbilling.calls.timer import standing
from fsbilling.clock import US_PER_S


def credit_changed(session: Session, news: on.CreditChanged) -> Step:
    """Go on longer, or give back what others need more, as the account now stands."""
    if session.cut or news.before_s != session.granted_s:
        return session, []
    if session.phase is Phase.RINGING and not session.in_doubt:
        return session, [_give_back(session, news)] if _asks_back(session, news) else []
    if session.phase is not Phase.TALKING:
        return session, []
    session = changed(session, reserve_s=news.reserve_s)
    settled_us = session.answered_us + session.pace.answer_settles_us
    if _asks_back(session, news) and news.now_us >= settled_us:
        return session, [_give_back(session, news)]
    # Later its timer, in its last second, would fire although it was replaced.
    in_time = news.now_us <= session.paid_until_us - session.pace.last_try_us
    if in_time and session.dry and news.reserve_s:
        return session, [do.Renew()]
    return look_ahead(session, news.now_us, [])


def gave_back(session: Session, gave: on.GaveBack) -> Step:
    """Go on with the smaller hold; the timers before the earlier one go."""
    stale = standing(session)
    session = changed(
        session,
        granted_s=gave.granted_s,
        held_micros=gave.held_micros,
        included_s=gave.included_s,
    )
    if session.phase is Phase.RINGING:
        return session, []
    session = changed(session, timer_seq=session.timer_seq + 1)
    return look_ahead(session, gave.now_us, [do.RemoveTimer(seq) for seq in stale])


def _asks_back(session: Session, news: on.CreditChanged) -> bool:
    return news.granted_s < session.granted_s


def _give_back(session: Session, news: on.CreditChanged) -> do.GiveBack:
    rings = session.phase is Phase.RINGING
    return do.GiveBack(
        granted_s=news.granted_s,
        held_micros=news.held_micros,
        included_s=news.included_s,
        at_us=0 if rings else session.answered_us + news.granted_s * US_PER_S,
        to_seq=0 if rings else session.timer_seq + 1,
    )
