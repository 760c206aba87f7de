"""What credit, caps and packages leave for live calls at one moment: nothing is locked or taken."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from fsbilling.calls.session import Session
from fsbilling.credit.account import Standing
from fsbilling.credit.allowance import allowance
from fsbilling.credit.limits import periods
from fsbilling.store import spending, usages


class Left:
    """What is left, by account: of packages by tariff and month, of caps by day and month."""

    def __init__(
        self,
        packages_s: Mapping[tuple[int, str, str], int],
        used_micros: Mapping[int, Mapping[str, int]],
    ) -> None:
        self._packages_s = packages_s
        self._used_micros = used_micros

    @classmethod
    def of(cls, conn: Connection, looks: Collection[tuple[Session, Standing]]) -> Left:
        """Ask SQL for all that these calls may use; for nothing when there are none."""
        months = {session.call.month for session, _ in looks}
        account_ids = {standing.account_id for _, standing in looks}
        capped: dict[int, set[str]] = {}
        for session, standing in looks:
            if standing.limits.is_capped:
                of = periods(standing.limits, session.call.created_us)
                capped.setdefault(standing.account_id, set()).update((of.day, of.month))
        return cls(usages.included_free(conn, account_ids, months), spending.used_by(conn, capped))

    def free_micros(self, session: Session, standing: Standing) -> int:
        """Give the credit that no hold has taken, or what the account's caps leave of it."""
        limits = standing.limits
        if not limits.is_capped:
            return standing.free_micros
        used_micros = self._used_micros.get(standing.account_id, {})
        of = periods(limits, session.call.created_us)
        return allowance(standing.free_micros, limits, of, used_micros).free_micros

    def included_free_s(self, session: Session, standing: Standing) -> int:
        """Give the seconds of the call's package that no hold has taken."""
        key = standing.account_id, session.terms.tariff, session.call.month
        return self._packages_s.get(key, 0)
