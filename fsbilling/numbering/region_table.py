"""The region of a number, found in about a microsecond.

The table knows landline area codes (`"0755"`) and mobile segments: the first 3 to 7 digits of a
mobile number (`"1380013"`). Segments are kept as one array per length, indexed by the segment
itself, so memory is 2.2 MB however many rows there are, and neither a lookup nor an addition
slows down as it fills.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from typing import Self

from fsbilling.errors import InputError
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import UNKNOWN_REGION, Region

AREA_PREFIX = re.compile(r"0(?:10|2[0-9]|[3-9][0-9]{2})")
SEGMENT_PREFIX = re.compile(r"1[0-9]{2,6}")

_SEGMENT_LENGTHS = (7, 6, 5, 4, 3)
_MAX_REGIONS = 65_535


class RegionTable:
    """Maps area codes and mobile segments to regions; the longest segment that fits wins.

    Fill it with `extend` before it is shared; a reload fills a new one, a chunk at a time so that
    live calls get their turn in between, and puts it in the old one's place.
    """

    def __init__(self) -> None:
        self._regions = [UNKNOWN_REGION]
        self._index_of = {UNKNOWN_REGION: 0}
        self._areas: dict[str, int] = {}
        self._segments = {n: array("H", bytes(2 * 10 ** (n - 1))) for n in _SEGMENT_LENGTHS}

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, Region]]) -> Self:
        """Build a table in one go; see `extend`."""
        table = cls()
        table.extend(rows)
        return table

    def extend(self, rows: Iterable[tuple[str, Region]]) -> None:
        """Add (prefix, region) rows; a prefix that is there already gets the new region.

        Raises InputError for a prefix that is neither an area code with its 0 nor a segment of
        3 to 7 digits, and beyond 65,535 different regions. Rows before the faulty one stay.
        """
        index_of, segments = self._index_of, self._segments
        for prefix, region in rows:
            index = index_of.get(region)
            if index is None:
                index = self._add_region(region)
            if SEGMENT_PREFIX.fullmatch(prefix):
                segments[len(prefix)][int(prefix[1:])] = index
            elif AREA_PREFIX.fullmatch(prefix):
                self._areas[prefix] = index
            else:
                raise InputError(f"{prefix!r} is neither an area code nor a mobile segment")

    def find(self, number: Number) -> Region:
        """Tell where a number is at home; `UNKNOWN_REGION` when the table cannot tell.

        Only landlines and mobiles have a home: a 400 number, a hotline or an extension has none.
        """
        if number.kind is NumberKind.MOBILE:
            return self._regions[self._find_segment(number.digits[2:])]
        if number.kind is NumberKind.LANDLINE:
            return self._regions[self._areas.get(area_code(number), 0)]
        return UNKNOWN_REGION

    def _find_segment(self, digits: str) -> int:
        for length, indexes in self._segments.items():
            index = indexes[int(digits[1:length])]
            if index:
                return index
        return 0

    def _add_region(self, region: Region) -> int:
        if len(self._regions) > _MAX_REGIONS:
            raise InputError(f"more than {_MAX_REGIONS} different regions")
        self._regions.append(region)
        self._index_of[region] = len(self._regions) - 1
        return self._index_of[region]


def area_code(number: Number) -> str:
    """Take the area code, with its 0, out of a landline's digits."""
    national = number.digits[2:]
    return "0" + national[: 2 if national.startswith(("10", "2")) else 3]


def prefixes(number: Number) -> list[str]:
    """Every prefix a table may know this number by, the one that wins first."""
    if number.kind is NumberKind.MOBILE:
        return [number.digits[2 : 2 + length] for length in _SEGMENT_LENGTHS]
    return [area_code(number)] if number.kind is NumberKind.LANDLINE else []
