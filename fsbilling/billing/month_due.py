"""What a month's adjustments have to come to, so that its calls cost what their level asks."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.foretold import Foretold
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.volume_month import VolumeMonth
from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.ledger.entry import EntryKind
from fsbilling.ledger.level_ref import month_ref, read_level_ref
from fsbilling.rating.month import Adjustment, Settled, at_level, unadjusted
from fsbilling.rating.tariff import Volume
from fsbilling.store import cdrs, entries, usages


class Due(msgspec.Struct, frozen=True):
    """What is still to be posted for the calls of a month that one version prices.

    Attributes:
        version: The version.
        adjustment: How much, and why; never 0.
        anew: How often this was settled anew before.
    """

    version: int
    adjustment: Adjustment
    anew: int


class _Posted(msgspec.Struct):
    """What adjustments have charged (negative: given back), and how many were made anew."""

    micros: int = 0
    anew: int = 0


_NOTHING = _Posted()


def month_due(
    conn: Connection,
    book: TariffBook,
    account: Account,
    month: VolumeMonth,
    *,
    at_us: int,
    foretold: Foretold | None = None,
) -> list[Due] | Refused:
    """Give, by version, what brings a month's calls to the level that its volume has reached.

    A version that took over in mid-month has levels for its own calls; the volume is that of all.
    A version that prices none (any more), or has no such levels, is due what was posted for it,
    back. `at_us` is a moment of the month: official calendars are those of then. `foretold` is
    reckoned with as if it had been written.

    Refused: `calls_missing` when not all calls that the month has counted are here, `no_tariff`
    when one was priced by a version that is not. Raises InputError as `rating.month.at_level`.
    """
    foretold = foretold or Foretold()
    by_version: dict[int, list[Settled]] = {}
    counted = now = Volume()
    key = {"account": account.code, "tariff": month.tariff, "month": month.month}
    for recorded in cdrs.settled(conn, **key):
        counted = _with(counted, recorded)
        each = foretold.counted(recorded)
        now = _with(now, each)
        by_version.setdefault(each.version, []).append(each.call)
    if counted != usages.find(conn, account.account_id, month.tariff, month.month).volume:
        return _calls_missing(month)
    posted = _posted(conn, account, month, foretold)
    found = []
    for version in sorted(by_version.keys() | posted.keys()):
        tariff = book.numbered(month.tariff, version, at_us) if version in by_version else None
        before = posted.get(version, _NOTHING)
        if tariff is not None:
            adjustment = at_level(tariff, by_version[version], now, before.micros)
        elif version in by_version:
            return _version_missing(month, version)
        else:
            adjustment = unadjusted(month.tariff, version, 0, before.micros)
        if adjustment.amount_micros:
            found.append(Due(version, adjustment, before.anew))
    return found


def _with(volume: Volume, call: cdrs.Counted) -> Volume:
    return Volume(volume.billed_s + call.billed_s, volume.calls + (call.billed_s > 0))


def _posted(
    conn: Connection, account: Account, month: VolumeMonth, foretold: Foretold
) -> dict[int, _Posted]:
    posted: dict[int, _Posted] = {}
    ref_start = month_ref(month.tariff, month.month)
    refs = entries.amounts(conn, account.account_id, EntryKind.ADJUSTMENT, ref_start)
    for text, micros in refs.items():
        ref = read_level_ref(text)
        if ref is not None:
            of_version = posted.setdefault(ref.version, _Posted())
            of_version.micros -= micros
            of_version.anew = max(of_version.anew, ref.number)
    for version, micros in foretold.adjusted(month).items():
        posted.setdefault(version, _Posted()).micros += micros
    return posted


def _calls_missing(month: VolumeMonth) -> Refused:
    return Refused(
        "calls_missing",
        f"not all calls are here that {month} has counted; put archived months back and run again",
    )


def _version_missing(month: VolumeMonth, version: int) -> Refused:
    return Refused(
        "no_tariff",
        f"tariff {month.tariff} has no version {version}, which priced calls of {month}",
    )
