"""Where time comes from: microseconds since the epoch, as FreeSWITCH stamps them.

Pure rooms take `now_us` as an argument. Only what is started by a person or a service
manager owns a `Clock`; tests own one that moves when they say so.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

US_PER_S = 1_000_000
US_PER_QUARTER_H = 900 * US_PER_S

FIRST_YEAR, LAST_YEAR = 1971, 9998
"""What people may name: any time zone can write these, and its neighbours' days too."""


class Clock(Protocol):
    """A source of the present moment."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, as integers from the start (no float)."""
        return time.time_ns() // 1_000


class SteadyClock:
    """The machine's clock as it was at the start, carried on by the one that nobody can set.

    For what happens in a call: a clock set forward by half a minute must not cut calls half a
    minute early, and one set back must not renew them too late.
    """

    def __init__(self) -> None:
        self._started_ns = time.time_ns() - time.monotonic_ns()

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, if nobody has set the clock since the start."""
        return (self._started_ns + time.monotonic_ns()) // 1_000


def format_us(at_us: int) -> str:
    """Write a moment as ISO 8601 in the machine's time zone, to the second."""
    moment = datetime.fromtimestamp(at_us // US_PER_S, tz=UTC)
    return moment.astimezone().isoformat(timespec="seconds")


def local_month(at_us: int, zone: str) -> str:
    """Write the month of a moment, such as `2026-11`, in a time zone (an IANA name)."""
    return _month_of_quarter(at_us // US_PER_QUARTER_H, zone)


@lru_cache(maxsize=256)
def _month_of_quarter(quarter_h: int, zone: str) -> str:
    """Every call asks for its month; no zone's month begins within a quarter of a UTC hour."""
    moment = datetime.fromtimestamp(quarter_h * US_PER_QUARTER_H // US_PER_S, tz=UTC)
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m")


def months_from_to(first: str, last: str) -> int:
    """Count the months from one to another, both of them too: `2026-11` to `2027-01` are 3."""
    (first_year, first_month), (last_year, last_month) = (
        map(int, month.split("-")) for month in (first, last)
    )
    return 12 * (last_year - first_year) + last_month - first_month + 1


def parse_us(text: str) -> int:
    """Read an ISO 8601 moment; without a zone it is the machine's local time.

    Raises ValueError with a sentence for a person.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a moment; write it like 2026-11-21T00:00:00+08:00"
        ) from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{text!r} is not in the years {FIRST_YEAR} to {LAST_YEAR}")
    if moment.tzinfo is None:
        moment = moment.astimezone()
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since_epoch.days * 86_400 + since_epoch.seconds) * US_PER_S + since_epoch.microseconds
