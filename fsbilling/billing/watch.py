"""Tell live calls what other hands did to their account: pay in, take out, suspend, call more.

Every daemon asks for the accounts of its own live calls twice a second, by one query. That is
what makes a top-up reach a call on whichever daemon it lives, with nothing between the daemons
but SQL.
"""

from __future__ import annotations

from fsbilling.billing.meter import Meter
from fsbilling.calls.event import CreditChanged, Suspended
from fsbilling.calls.session import Phase, Session
from fsbilling.clock import US_PER_S
from fsbilling.credit.account import Standing
from fsbilling.credit.slice import outlook
from fsbilling.store import accounts
from fsbilling.store.engine import Database

PLENTY_S = 240
"""A call whose share of the credit lasts longer is not looked at until something changes."""


class CreditWatch:
    """Looks after the accounts of this daemon's live calls."""

    def __init__(self, db: Database, meter: Meter) -> None:
        self._db = db
        self._meter = meter
        self._seen: dict[str, Standing] = {}

    def look(self) -> None:
        """Compare each account with what it was, and tell the calls that it matters to.

        Raises StoreError; then nothing was told.
        """
        live: dict[str, list[Session]] = {}
        for session in self._meter.sessions():
            live.setdefault(session.call.account, []).append(session)
        with self._db.read() as conn:
            standings = list(accounts.standings(conn, list(live)))
        for standing in standings:
            before = self._seen.get(standing.code, standing)
            is_other = standing.revision != before.revision
            halved = 2 * _share_micros(standing) < _share_micros(before)
            for session in live[standing.code]:
                if standing.suspended:
                    self._post(session, Suspended())
                elif is_other or halved or session.reserve_s < PLENTY_S:
                    self._tell(session, standing, is_other=is_other)
            if is_other or halved or standing.code not in self._seen:
                self._seen[standing.code] = standing
        for code in self._seen.keys() - live.keys():
            del self._seen[code]

    def _tell(self, session: Session, standing: Standing, *, is_other: bool) -> None:
        """Let a call know when it should do something: the rest is for its next renewal."""
        if session.phase is not Phase.TALKING:
            return
        now_us = self._meter.now_us(session.call.switch)
        seen = outlook(
            session.terms,
            answered_us=session.answered_us,
            talked_s=-(-max(now_us - session.answered_us, 0) // US_PER_S),
            granted_s=session.granted_s,
            held_micros=session.held_micros,
            free_micros=standing.free_micros,
            live_calls=standing.live_calls,
            longest_s=standing.max_call_s,
        )
        gives_back = seen.granted_s < session.granted_s
        if is_other or gives_back or (session.dry and seen.reserve_s):
            # What a cap leaves is known under the account's lock only: by a renewal.
            asks = is_other and standing.is_capped
            reserve_s = session.reserve_s if standing.is_capped else seen.reserve_s
            changed = CreditChanged(
                now_us=now_us,
                before_s=session.granted_s,
                granted_s=seen.granted_s,
                held_micros=seen.held_micros,
                reserve_s=reserve_s,
                asks=asks,
            )
            self._post(session, changed)

    def _post(self, session: Session, event: CreditChanged | Suspended) -> None:
        self._meter.post((session.call.switch, session.call.uuid), event)


def _share_micros(standing: Standing) -> int:
    return max(standing.free_micros, 0) // max(standing.live_calls, 1)
