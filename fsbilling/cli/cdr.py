"""`fsbilling cdr`: call detail records: list, show, export, correct."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from fsbilling.cli import output
from fsbilling.cli.cdr_fields import CSV_COLUMNS, csv_cells, fields, revision_fields
from fsbilling.cli.context import Invocation, Refusal, account, pass_invocation
from fsbilling.cli.period import since, until
from fsbilling.cli.rerate import rerate
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.calls.cdr import Cdr
    from fsbilling.store.revisions import Revision

BOM = "\ufeff".encode()

Command = Callable[..., Any]


def _selection(function: Command) -> Command:
    """The options that choose records, the same for list and export."""
    for option in (
        until(),
        since(),
        click.option("--account", "code", help="Only this account's."),
    ):
        function = option(function)
    return function


@click.group("cdr")
def command() -> None:
    """Call detail records: list, show, export, correct."""


command.add_command(rerate)


@command.command("list")
@_selection
@click.option("--refused", is_flag=True, help="Only attempts that were refused.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="The newest."
)
@output.json_option
@pass_invocation
def list_newest(
    invocation: Invocation,
    code: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    *,
    refused: bool,
    as_json: bool,
) -> None:
    """List the newest records, the newest first."""
    from fsbilling.store import cdrs

    with invocation.read() as conn:
        if code is not None:
            account(conn, code)
        selection = cdrs.Selection(account=code, since_us=since, until_us=until)
        listed = cdrs.newest(conn, selection, refused=refused, limit=limit)
    if as_json:
        output.dump([fields(cdr) for cdr in listed])
        return
    output.table(
        ["began", "account", "caller", "callee", ">talked", ">billed", ">charge", "end", "uuid"],
        [
            (
                output.when(cdr.created_us),
                cdr.account or "-",
                cdr.caller.dialled,
                cdr.callee.dialled,
                output.seconds(cdr.duration_us),
                cdr.billed_s,
                format_micros(cdr.charge_micros),
                f"refused: {cdr.refusal}" if cdr.refusal else cdr.hangup_cause,
                cdr.uuid,
            )
            for cdr in listed
        ],
    )


@command.command("show")
@click.argument("uuid")
@click.option("--switch", help="Of this FreeSWITCH, where two have used the same UUID.")
@output.json_option
@pass_invocation
def show(invocation: Invocation, uuid: str, switch: str | None, *, as_json: bool) -> None:
    """Show everything about one call: times, price and why, earlier prices, who ended it."""
    from fsbilling.store import cdrs, revisions

    with invocation.read() as conn:
        records = [
            (cdr, revisions.history(conn, cdr.switch, cdr.uuid))
            for cdr in cdrs.find(conn, uuid, switch)
        ]
    if not records:
        raise Refusal(f"there is no record of call {uuid}; 'fsbilling calls list' shows live ones")
    if as_json:
        output.dump(
            [
                fields(cdr) | {"earlier": [revision_fields(past) for past in earlier]}
                for cdr, earlier in records
            ]
        )
        return
    for cdr, earlier in records:
        output.record([*_story(cdr), *_history(earlier)])


@command.command("export")
@_selection
@click.option("--bom", is_flag=True, help="Begin with a byte order mark: Excel then reads UTF-8.")
@pass_invocation
def export(
    invocation: Invocation, code: str | None, since: int | None, until: int | None, *, bom: bool
) -> None:
    """Write records to stdout as CSV in UTF-8, the oldest first.

    Text that a spreadsheet would run as a formula (it begins with = + - @ or a tab) gets a
    leading apostrophe. All other cells are as 'cdr show --json' has them.
    """
    from fsbilling.store.cdr_pages import pages
    from fsbilling.store.cdrs import Selection

    with invocation.database() as database:
        with database.read() as conn:
            if code is not None:
                account(conn, code)
        click.echo(BOM if bom else b"", nl=False)
        click.echo(_csv([CSV_COLUMNS]), nl=False)
        for page in pages(database, Selection(account=code, since_us=since, until_us=until)):
            click.echo(_csv(csv_cells(cdr) for _, cdr in page), nl=False)


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    """Write rows as CSV, in UTF-8 whatever the locale is."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _story(cdr: Cdr) -> list[tuple[str, object]]:
    """One record for a person, in the order the call went."""
    rows: list[tuple[str, object]] = [
        ("call", cdr.uuid),
        ("switch", cdr.switch),
        ("account", cdr.account or "none could be named"),
        ("service", f"{cdr.service}, {cdr.direction}"),
        ("caller", _party(cdr, "caller")),
        ("callee", _party(cdr, "callee")),
        ("began", output.when(cdr.created_us)),
        ("rang", output.when(cdr.progress_us)),
        ("answered", output.when(cdr.answered_us)),
        ("ended", f"{output.when(cdr.ended_us)} (by {cdr.end_source})"),
        ("talked", f"{output.seconds(cdr.duration_us)} s"),
    ]
    included = f", {cdr.included_s} of them included" if cdr.included_s else ""
    if cdr.refusal:
        rows += [("refused", cdr.refusal), ("why", cdr.explanation)]
    else:
        rows += [
            ("billed", f"{cdr.billed_s} s{included}"),
            ("charge", format_micros(cdr.charge_micros)),
            ("why", cdr.explanation),
        ]
    if cdr.waived_micros:
        rows.append(("waived", format_micros(cdr.waived_micros)))
    cause = f"{cdr.hangup_cause} {cdr.sip_cause}".strip()
    return [*rows, ("cause", cause), ("hung up by", cdr.hung_up_by)]


def _history(earlier: Iterable[Revision]) -> list[tuple[str, object]]:
    """The prices that were corrected, the last one first."""
    rows: list[tuple[str, object]] = []
    for past in reversed([*earlier]):
        stood = f"{format_micros(past.charge_micros)} until {output.when(past.replaced_us)}"
        rows.append(("earlier", f"{stood}: {past.explanation}"))
    return rows


def _party(cdr: Cdr, side: str) -> str:
    number, region = getattr(cdr, side), getattr(cdr, f"{side}_region")
    place = " ".join(part for part in (region.area_code, region.province, region.city) if part)
    return f"{number.dialled} ({number.kind}{', ' if place else ''}{place})"
