"""`fsbilling rates diff`: what differs between two tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, pass_invocation
from fsbilling.cli.table_ref import TABLE, TableRef

if TYPE_CHECKING:
    from fsbilling.billing.table_diff import RowChange, TableDiff
    from fsbilling.rating.columns import Column
    from fsbilling.rating.rate import Rate


@click.command("diff")
@click.argument("a", type=TABLE)
@click.argument("b", type=TABLE)
@output.json_option
@pass_invocation
def diff_tables(invocation: Invocation, a: TableRef, b: TableRef, *, as_json: bool) -> None:
    """Show what changes from table A to table B: rows added, removed, changed.

    A table is NAME (the version in force now), NAME@VERSION or FILE.csv.
    """
    from fsbilling.billing.table_diff import diff

    before, after = a.read(invocation), b.read(invocation)
    found = diff(before.rates, after.rates)
    if as_json:
        output.dump({"a": str(before), "b": str(after), **_fields(found)})
        return
    lines = [*_lines(found)]
    if lines:
        output.table(["row", "caller", "callee", "column", ">old", ">new", ">change"], lines)
    output.say(f"{before} -> {after}: {_summary(found)}")


def _lines(found: TableDiff) -> list[tuple[object, ...]]:
    """One line for each row that came or went, and for each cell that changed."""
    from fsbilling.rating.columns import PRICE

    lines: list[tuple[object, ...]] = []
    for kind, rates in (("removed", found.removed), ("added", found.added)):
        for rate in rates:
            price = PRICE.write(getattr(rate, PRICE.field))
            old, new = ("", price) if kind == "added" else (price, "")
            lines.append((kind, rate.origin, rate.destination, PRICE.name, old, new, ""))
    for change in found.changed:
        for column in change.columns:
            row = (change.after.origin, change.after.destination)
            old, new = _cells(change, column)
            lines.append(("changed", *row, column.name, old, new, _percent(change, column)))
    return lines


def _summary(found: TableDiff) -> str:
    """Count the rows, and say between what bounds their prices moved."""
    from fsbilling.rating.columns import PRICE

    counts = (
        f"{len(found.added)} rows added, {len(found.removed)} removed, "
        f"{len(found.changed)} changed, {found.unchanged} unchanged"
    )
    prices = [
        (getattr(change.before, PRICE.field), getattr(change.after, PRICE.field))
        for change in found.changed
    ]
    moved = sorted(
        (output.per_mille(old, new), output.percent(old, new))
        for old, new in prices
        if old and old != new
    )
    if not moved:
        return counts
    least, most = moved[0][1], moved[-1][1]
    span = least if least == most else f"{least} to {most}"
    return f"{counts}; {len(moved)} prices moved by {span}"


def _fields(found: TableDiff) -> output.Fields:
    return {
        "added": [_row(rate) for rate in found.added],
        "removed": [_row(rate) for rate in found.removed],
        "changed": [
            {
                "origin": change.after.origin,
                "destination": change.after.destination,
                "columns": {
                    column.name: _change_fields(change, column) for column in change.columns
                },
            }
            for change in found.changed
        ],
        "unchanged": found.unchanged,
        "summary": _summary(found),
    }


def _row(rate: Rate) -> output.Fields:
    """One row as `rates export` writes it."""
    from fsbilling.rating.columns import COLUMNS

    return {column.name: column.write(getattr(rate, column.field)) for column in COLUMNS}


def _change_fields(change: RowChange, column: Column) -> output.Fields:
    old, new = _cells(change, column)
    return {"old": old, "new": new, "change": _percent(change, column) or None}


def _cells(change: RowChange, column: Column) -> tuple[str, str]:
    before, after = (getattr(rate, column.field) for rate in (change.before, change.after))
    return column.write(before), column.write(after)


def _percent(change: RowChange, column: Column) -> str:
    """How much an amount moved; nothing for what is no amount or was 0."""
    before, after = (getattr(rate, column.field) for rate in (change.before, change.after))
    return output.percent(before, after) if "micros" in column.field and before else ""
