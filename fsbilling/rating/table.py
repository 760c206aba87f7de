"""A tariff's rows, found by who calls whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fsbilling.errors import InputError
from fsbilling.rating.match import AREA, COUNTRY_CODE_DIGITS, PROVINCE, ZONE, prefix_length
from fsbilling.rating.party import ANY, Party, relations
from fsbilling.rating.rate import Rate

__all__ = ["MATCHING_RULE", "MAX_ROWS_OF_A_MATCH", "Party", "RateTable"]

MATCHING_RULE = (
    "The callee's match decides first, then the caller's, then the callee's kind, then the "
    "relation of the two. Of matches the most specific wins: a prefix of 3 digits or more (the "
    "longest first), then area, then province, then a prefix of 1 or 2 digits, then *; a zone "
    "stands just below that member of it which matches. A kind wins over *. Of relations "
    "same_city wins, then same_province or elsewhere, then *."
)

MAX_ROWS_OF_A_MATCH = 500
"""Bands times levels; it bounds what a call's terms can hold."""

Rows = tuple[Rate, ...]
_ANY_SCOPE = ((ANY, ANY),)


class _Side:
    """The forms that one column uses: a number's most specific one is found among them.

    Prefixes are known by their digits alone. A number's digits are cut only to the lengths that
    are in use, and each form is kept once: whoever is told it finds it in the next dictionary by
    identity, without comparing its letters.
    """

    def __init__(self, zones: Mapping[str, Sequence[str]]) -> None:
        self._zones = zones
        self._zones_used: dict[str, str] = {}
        # Of each digits (or area, province, *) the form itself where it is used, then its zone.
        # One key is no text: Python then keeps hashes beside the keys, and a probe that fails
        # touches none of 100,000 texts that lie all over the memory.
        self._forms: dict[str | None, tuple[str, ...]] = {None: ()}
        self._long: tuple[int, ...] = ()
        self._short: tuple[int, ...] = ()
        self.is_any = True

    def add(self, form: str) -> str:
        """Take a form into use, and give the one that is kept of those equal to it.

        Raises InputError when a zone shares a member with another.
        """
        self.is_any = self.is_any and form == ANY
        if form.startswith(ZONE):
            return self._add_zone(form)
        key = self._key(form)
        known = self._forms.get(key, ())
        if known and known[0] == form:
            return known[0]
        self._forms[key] = (form, *known)
        return form

    def _add_zone(self, zone: str) -> str:
        if zone in self._zones_used:
            return self._zones_used[zone]
        self._zones_used[zone] = zone
        for member in self._zones.get(zone.removeprefix(ZONE), ()):
            key = self._key(member)
            known = self._forms.get(key, ())
            if known and known[-1].startswith(ZONE):
                if known[-1] != zone:
                    raise InputError(f"two rates tie: {member} is in {known[-1]} and in {zone}")
                continue
            self._forms[key] = (*known, zone)
        return zone

    def forms(self, party: Party) -> Iterator[str]:
        """Give the forms in use that match a party, the most specific first."""
        found = self._forms
        digits, region = party.digits, party.region
        for length in self._long:
            if (forms := found.get(digits[:length])) is not None and length <= len(digits):
                yield from forms
        if region.area_code and (forms := found.get(AREA + region.area_code)) is not None:
            yield from forms
        if region.province and (forms := found.get(PROVINCE + region.province)) is not None:
            yield from forms
        for length in self._short:
            if (forms := found.get(digits[:length])) is not None and length <= len(digits):
                yield from forms
        if (forms := found.get(ANY)) is not None:
            yield from forms

    def _key(self, form: str) -> str:
        """Give what a form is looked for by: its digits, whose length is noted, or itself."""
        length = prefix_length(form)
        if not length:
            return form
        if length > COUNTRY_CODE_DIGITS and length not in self._long:
            self._long = tuple(sorted((*self._long, length), reverse=True))
        elif length <= COUNTRY_CODE_DIGITS and length not in self._short:
            self._short = tuple(sorted((*self._short, length), reverse=True))
        return form[-length:]


class RateTable:
    """The rows of one tariff version; what a lookup costs does not grow with their number.

    Every form that can match a party is looked up, most specific first (`MATCHING_RULE`): one
    probe per prefix length in the table and side, and then one per pair of forms that are in use.

    Rows are taken in one by one, so that whoever feeds them may let others work in between.

    Raises InputError when two rows tie, so that neither could win.

    Attributes:
        levels: Every `level_from` of the table, and 0, in order.
    """

    def __init__(
        self, rates: Iterable[Rate], zones: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._rows: dict[tuple[str, str, str, str], Rows] = {}
        self._origins = _Side(zones or {})
        self._destinations = _Side(zones or {})
        self._scopes: set[tuple[str, str]] = set()
        levels = {0}
        for rate in rates:
            self._add(rate)
            levels.add(rate.level_from)
        self.levels = sorted(levels)
        self._scoped = bool(self._scopes - {*_ANY_SCOPE})

    def rows(self, origin: Party, destination: Party) -> Rows:
        """Give all rows of the most specific match: one per band and level; none: empty.

        They are ordered by band and level.
        """
        # Forms are looked for one by one: most calls have their row at the first or second of them.
        origins: Iterable[str] = self._origins.forms(origin)
        if not self._destinations.is_any:
            origins = tuple(origins)
        scopes = self._scopes_of(origin, destination) if self._scoped else _ANY_SCOPE
        rows = self._rows
        for destination_form in self._destinations.forms(destination):
            for origin_form in origins:
                for kind, relation in scopes:
                    found = rows.get((destination_form, origin_form, kind, relation))
                    if found is not None:
                        return found
        return ()

    def find(self, origin: Party, destination: Party) -> Rate | None:
        """Give the row of a call by a tariff without bands and levels; None when none matches."""
        rows = self.rows(origin, destination)
        return rows[0] if rows else None

    def _add(self, rate: Rate) -> None:
        match = rate.match
        earlier = self._rows.get(match, ())
        if any(row.band == rate.band and row.level_from == rate.level_from for row in earlier):
            raise InputError(f"two rates tie: both from {rate.origin} to {rate.destination}")
        if len(earlier) >= MAX_ROWS_OF_A_MATCH:
            raise InputError(f"more than {MAX_ROWS_OF_A_MATCH} rates to {rate.destination}")
        if not earlier:
            destination = self._destinations.add(rate.destination)
            origin = self._origins.add(rate.origin)
            self._rows[destination, origin, rate.callee_kind, rate.relation] = (rate,)
            self._scopes.add((rate.callee_kind, rate.relation))
            return
        rows = sorted((*earlier, rate), key=lambda row: (row.band, row.level_from))
        self._rows[match] = tuple(rows)

    def _scopes_of(self, origin: Party, destination: Party) -> list[tuple[str, str]]:
        kinds = (destination.kind, ANY) if destination.kind else (ANY,)
        near = relations(origin.region, destination.region)
        return [
            (kind, relation)
            for kind in kinds
            for relation in near
            if (kind, relation) in self._scopes
        ]
