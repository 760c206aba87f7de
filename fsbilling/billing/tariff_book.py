"""The tariffs in memory: which version prices this call now."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from fsbilling.clock import US_PER_S
from fsbilling.errors import Refused
from fsbilling.rating.party import Party
from fsbilling.rating.rate import Rate
from fsbilling.rating.tariff import NO_VOLUME, Tariff, Volume
from fsbilling.rating.terms import Terms
from fsbilling.store import tariffs
from fsbilling.store.engine import BULK_BOUND_S, Database
from fsbilling.store.holiday_source import read_calendar

MAX_TARIFFS = 64
"""Versions kept in memory; the one used longest ago makes room."""

BREATH_ROWS = 200
"""So many rows are taken in at a time while calls live: about two milliseconds."""

YEAR_US = 31_556_952 * US_PER_S
MAX_YEARS = 200
"""No calendar reaches further, and what a broken switch stamps may."""

AHEAD_US = 86_400 * US_PER_S
"""How long before a version, or a year, begins its tariff is made ready."""


class TariffBook:
    """Finds the tariff of a call; a version is read from SQL once, as it never changes.

    Which version is in force is a matter of the moment: `refresh` rereads the list, so a table
    imported for midnight takes over at midnight without a restart. Official calendars are read
    for the year of the call and its neighbours.

    `breathe` is called every few milliseconds while a tariff is read, to let calls go on.
    """

    def __init__(self, db: Database, *, breathe: Callable[[], object] = lambda: None) -> None:
        self._db = db
        self._breathe = breathe
        self._tariffs: OrderedDict[tuple[int, int], Tariff] = OrderedDict()
        self._versions: dict[str, list[tariffs.Version]] = {}
        self._reading: set[tuple[int, int]] = set()
        self._read_count = 0

    def refresh(self) -> None:
        """Reread which versions there are. Raises StoreError; what was known stays in use."""
        with self._db.read() as conn:
            known: dict[str, list[tariffs.Version]] = {}
            for version in tariffs.versions(conn):
                known.setdefault(version.tariff, []).append(version)
        for versions in known.values():
            versions.sort(key=lambda version: (version.valid_from_us, version.version))
        self._versions = known

    def make_ready(self, now_us: int) -> bool:
        """Read every tariff that calls may need from now to a day ahead, so that none waits.

        True when there was one to read. Raises StoreError when SQL does not answer; what was read
        stays.
        """
        before = self._read_count
        for name in self._versions:
            for version in self.in_force_between(name, now_us, now_us + AHEAD_US):
                self.tariff(version, max(now_us, version.valid_from_us))
                self.tariff(version, now_us + AHEAD_US)
        return self._read_count > before

    def terms(
        self, name: str, caller: Party, callee: Party, at_us: int, volume: Volume = NO_VOLUME
    ) -> Terms | Refused:
        """Give the terms on which a call that starts at `at_us` is priced.

        Refused: `no_tariff`, and `no_rate` when no row matches. Raises StoreError as `tariff`.
        """
        tariff = self.tariff_at(name, at_us)
        if isinstance(tariff, Refused):
            return tariff
        return terms_of(tariff, caller, callee, at_us, volume)

    def tariff_at(self, name: str, at_us: int) -> Tariff | Refused:
        """Give the version that prices calls which start at `at_us`.

        Refused: `no_tariff` when none is in force yet. Raises StoreError as `tariff`.
        """
        version = self._version_at(name, at_us)
        return _none_in_force(name) if version is None else self.tariff(version, at_us)

    def at_hand(self, name: str, at_us: int) -> Tariff | Refused | None:
        """Give the same without SQL; None when it has to be read."""
        version = self._version_at(name, at_us)
        if version is None:
            return _none_in_force(name)
        key = (version.version_id, _year(at_us))
        if key not in self._tariffs:
            return None
        self._tariffs.move_to_end(key)
        return self._tariffs[key]

    def numbered(self, name: str, number: int, at_us: int) -> Tariff | None:
        """Give a version by its number, for a call at `at_us`; None when there is none.

        One that another process has imported is looked for. Raises StoreError as `tariff`.
        """
        version = self._numbered(name, number)
        if version is None:
            self.refresh()
            version = self._numbered(name, number)
        return None if version is None else self.tariff(version, at_us)

    def in_force(self, at_us: int) -> list[tariffs.Version]:
        """Give every tariff's version in force at a moment, by the tariff's name."""
        found = (self._version_at(tariff, at_us) for tariff in sorted(self._versions))
        return [version for version in found if version is not None]

    def in_force_between(self, tariff: str, from_us: int, to_us: int) -> list[tariffs.Version]:
        """Give each version that was in force at some moment from then to then, in their order.

        As we know it now: a version that was imported later for an earlier moment takes the
        place of the one that was in force at that moment.
        """
        starts = {version.valid_from_us: version for version in self._versions.get(tariff, ())}
        later = [version for start, version in starts.items() if from_us < start <= to_us]
        first = self._version_at(tariff, from_us)
        return later if first is None else [first, *later]

    def tariff(self, version: tariffs.Version, at_us: int) -> Tariff:
        """Give a version ready to price calls at `at_us`; its calendar is that of then.

        Raises StoreError when it has to be read and SQL does not answer.
        """
        key = (version.version_id, _year(at_us))
        while key in self._reading:  # another call's greenlet reads it; once is enough
            self._breathe()
        tariff = self._tariffs.get(key)
        if tariff is None:
            self._reading.add(key)
            try:
                tariff = self._tariffs[key] = self._read(version, key[1])
            finally:
                self._reading.discard(key)
            self._read_count += 1
            if len(self._tariffs) > MAX_TARIFFS:
                self._tariffs.popitem(last=False)
        self._tariffs.move_to_end(key)
        return tariff

    def _version_at(self, tariff: str, at_us: int) -> tariffs.Version | None:
        in_force = None
        for version in self._versions.get(tariff, ()):
            if version.valid_from_us <= at_us:
                in_force = version
        return in_force

    def _numbered(self, name: str, number: int) -> tariffs.Version | None:
        return next((each for each in self._versions.get(name, ()) if each.version == number), None)

    def _read(self, version: tariffs.Version, year: int) -> Tariff:
        with self._db.read(BULK_BOUND_S) as conn:
            plan = tariffs.plan(conn, version)
            # With the years beside it: local midnight, and bands laid out some days ahead.
            calendar = read_calendar(plan.calendar, year - 1, year + 1)
            rates = self._unhurried(tariffs.each_rate(conn, version))
            return Tariff(version.tariff, version.version, rates, plan, calendar)

    def _unhurried(self, rates: Iterator[Rate]) -> Iterator[Rate]:
        for count, rate in enumerate(rates):
            if count % BREATH_ROWS == 0:
                self._breathe()
            yield rate


def _year(at_us: int) -> int:
    """Give the year of a moment, to a day or so: the calendar is read for its neighbours too."""
    return 1970 + min(max(at_us, 0) // YEAR_US, MAX_YEARS)


def _none_in_force(name: str) -> Refused:
    return Refused("no_tariff", f"tariff {name} has no version in force; import rates")


def terms_of(
    tariff: Tariff, caller: Party, callee: Party, at_us: int, volume: Volume
) -> Terms | Refused:
    """Give a call's terms by one tariff; Refused: `no_rate` when no row matches."""
    terms = tariff.terms(caller, callee, at_us, volume)
    if terms is None:
        return Refused("no_rate", f"tariff {tariff.name} has no rate for this call; add a row")
    return terms
