"""A tariff's rows, found by who calls whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fsbilling.errors import InputError
from fsbilling.rating.match import ZONE, matching_forms, prefix_length
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
Scope = tuple[str, str]
"""A kind of callee, and a relation."""


class _Side:
    """One column: which forms may match a number, and the zones they are members of."""

    def __init__(self, members: Mapping[str, Sequence[str]]) -> None:
        self._used: set[str] = set()
        self._members = members
        self._zone_of: dict[str, str] = {}
        self._lengths: list[int] = []

    def add(self, form: str) -> None:
        """Take a form into use. Raises InputError when a zone shares a member with another."""
        if form in self._used:
            return
        self._used.add(form)
        self._try_length(form)
        for member in self._members.get(form, ()):
            other = self._zone_of.setdefault(member, form)
            if other != form:
                raise InputError(f"two rates tie: {member} is in {other} and in {form}")
            self._try_length(member)

    def forms(self, party: Party) -> Iterator[str]:
        """Give the forms that match a party, the most specific first; not all are in use."""
        for form in matching_forms(party.digits, party.region, self._lengths):
            yield form
            if form in self._zone_of:
                yield self._zone_of[form]

    def _try_length(self, form: str) -> None:
        length = prefix_length(form)
        if length and length not in self._lengths:
            self._lengths = sorted([*self._lengths, length], reverse=True)


class RateTable:
    """The rows of one tariff version; what a lookup costs does not grow with their number.

    Every form that can match the callee is looked up, most specific first (`MATCHING_RULE`): one
    probe per prefix length in the table; under it every form that can match the caller. What
    stands under a form is a dictionary of its own, so that few probes go far in memory, however
    many rows there are.

    Rows are taken in one by one, so that whoever feeds them may let others work in between.

    Raises InputError when two rows tie, so that neither could win.

    Attributes:
        levels: Every `level_from` of the table, and 0, in order.
    """

    def __init__(
        self, rates: Iterable[Rate], zones: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        members = {ZONE + name: members for name, members in (zones or {}).items()}
        self._rows: dict[str, dict[str, dict[Scope, Rows]]] = {}
        self._origins = _Side(members)
        self._destinations = _Side(members)
        self._scopes: set[Scope] = set()
        levels = {0}
        for rate in rates:
            self._add(rate)
            levels.add(rate.level_from)
        self.levels = sorted(levels)

    def rows(self, origin: Party, destination: Party) -> Rows:
        """Give all rows of the most specific match: one per band and level; none: empty.

        They are ordered by band and level.
        """
        scopes = self._scopes_of(origin, destination)
        for by_scope in self._matching(origin, destination):
            for scope in scopes:
                if scope in by_scope:
                    return by_scope[scope]
        return ()

    def _matching(self, origin: Party, destination: Party) -> Iterator[dict[Scope, Rows]]:
        """Give what stands under each pair of forms that match, the most specific first."""
        origins = [*self._origins.forms(origin)]
        for form in self._destinations.forms(destination):
            by_origin = self._rows.get(form)
            if by_origin is not None:
                yield from (by_origin[each] for each in origins if each in by_origin)

    def _add(self, rate: Rate) -> None:
        scope = (rate.callee_kind, rate.relation)
        by_scope = self._rows.setdefault(rate.destination, {}).setdefault(rate.origin, {})
        earlier = by_scope.get(scope, ())
        if any(row.band == rate.band and row.level_from == rate.level_from for row in earlier):
            raise InputError(f"two rates tie: both from {rate.origin} to {rate.destination}")
        if len(earlier) >= MAX_ROWS_OF_A_MATCH:
            raise InputError(f"more than {MAX_ROWS_OF_A_MATCH} rates to {rate.destination}")
        by_scope[scope] = tuple(sorted((*earlier, rate), key=_by_band_and_level))
        self._destinations.add(rate.destination)
        self._origins.add(rate.origin)
        self._scopes.add(scope)

    def _scopes_of(self, origin: Party, destination: Party) -> list[Scope]:
        return [
            (kind, relation)
            for kind in (destination.kind, ANY)
            for relation in relations(origin.region, destination.region)
            if (kind, relation) in self._scopes
        ]


def _by_band_and_level(row: Rate) -> tuple[str, int]:
    return row.band, row.level_from
