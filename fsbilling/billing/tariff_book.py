"""The rate tables in memory: which row prices this call now."""

from __future__ import annotations

from collections import OrderedDict

from fsbilling.errors import Refused
from fsbilling.rating.table import Party, RateTable
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
        self._tables: OrderedDict[int, RateTable] = OrderedDict()
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
        rate = self._table(version).find(caller, callee)
        if rate is None:
            return Refused("no_rate", f"tariff {tariff} has no rate for this call; add a row")
        return Terms(tariff=tariff, version=version.version, rate=rate)

    def _version_at(self, tariff: str, at_us: int) -> tariffs.Version | None:
        in_force = None
        for version in self._versions.get(tariff, ()):
            if version.valid_from_us <= at_us:
                in_force = version
        return in_force

    def _table(self, version: tariffs.Version) -> RateTable:
        table = self._tables.get(version.version_id)
        if table is None:
            with self._db.read() as conn:
                table = RateTable(tariffs.rates(conn, version))
            self._tables[version.version_id] = table
            if len(self._tables) > MAX_TABLES:
                self._tables.popitem(last=False)
        self._tables.move_to_end(version.version_id)
        return table
