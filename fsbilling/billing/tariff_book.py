"""The rate tables in memory: which row prices this call now."""

from __future__ import annotations

from collections import OrderedDict

from fsbilling.billing.pricelist import Pricelist
from fsbilling.errors import Refused
from fsbilling.rating.table import Party
from fsbilling.rating.terms import Terms
from fsbilling.store import tariffs
from fsbilling.store.engine import Database

MAX_TABLES = 64
"""Tables kept in memory; the one used longest ago makes room."""


class TariffBook:
    """Finds a call's terms; tables are read from SQL once, as a version never changes.

    Which version is in force is a matter of the moment: `refresh` rereads the list, so a table
    imported for midnight takes over at midnight without a restart.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._pricelists: OrderedDict[int, Pricelist] = OrderedDict()
        self._versions: dict[str, list[tariffs.Version]] = {}

    def refresh(self) -> None:
        """Reread which versions there are. Raises StoreError; what was known stays in use."""
        with self._db.read() as conn:
            known: dict[str, list[tariffs.Version]] = {}
            for version in tariffs.versions(conn):
                known.setdefault(version.tariff, []).append(version)
        for versions in known.values():
            versions.sort(key=lambda version: (version.valid_from_us, version.version))
        self._versions = known

    def terms(self, tariff: str, caller: Party, callee: Party, at_us: int) -> Terms | Refused:
        """Give the terms on which a call that starts at `at_us` is priced.

        Refused: `no_tariff` when no version is in force yet, `no_rate` when no row matches.
        Raises StoreError when a table has to be read and SQL does not answer.
        """
        version = self._version_at(tariff, at_us)
        if version is None:
            return Refused("no_tariff", f"tariff {tariff} has no version in force; import rates")
        return self.pricelist(version).terms(caller, callee)

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

    def pricelist(self, version: tariffs.Version) -> Pricelist:
        """Give a version's rows, ready to price. Raises StoreError when SQL does not answer."""
        pricelist = self._pricelists.get(version.version_id)
        if pricelist is None:
            with self._db.read() as conn:
                rates = tariffs.rates(conn, version)
            pricelist = Pricelist(version.tariff, version.version, rates)
            self._pricelists[version.version_id] = pricelist
            if len(self._pricelists) > MAX_TABLES:
                self._pricelists.popitem(last=False)
        self._pricelists.move_to_end(version.version_id)
        return pricelist

    def _version_at(self, tariff: str, at_us: int) -> tariffs.Version | None:
        in_force = None
        for version in self._versions.get(tariff, ()):
            if version.valid_from_us <= at_us:
                in_force = version
        return in_force
