"""A tariff's rows, found by who calls whom."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fsbilling.errors import InputError
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.plan import COUNTRY_CODE
from fsbilling.numbering.region import Region
from fsbilling.rating.match import matching_forms, prefix_lengths
from fsbilling.rating.rate import Rate

MATCHING_RULE = (
    "The callee's match decides first, then the caller's. On each side the most specific wins: "
    "a prefix of 3 digits or more (the longest first), then area, then province, "
    "then a prefix of 1 or 2 digits, then *."
)


class Party(msgspec.Struct, frozen=True):
    """One end of a call, as rates see it.

    Attributes:
        digits: What prefixes are compared with; empty when the number is hidden.
        region: Where the number is at home; `UNKNOWN_REGION` matches no area and no province.
    """

    digits: str
    region: Region

    @classmethod
    def of(cls, number: Number, region: Region) -> Party:
        """Take from a number the digits that a prefix may match without being mistaken.

        The hotline 12345 is no number in Ohio (+1 234), and 95588 none in Myanmar (+95): a short
        number counts as one of China, 8612345. An extension means nothing outside its company:
        only `*` matches it.
        """
        match number.kind:
            case NumberKind.SHORT:
                return cls(COUNTRY_CODE + number.digits, region)
            case NumberKind.EXTENSION:
                return cls("", region)
        return cls(number.digits, region)


class RateTable:
    """The rows of one tariff version; what a lookup costs does not grow with their number.

    Every form that can match a party is probed, most specific first (`MATCHING_RULE`): one dict
    lookup per prefix length in the table, and one each for area, province and any.

    Raises InputError when two rows have the same origin and destination: neither could win.
    """

    def __init__(self, rates: Iterable[Rate]) -> None:
        # Large tables list destinations, for few origins: so few dicts, and only one is large.
        self._by_origin: dict[str, dict[str, Rate]] = {}
        destinations: set[str] = set()
        for rate in rates:
            by_destination = self._by_origin.setdefault(rate.origin, {})
            if by_destination.setdefault(rate.destination, rate) is not rate:
                raise InputError(f"two rates tie: both from {rate.origin} to {rate.destination}")
            destinations.add(rate.destination)
        self._origin_lengths = prefix_lengths(self._by_origin)
        self._destination_lengths = prefix_lengths(destinations)

    def find(self, origin: Party, destination: Party) -> Rate | None:
        """Give the most specific row for a call, or None when no row matches it."""
        origin_forms = matching_forms(origin.digits, origin.region, self._origin_lengths)
        tables = [self._by_origin[form] for form in origin_forms if form in self._by_origin]
        lengths = self._destination_lengths
        for form in matching_forms(destination.digits, destination.region, lengths):
            for by_destination in tables:
                rate = by_destination.get(form)
                if rate is not None:
                    return rate
        return None
