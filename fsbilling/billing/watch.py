"""Tell live calls what other hands did to their account: pay in, take out, suspend, call more.

Every daemon asks for the accounts of its own live calls twice a second, by one query, and for
what is left of caps and packages only where a call may have to do something. That is what makes
a top-up reach a call on whichever daemon it lives, with nothing between the daemons but SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from fsbilling.billing.breath import unhurried
from fsbilling.billing.left import Left
from fsbilling.billing.meter import Meter
from fsbilling.calls.event import CreditChanged, Suspended
from fsbilling.calls.session import Phase, Session
from fsbilling.clock import US_PER_S
from fsbilling.credit.account import Standing
from fsbilling.credit.outlook import outlook, outlook_of_ringing
from fsbilling.credit.slice import Grant
from fsbilling.store import accounts
from fsbilling.store.engine import Database

T = TypeVar("T")

PLENTY_S = 240
"""A call whose share of the credit lasts longer is not looked at until something changes."""


class CreditWatch:
    """Looks after the accounts of this daemon's live calls.

    `breathe` is called every few milliseconds of a long look, to let calls go on.
    """

    def __init__(
        self, db: Database, meter: Meter, *, breathe: Callable[[], object] = lambda: None
    ) -> None:
        self._db = db
        self._meter = meter
        self._breathe = breathe
        self._seen: dict[str, Standing] = {}

    def look(self) -> None:
        """Compare each account with what it was, and tell the calls that it matters to.

        Raises StoreError; then nothing was told.
        """
        live: dict[str, list[Session]] = {}
        for session in self._unhurried(self._meter.sessions()):
            live.setdefault(session.call.account, []).append(session)
        with self._db.read() as conn:
            standings = list(accounts.standings(conn, list(live)))
            changed = {standing.code for standing in standings if self._has_changed(standing)}
            looks = [
                (session, standing)
                for standing in standings
                for session in self._unhurried(live[standing.code])
                if standing.code in changed or _may_matter(session, standing)
            ]
            left = Left.of(conn, self._unhurried(looks))
        missed: set[str] = set()
        for session, standing in self._unhurried(looks):
            if not self._tell(session, standing, left):
                missed.add(standing.code)
        for standing in standings:
            if standing.code in changed - missed or standing.code not in self._seen:
                self._seen[standing.code] = standing
        for code in self._seen.keys() - live.keys():
            del self._seen[code]

    def _unhurried(self, calls: Iterable[T]) -> Iterator[T]:
        return unhurried(calls, self._breathe)

    def _has_changed(self, standing: Standing) -> bool:
        """Tell whether other hands changed it, or its calls' shares are half of what they were."""
        before = self._seen.get(standing.code, standing)
        return (
            self._is_other(standing)
            or 2 * _share_micros(standing) < _share_micros(before)
            or standing.live_calls > 2 * before.live_calls
        )

    def _is_other(self, standing: Standing) -> bool:
        before = self._seen.get(standing.code, standing)
        return standing.revision != before.revision

    def _tell(self, session: Session, standing: Standing, left: Left) -> bool:
        """Let a call know when it should do something; False when it is busy: tell it later."""
        key = session.call.key
        if self._meter.is_busy(key):
            return False
        event = Suspended() if standing.suspended else self._news(session, standing, left)
        if event is not None:
            self._meter.post(key, event)
        return True

    def _news(self, session: Session, standing: Standing, left: Left) -> CreditChanged | None:
        """Say what a call should do now; None when the rest is for its next renewal."""
        if session.phase not in (Phase.RINGING, Phase.TALKING):
            return None
        now_us = self._meter.now_us(session.call.switch)
        seen = _outlook(session, standing, left, now_us)
        gives_back = seen.granted_s < session.granted_s
        if not (self._is_other(standing) or gives_back or (session.dry and seen.reserve_s)):
            return None
        return CreditChanged(
            now_us=now_us,
            before_s=session.granted_s,
            granted_s=seen.granted_s,
            held_micros=seen.held_micros,
            included_s=seen.included_s,
            reserve_s=seen.reserve_s,
        )


def _may_matter(session: Session, standing: Standing) -> bool:
    """Tell whether a call may have to do something though its account's credit is much the same.

    What caps and packages leave is not seen in it: a call that talks hears of these at each
    renewal, but one that rings never renews.
    """
    if standing.suspended or session.reserve_s < PLENTY_S:
        return True
    is_shared = standing.limits.is_capped or session.included_s > 0
    return session.phase is Phase.RINGING and is_shared


def _outlook(session: Session, standing: Standing, left: Left, now_us: int) -> Grant:
    look: Callable[..., Grant] = outlook_of_ringing
    answered_us = now_us
    if session.phase is not Phase.RINGING:
        answered_us = session.answered_us
        talked_us = max(now_us - answered_us, 0)
        look = partial(outlook, talked_s=-(-talked_us // US_PER_S))
    return look(
        session.terms,
        answered_us=answered_us,
        granted_s=session.granted_s,
        held_micros=session.held_micros,
        free_micros=left.free_micros(session, standing),
        live_calls=standing.live_calls,
        included_s=session.included_s,
        included_free_s=left.included_free_s(session, standing),
        longest_s=standing.limits.max_call_s,
    )


def _share_micros(standing: Standing) -> int:
    return max(standing.free_micros, 0) // max(standing.live_calls, 1)
