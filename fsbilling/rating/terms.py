"""What a call was started with."""

from __future__ import annotations

import msgspec

from fsbilling.rating.rate import Rate


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The one row that prices a call from its first second to its CDR.

    Stored as JSON with the hold, so that a live call keeps its price when the tariff changes
    under it, and a restarted daemon settles at the price the call was let through with.

    Attributes:
        tariff: The tariff's name.
        version: Which version of it.
        rate: The row.
    """

    tariff: str
    version: int
    rate: Rate
