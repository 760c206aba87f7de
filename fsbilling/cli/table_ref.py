"""A table of rates as a person names it: `NAME`, `NAME@VERSION`, or a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fsbilling.cli.context import Invocation, found, now_us
from fsbilling.cli.params import parameter
from fsbilling.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fsbilling.rating.rate import Rate
    from fsbilling.store.tariffs import Version

WHERE = "fsbilling rates list"
FILE_SUFFIXES = (".csv",)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was read.

    Attributes:
        tariff: Its name; a file's name for a file.
        version: Its number; 0 for a file.
        rates: Its rows.
    """

    tariff: str
    version: int
    rates: list[Rate]

    def __str__(self) -> str:
        return f"{self.tariff} v{self.version}" if self.version else self.tariff


@dataclass(frozen=True, slots=True)
class TableRef:
    """What was typed.

    Attributes:
        name: The tariff's name, or the file's path.
        version: A version's number; None: the one in force now.
        is_file: A file is read, and not SQL.
    """

    name: str
    version: int | None
    is_file: bool

    def read(self, invocation: Invocation) -> Table:
        """Read the table; ends the command when there is none."""
        if self.is_file:
            path = Path(self.name)
            return Table(path.name, 0, read_file(path))
        from fsbilling.store import tariffs

        with invocation.read() as conn:
            version = self._version(conn)
            return Table(version.tariff, version.version, tariffs.rates(conn, version))

    def _version(self, conn: Connection) -> Version:
        if self.version is not None:
            return numbered_version(conn, self.name, self.version)
        from fsbilling.store import tariffs

        in_force = tariffs.version_at(conn, self.name, now_us())
        return found(in_force, f"version of tariff {self.name!r} in force now", WHERE)


def numbered_version(conn: Connection, name: str, number: int) -> Version:
    """Find one version of a tariff, or end the command."""
    from fsbilling.store import tariffs

    numbered = (each for each in tariffs.versions(conn, name) if each.version == number)
    return found(next(numbered, None), f"version {number} of tariff {name!r}", WHERE)


def read_file(file: Path) -> list[Rate]:
    """Read a table; raises InputError with every fault of it, the file named first."""
    from fsbilling.rating import table_csv
    from fsbilling.rating.faults import TableFaults

    try:
        return table_csv.parse(file.read_bytes())
    except OSError as fault:
        raise InputError(f"cannot read {file}: {fault.strerror}") from None
    except TableFaults as faults:
        raise InputError(f"{file}: {faults.total} faults; nothing was changed\n{faults}") from None


def _table_ref(text: str) -> TableRef:
    if text.lower().endswith(FILE_SUFFIXES):
        return TableRef(text, None, is_file=True)
    name, at, version = text.rpartition("@")
    if not at:
        return TableRef(text, None, is_file=False)
    if not name or not version.isascii() or not version.isdecimal():
        raise ValueError(f"{text!r} is no table; write NAME, NAME@VERSION like std@2, or FILE.csv")
    return TableRef(name, int(version), is_file=False)


TABLE = parameter("table", _table_ref)
