"""Moments as FreeSWITCH writes them for people."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from fsbilling.clock import US_PER_S


@lru_cache(maxsize=64)
def dates_of(epoch_s: int) -> tuple[str, str]:
    """One second as Event-Date-Local and Event-Date-GMT."""
    moment = datetime.fromtimestamp(epoch_s, tz=UTC)
    local = moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return local, moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


def stamp(at_us: int) -> str:
    """A moment as the `..._stamp` variables have it: local time, whole seconds."""
    return dates_of(at_us // US_PER_S)[0]
