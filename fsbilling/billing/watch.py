"""Tell live calls what other hands did to their account: pay in, take out, suspend, call more.

Every daemon asks for the accounts of its own live calls twice a second, by one query, and for
what is left of caps and packages only where a call may have to do something. That is what makes
a top-up reach a call on whichever daemon it lives, with nothing between the daemons but SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from fsbilling.billing.breath import unhurried
from fsbilling.billing.left import Left
from fsbilling.billing.meter import Meter
from fsbilling.calls.event import CreditChanged, Suspended
from fsbilling.calls.session import Phase, Session
from fsbilling.clock import US_PER_S
from fsbilling.credit.account import Standing
from fsbilling.credit.outlook import is_far_ahead, outlook, outlook_of_ringing
from fsbilling.credit.slice import FIRST_S, Grant
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
        self._quiet: dict[str, tuple[Standing, int]] = {}
        """The accounts whose calls had nothing to do, each with the last change of its calls."""

    def look(self) -> None:
        """Compare each account with what it was, and tell the calls that it matters to.

        Raises StoreError; then nothing was told.
        """
        changes = self._meter.calls.changes()
        for code in self._seen.keys() - changes.keys():
            del self._seen[code]
            self._quiet.pop(code, None)
        if changes:
            self._look_at(changes)

    def _look_at(self, changes: Mapping[str, int]) -> None:
        """Look at the accounts that have calls, each with the last change of its calls.

        Calls that change while SQL is asked are looked at as they are then, and once more.
        """
        with self._db.read() as conn:
            standings = [
                standing
                for standing in self._unhurried(accounts.standings(conn, list(changes)))
                if self._quiet.get(standing.code) != (standing, changes[standing.code])
            ]
            live = {each.code: self._meter.calls.of_account(each.code) for each in standings}
            changed = {standing.code for standing in standings if self._has_changed(standing)}
            looks = [
                (session, standing)
                for standing in standings
                for session in self._unhurried(live[standing.code])
                if standing.code in changed or _may_matter(session, standing)
            ]
            left = Left.of(conn, looks)
        told, missed = self._tell(looks, left)
        changed -= missed
        for standing in standings:
            code = standing.code
            if code in changed or code not in self._seen:
                self._seen[code] = standing
            calls = self._unhurried(live[code])
            if code in told or code in missed or not _may_rest(standing, calls):
                self._quiet.pop(code, None)
            else:
                self._quiet[code] = standing, changes[code]

    def _tell(
        self, looks: Iterable[tuple[Session, Standing]], left: Left
    ) -> tuple[set[str], set[str]]:
        """Let each call know when it should do something.

        Gives the accounts of which a call was told something, and those of which one was busy:
        it is told later.
        """
        told: set[str] = set()
        missed: set[str] = set()
        for session, standing in self._unhurried(looks):
            key = session.call.key
            if self._meter.is_busy(key):
                missed.add(standing.code)
                continue
            news = Suspended() if standing.suspended else self._news(session, standing, left)
            if news is not None:
                told.add(standing.code)
                self._meter.post(key, news)
        return told, missed

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

    def _news(self, session: Session, standing: Standing, left: Left) -> CreditChanged | None:
        """Say what a call should do now; None when the rest is for its next renewal."""
        if session.phase not in (Phase.RINGING, Phase.TALKING):
            return None
        is_other = self._is_other(standing)
        now_us = self._meter.now_us(session.call.switch)
        if not (is_other or _may_act(session, standing, now_us)):
            return None
        seen = _outlook(session, standing, left, now_us)
        gives_back = seen.granted_s < session.granted_s
        if not (is_other or gives_back or (session.dry and seen.reserve_s)):
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
    is_ringing = session.phase is Phase.RINGING
    return is_ringing and (session.included_s > 0 or standing.limits.is_capped)


def _may_rest(standing: Standing, calls: Iterable[Session]) -> bool:
    """Tell whether calls with nothing to do have nothing to do until they or their account change.

    Time alone asks nothing of a call that talks: the longer it has, the less it could give back.
    One that rings may come to another band, at another price. What caps and packages leave may
    change unseen, and a call that has run dry waits for any of it.
    """
    return not standing.limits.is_capped and not any(
        session.dry
        or session.included_s
        or (session.phase is Phase.RINGING and session.terms.edges)
        for session in calls
    )


def _may_act(session: Session, standing: Standing, now_us: int) -> bool:
    """Tell whether a call may go on longer or have to give back, as the account is known."""
    return (
        session.dry
        or (session.phase is Phase.RINGING and session.granted_s > FIRST_S)
        or is_far_ahead(
            granted_s=session.granted_s,
            talked_s=_talked_s(session, now_us),
            live_calls=standing.live_calls,
            longest_s=standing.limits.max_call_s,
        )
    )


def _talked_s(session: Session, now_us: int) -> int:
    """Round up how long it has talked."""
    return -(-max(now_us - session.answered_us, 0) // US_PER_S)


def _outlook(session: Session, standing: Standing, left: Left, now_us: int) -> Grant:
    look: Callable[..., Grant] = outlook_of_ringing
    answered_us = now_us
    if session.phase is not Phase.RINGING:
        answered_us = session.answered_us
        look = partial(outlook, talked_s=_talked_s(session, now_us))
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
