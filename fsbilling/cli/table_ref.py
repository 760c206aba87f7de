"""A table of rates as a person names it: `NAME`, `NAME@VERSION`, or a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fsbilling.cli.context import Invocation, found, now_us
from fsbilling.cli.params import parameter
from fsbilling.cli.rate_files import read_plan, read_table
from fsbilling.clock import local_month

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fsbilling.rating.plan import Plan
    from fsbilling.rating.rate import Rate
    from fsbilling.rating.tariff import Tariff
    from fsbilling.store.tariffs import Version

WHERE = "fsbilling rates list"
FILE_SUFFIXES = (".csv", ".xlsx")


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was read.

    Attributes:
        tariff: Its name; a file's name for a file.
        version: Its number; 0 for a file.
        rates: Its rows.
        plan: The frame they stand in; a file has one only when a second file gives it.
    """

    tariff: str
    version: int
    rates: list[Rate]
    plan: Plan

    def tariff_of(self, since_us: int, until_us: int) -> Tariff:
        """Make it ready to price the calls of a period, by the calendar of then."""
        from fsbilling.rating.tariff import Tariff
        from fsbilling.store.holiday_source import read_calendar

        first, last = (int(local_month(at_us, "UTC")[:4]) for at_us in (since_us, until_us))
        calendar = read_calendar(self.plan.calendar, first - 1, last + 1)
        return Tariff(self.tariff, self.version, self.rates, self.plan, calendar)

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

    def read(self, invocation: Invocation, plan_path: Path | None = None) -> Table:
        """Read the table, a file's with its plan; ends the command when there is none."""
        from fsbilling.rating.plan import PLAIN
        from fsbilling.store import tariffs

        if self.is_file:
            path = Path(self.name)
            plan = PLAIN if plan_path is None else read_plan(plan_path)
            return Table(path.name, 0, read_table(path, plan), plan)
        if plan_path is not None:
            raise click.UsageError("--plan goes with a file; a tariff's version has its own.")
        with invocation.read() as conn:
            version = self._version(conn)
            rates, plan = tariffs.rates(conn, version), tariffs.plan(conn, version)
        return Table(version.tariff, version.version, rates, plan)

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
