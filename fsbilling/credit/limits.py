"""What an account may do at most, beside its credit."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from fsbilling.clock import US_PER_S

DEFAULT_ZONE = "Asia/Shanghai"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one account; None is no limit.

    Attributes:
        max_calls: Live calls at once; 0 lets no new call start, and the live ones finish.
        max_cps: Calls that may start in a second.
        max_call_s: How long one call may last.
        daily_cap_micros: What the calls that begin on one day may cost in all.
        monthly_cap_micros: What the calls that begin in one month may cost in all.
        time_zone: IANA name; days and months are its local time.
    """

    max_calls: int | None = None
    max_cps: int | None = None
    max_call_s: int | None = None
    daily_cap_micros: int | None = None
    monthly_cap_micros: int | None = None
    time_zone: str = DEFAULT_ZONE

    @property
    def is_capped(self) -> bool:
        """Whether the account's spending is counted at all."""
        return self.daily_cap_micros is not None or self.monthly_cap_micros is not None


class Periods(msgspec.Struct, frozen=True):
    """The day and the month that a call counts in: those it began in, as on the invoice."""

    day: str
    month: str


def periods(limits: Limits, at_us: int) -> Periods:
    """Name the day (`2026-11-21`) and the month (`2026-11`) of a moment, by local time."""
    local = datetime.fromtimestamp(at_us // US_PER_S, tz=UTC).astimezone(ZoneInfo(limits.time_zone))
    day = local.date().isoformat()
    return Periods(day, day[:7])


def period_start_us(limits: Limits, period: str) -> int:
    """Give the first moment of a day or a month named by `periods`."""
    year, month, *rest = (int(part) for part in period.split("-"))
    local = datetime(year, month, rest[0] if rest else 1, tzinfo=ZoneInfo(limits.time_zone))
    return int(local.timestamp()) * US_PER_S
