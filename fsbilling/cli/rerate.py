"""`fsbilling cdr rerate`: correct what calls were charged, after a table was corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, account, found, pass_invocation
from fsbilling.cli.period import period
from fsbilling.cli.progress import progress
from fsbilling.cli.table_ref import WHERE
from fsbilling.clock import SystemClock
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.billing.rerated import Corrected, Left, MonthLeft, Report

Line = tuple[str, str, "Corrected"]

COLUMNS = (
    "account",
    "currency",
    ">calls",
    ">corrected",
    ">was",
    ">is",
    ">adjusted",
    ">difference",
    ">left",
    ">months left",
)


@click.command("rerate")
@period
@click.option("--account", "code", help="Only this account's.")
@click.option("--tariff", help="Only calls that this tariff prices.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@output.json_option
@pass_invocation
def rerate(
    invocation: Invocation,
    since: int,
    until: int,
    code: str | None,
    tariff: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Correct the charges of calls whose table was corrected after they were made.

    A call is priced by its own tariff, in the version in force when it began by what is imported
    now. The old charge is taken back and the new one made, in the ledger; the old price is kept.
    Months of tariffs with volume levels are then settled anew. What is right is left alone: the
    same command again changes nothing.
    """
    from fsbilling.billing.rerate import Rerating
    from fsbilling.billing.tariff_book import TariffBook
    from fsbilling.store import accounts, tariffs
    from fsbilling.store.cdrs import Selection

    with invocation.database() as database:
        with database.read() as conn:
            payers = [account(conn, code)] if code is not None else accounts.list_all(conn)
            if tariff is not None:
                found(tariffs.versions(conn, tariff) or None, f"tariff {tariff!r}", WHERE)
        book = TariffBook(database)
        book.refresh()
        rerating = Rerating(database, book, clock=SystemClock(), dry=dry_run)
        selection = Selection(account=code, tariff=tariff, since_us=since, until_us=until)
        with progress("checking prices") as on_progress:
            report = rerating.run(selection, on_progress)
    currencies = {payer.code: payer.currency for payer in payers}
    lines = [(name, currencies[name], line) for name, line in sorted(report.accounts.items())]
    if as_json:
        output.dump(_fields(report, lines, dry_run=dry_run))
    else:
        _show(report, lines, dry_run=dry_run)
    left = [
        f"{count} {what}"
        for count, what in (
            (sum(line.left for _, _, line in lines), "calls have a wrong price and keep it"),
            (sum(line.months_left for _, _, line in lines), "months could not be settled anew"),
        )
        if count
    ]
    if left:
        raise Refusal("; ".join(left))


def _show(report: Report, lines: list[Line], *, dry_run: bool) -> None:
    """Tell the accounts that something was done to, then the calls and months that were left."""
    touched = [line for line in lines if line[2].is_touched]
    if touched:
        output.table(
            COLUMNS,
            [
                (
                    name,
                    currency,
                    line.calls,
                    line.corrected,
                    format_micros(line.before_micros),
                    format_micros(line.after_micros),
                    format_micros(line.adjusted_micros),
                    format_micros(line.difference_micros),
                    line.left,
                    line.months_left,
                )
                for name, currency, line in touched
            ],
        )
    for left in report.left:
        output.say(f"left: call {left.cdr.uuid} of {left.cdr.account}: {left.refused}")
    for month_left in report.months_left:
        output.say(f"left: month {month_left.month}: {month_left.refused}")
    calls = sum(line.calls for _, _, line in lines)
    corrected = sum(line.corrected for _, _, line in lines)
    done = "would be corrected; nothing was changed" if dry_run else "corrected"
    output.say(f"{calls} calls looked at, {corrected} {done}")


def _fields(report: Report, lines: list[Line], *, dry_run: bool) -> output.Fields:
    return {
        "dry_run": dry_run,
        "accounts": [
            {
                "account": name,
                "currency": currency,
                "calls": line.calls,
                "corrected": line.corrected,
                "left": line.left,
                **output.money("before", line.before_micros),
                **output.money("after", line.after_micros),
                **output.money("adjusted", line.adjusted_micros),
                **output.money("difference", line.difference_micros),
                "months_left": line.months_left,
            }
            for name, currency, line in lines
        ],
        "left": [_left_fields(left) for left in report.left],
        "months_left": [_month_fields(left) for left in report.months_left],
    }


def _left_fields(left: Left) -> output.Fields:
    return {
        "switch": left.cdr.switch,
        "uuid": left.cdr.uuid,
        "account": left.cdr.account,
        "reason": left.refused.reason,
        "detail": left.refused.detail,
    }


def _month_fields(left: MonthLeft) -> output.Fields:
    return {
        "account": left.month.account,
        "tariff": left.month.tariff,
        "month": left.month.month,
        "reason": left.refused.reason,
        "detail": left.refused.detail,
    }
