"""Price a recorded call again: the one place where comparing and correcting do so.

The very functions price it that price live calls (DESIGN rule 8), by what the record says of
the call. Neither the configuration nor the regions of today are asked.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fsbilling.billing.tariff_book import TariffBook, terms_of
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.parties import parties
from fsbilling.calls.settlement import repriced_cdr
from fsbilling.errors import Refused
from fsbilling.rating.tariff import Tariff, Volume
from fsbilling.store.revisions import Revision


def reprice(cdr: Cdr, tariff: Tariff, earlier: Iterable[Revision] = ()) -> Cdr | Refused:
    """Give the record as it would be, had `tariff` priced the call.

    The month's volume before it counts as recorded, and the package pays for the seconds that it
    paid for then, as far as the row takes part in it.

    Where the hold ran out, what was beyond it is waived, and stays so: such a call is never
    charged more than it was then. `earlier` are the prices that it had before this one.

    Refused with `no_rate` when no row matches.
    """
    volume = Volume(cdr.used_s, cdr.used_calls)
    terms = terms_of(tariff, *parties(cdr), cdr.answered_us, volume)
    if isinstance(terms, Refused):
        return terms
    prices: list[Revision | Cdr] = [*earlier, cdr]
    held = [price.charge_micros for price in prices if price.waived_micros]
    return repriced_cdr(cdr, terms, min(held, default=None))


def correct(cdr: Cdr, book: TariffBook, earlier: Iterable[Revision] = ()) -> Cdr | Refused | None:
    """Give the record as it should be, of the next revision; None when its price is right.

    The call's own tariff counts, in the version in force when the call began, by what is
    imported now. A version that came into force before the answer is right as well: which one
    a call gets is decided when it asks to start, somewhere between the two.

    A version that asks the same as was charged changes nothing, unless a month looks back on the
    call: its adjustments go by version.
    """
    versions = book.in_force_between(cdr.tariff, cdr.created_us, cdr.answered_us)
    if any(version.version == cdr.tariff_version for version in versions):
        return None
    if not versions:
        return Refused("no_tariff", f"tariff {cdr.tariff} had no version in force then")
    tariff = book.tariff(versions[0], cdr.answered_us)
    new = reprice(cdr, tariff, earlier)
    if isinstance(new, Refused):
        return new
    if not _differs(new, cdr) and not _looks_back(cdr, tariff, book):
        return None
    return msgspec.structs.replace(new, revision=cdr.revision + 1)


def _looks_back(cdr: Cdr, right: Tariff, book: TariffBook) -> bool:
    """Tell whether the right version adjusts the month's calls, or the one that priced this did."""
    if right.plan.looks_back:
        return True
    wrong = book.numbered(cdr.tariff, cdr.tariff_version, cdr.answered_us)
    return wrong is None or wrong.plan.looks_back


def _differs(new: Cdr, old: Cdr) -> bool:
    fields = ("billed_s", "included_s", "charge_micros", "waived_micros")
    return any(getattr(new, field) != getattr(old, field) for field in fields)
