"""`fsbilling rates whatif`: what recorded calls would have cost by another table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, account, pass_invocation
from fsbilling.cli.period import period
from fsbilling.cli.progress import progress
from fsbilling.cli.table_ref import TABLE, TableRef
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.billing.comparison import Tally


@click.command("whatif")
@click.argument("table", type=TABLE)
@period
@click.option("--account", "code", help="Only this account's.")
@output.json_option
@pass_invocation
def whatif(
    invocation: Invocation,
    table: TableRef,
    since: int,
    until: int,
    code: str | None,
    *,
    as_json: bool,
) -> None:
    """Price recorded calls by TABLE, and show the difference; nothing is written.

    TABLE is NAME (the version in force now), NAME@VERSION or FILE.csv.
    """
    from fsbilling.billing.comparison import compare
    from fsbilling.store import accounts
    from fsbilling.store.cdrs import Selection

    read = table.read(invocation)
    with invocation.database() as database:
        with database.read() as conn:
            payers = [account(conn, code)] if code is not None else accounts.list_all(conn)
        selection = Selection(account=code, since_us=since, until_us=until)
        with progress(f"pricing by {read}") as on_progress:
            tallies = compare(database, read.tariff_of(since, until), selection, on_progress)
    currencies = {payer.code: payer.currency for payer in payers}
    lines = [(payer, currencies[payer], tally) for payer, tally in tallies.items()]
    totals = _totals(lines)
    if as_json:
        output.dump(
            {
                "table": str(read),
                "accounts": [
                    {"account": payer, "currency": currency, **tally_fields(tally)}
                    for payer, currency, tally in lines
                ],
                "totals": [
                    {"currency": currency, **tally_fields(tally)}
                    for currency, tally in totals.items()
                ],
            }
        )
        return
    in_all = [("in all", currency, tally) for currency, tally in totals.items()]
    output.table(
        ["account", "currency", *TALLY_COLUMNS],
        [(payer, currency, *tally_cells(tally)) for payer, currency, tally in [*lines, *in_all]],
    )


TALLY_COLUMNS = (">calls", ">no rate", ">paid", ">would cost", ">difference", ">%")


def tally_cells(tally: Tally) -> tuple[object, ...]:
    """What was paid and what would have been, for a table."""
    return (
        tally.calls,
        tally.unpriced,
        format_micros(tally.paid_micros),
        format_micros(tally.asked_micros),
        format_micros(tally.extra_micros),
        output.percent(tally.paid_micros, tally.asked_micros),
    )


def tally_fields(tally: Tally) -> output.Fields:
    """The same for JSON."""
    return {
        "calls": tally.calls,
        "unpriced_calls": tally.unpriced,
        **output.money("paid", tally.paid_micros),
        **output.money("would_cost", tally.asked_micros),
        **output.money("difference", tally.extra_micros),
        "change": output.percent(tally.paid_micros, tally.asked_micros),
    }


def _totals(lines: list[tuple[str, str, Tally]]) -> dict[str, Tally]:
    """Add up, each currency by itself."""
    from fsbilling.billing.comparison import Tally

    totals: dict[str, Tally] = {}
    for _, currency, tally in lines:
        totals.setdefault(currency, Tally()).add(tally)
    return totals
