"""The files of a tariff as a person names them: the table and its plan, with every fault told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fsbilling.cli.context import now_us
from fsbilling.clock import US_PER_S, local_month
from fsbilling.errors import InputError

if TYPE_CHECKING:
    from fsbilling.rating.plan import Plan
    from fsbilling.rating.rate import Rate

SOON_US = 92 * 86_400 * US_PER_S
"""How far ahead an import looks for days that nobody has announced."""


def read_table(file: Path, plan: Plan) -> list[Rate]:
    """Read a table; raises InputError with every fault of it, the file named first."""
    from fsbilling.rating import table_file
    from fsbilling.rating.faults import TableFaults

    try:
        return table_file.parse(_bytes(file), plan)
    except TableFaults as faults:
        raise InputError(f"{file}: {faults.total} faults; nothing was changed\n{faults}") from None


def read_plan(file: Path) -> Plan:
    """Read a plan, its official calendar included; raises InputError with every fault of it."""
    from fsbilling.rating import plan_file
    from fsbilling.store.holiday_source import read_calendar

    data = _bytes(file)
    try:
        plan = plan_file.parse(data)
        year = int(local_month(now_us(), plan.time_zone)[:4])
        read_calendar(plan.calendar, year, year)
    except InputError as faults:
        raise InputError(f"{file}: nothing was changed\n{faults}") from None
    return plan


def warn_of_unknown_days(plan: Plan, from_us: int) -> None:
    """Say on stderr which year a plan's bands will ask for, and its calendar does not know yet."""
    from fsbilling.rating.plan import HOLIDAY, RESTDAY, WORKDAY
    from fsbilling.store.holiday_source import lacks_swapped_days

    if not any({WORKDAY, RESTDAY, HOLIDAY}.intersection(band.days) for band in plan.bands):
        return
    ends = (from_us, from_us + SOON_US)
    for year in sorted({int(local_month(at_us, plan.time_zone)[:4]) for at_us in ends}):
        if lacks_swapped_days(plan.calendar, year):
            click.echo(
                f"warning: the swapped working days of {plan.calendar} in {year} are not known to "
                "the package holidays: upgrade it, or name them in the plan (holidays, workdays)",
                err=True,
            )


def describe_plan(plan: Plan) -> str:
    """Say in a few words what a plan adds to its table; empty: nothing."""
    from fsbilling.rating.plan import UNLIMITED_S

    words: list[str] = []
    if plan.included_s:
        unlimited = plan.included_s >= UNLIMITED_S
        words.append("unlimited" if unlimited else f"{plan.included_s // 60} min included")
    if plan.levels:
        words.append(f"{plan.levels.mode} levels of {plan.levels.of}")
    for count, name in ((len(plan.bands), "bands"), (len(plan.zones), "zones")):
        if count:
            words.append(f"{count} {name}")
    if plan.month_fee_micros or plan.minimum_spend_micros:
        words.append("monthly fee")
    return ", ".join(words)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise InputError(f"cannot read {file}: {fault.strerror}") from None
