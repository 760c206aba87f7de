"""What a daemon says of itself, in a small file beside its journal: readable while SQL is out.

Written anew each second and put in its place as a whole (rename(2)). It tells of one daemon; it
is no record of anything, and nothing but people and their monitoring reads it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from fsbilling.errors import FsbillingError

SYSTEMD_JOURNAL = Path("/var/lib/fsbilling/fsbilling.journal")
"""Where contrib/systemd/fsbilling.service keeps the journal."""


class Risked(msgspec.Struct, frozen=True):
    """An account with an outage limit, and how much of it is at risk now."""

    account: str
    at_risk_micros: int
    limit_micros: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon at one moment.

    Attributes:
        at_us: The moment, by the daemon's own clock.
        pid: Its process.
        on_duty: It works; False: it stands by for another, or has lost the switch lock.
        database_answers: SQL answered when it was last asked.
        switches: Whether each FreeSWITCH is linked, by name.
        live_calls: The calls it meters.
        journal_bytes, journal_max_bytes: How much of its journal waits for SQL, and its bound.
        risked: The accounts that may call while the database is out.
    """

    at_us: int
    pid: int
    on_duty: bool
    database_answers: bool
    switches: dict[str, bool]
    live_calls: int
    journal_bytes: int
    journal_max_bytes: int
    risked: tuple[Risked, ...]


def status_path(journal: Path) -> Path:
    """Give the place of the status, beside the journal."""
    return journal.with_name(f"{journal.name}.status")


def write(path: Path, status: Status) -> None:
    """Put it in the place of the one before. Raises FsbillingError when the disk fails."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_bytes(msgspec.json.encode(status))
        fresh.replace(path)
    except OSError as fault:
        raise FsbillingError(f"{path}: {fault.strerror}") from fault


def read(journal: Path) -> Status | None:
    """Read what the daemon with this journal said last; None when it has said nothing.

    Where `STATE_DIRECTORY` is not set, also at the systemd unit's own place. Raises
    FsbillingError when the file cannot be read, or is another version's.
    """
    places = [journal] if "STATE_DIRECTORY" in os.environ else [journal, SYSTEMD_JOURNAL]
    for place in map(status_path, places):
        try:
            return msgspec.json.decode(place.read_bytes(), type=Status)
        except FileNotFoundError:
            continue
        except OSError as fault:
            raise FsbillingError(f"{place}: {fault.strerror}") from fault
        except msgspec.DecodeError as fault:
            raise FsbillingError(f"{place} is another version's: {fault}") from fault
    return None
