"""`fsbilling rates whatif`: what recorded calls would have cost by another table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, account, now_us, pass_invocation
from fsbilling.cli.period import period
from fsbilling.cli.progress import progress
from fsbilling.cli.table_ref import TABLE, TableRef
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.billing.comparison import Bill, Tally

Line = tuple[str, str, "Tally"]


@click.command("whatif")
@click.argument("table", type=TABLE)
@period
@click.option("--account", "code", help="Only this account's.")
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    help="The plan of TABLE, a file; without it the file is rows alone.",
)
@output.json_option
@pass_invocation
def whatif(
    invocation: Invocation,
    table: TableRef,
    since: int,
    until: int,
    *,
    code: str | None,
    plan_path: Path | None,
    as_json: bool,
) -> None:
    """Bill recorded calls by TABLE, and show the difference; nothing is written.

    TABLE is NAME (the version in force now), NAME@VERSION or FILE.csv. A bill is the calls, with
    what the months' packages and levels make of them, and the fees of whole months.
    """
    from fsbilling.billing.comparison import compare
    from fsbilling.billing.paid import Paid
    from fsbilling.store import accounts
    from fsbilling.store.cdrs import Selection

    read = table.read(invocation, plan_path)
    tariff = read.tariff_of(since, until)
    with invocation.database() as database:
        with database.read() as conn:
            payers = [account(conn, code)] if code is not None else accounts.list_all(conn)
        paid = Paid(database, payers, now_us())
        selection = Selection(account=code, since_us=since, until_us=until)
        with progress(f"pricing by {read}") as on_progress:
            tallies = compare(database, tariff, selection, paid, on_progress)
    currencies = {payer.code: payer.currency for payer in payers}
    lines = [(payer, currencies[payer], tally) for payer, tally in tallies.items()]
    if as_json:
        output.dump({"table": str(read), **_fields(lines)})
        return
    in_all = [("in all", currency, tally) for currency, tally in _totals(lines).items()]
    output.table(
        ["account", "currency", *TALLY_COLUMNS],
        [(payer, currency, *tally_cells(tally)) for payer, currency, tally in [*lines, *in_all]],
    )


TALLY_COLUMNS = (
    ">calls",
    ">no rate",
    ">months",
    ">paid",
    ">fees",
    ">in all",
    ">would cost",
    ">fees",
    ">in all",
    ">difference",
    ">%",
)


def tally_cells(tally: Tally) -> tuple[object, ...]:
    """What was paid and what would have been, calls and fees apart and in all, for a table."""
    return (
        tally.calls,
        tally.unpriced,
        tally.months,
        *_bill_cells(tally.paid),
        *_bill_cells(tally.asked),
        format_micros(tally.extra_micros),
        output.percent(tally.paid.total_micros, tally.asked.total_micros),
    )


def tally_fields(tally: Tally) -> output.Fields:
    """The same for JSON."""
    return {
        "calls": tally.calls,
        "unpriced_calls": tally.unpriced,
        "months": tally.months,
        **_bill_fields("paid", tally.paid),
        **_bill_fields("would_cost", tally.asked),
        **output.money("difference", tally.extra_micros),
        "change": output.percent(tally.paid.total_micros, tally.asked.total_micros),
    }


def _bill_cells(bill: Bill) -> tuple[str, ...]:
    amounts = (bill.calls_micros, bill.fees_micros, bill.total_micros)
    return tuple(format_micros(micros) for micros in amounts)


def _bill_fields(name: str, bill: Bill) -> output.Fields:
    return {
        **output.money(name, bill.calls_micros),
        **output.money(f"{name}_fees", bill.fees_micros),
        **output.money(f"{name}_in_all", bill.total_micros),
    }


def _fields(lines: list[Line]) -> output.Fields:
    return {
        "accounts": [
            {"account": payer, "currency": currency, **tally_fields(tally)}
            for payer, currency, tally in lines
        ],
        "totals": [
            {"currency": currency, **tally_fields(tally)}
            for currency, tally in _totals(lines).items()
        ],
    }


def _totals(lines: list[Line]) -> dict[str, Tally]:
    """Add up, each currency by itself."""
    from fsbilling.billing.comparison import Tally

    totals: dict[str, Tally] = {}
    for _, currency, tally in lines:
        totals.setdefault(currency, Tally()).add(tally)
    return totals
