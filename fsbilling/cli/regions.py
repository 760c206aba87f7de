"""`fsbilling regions`: where numbers are at home: import the table, its age, look one up."""

from __future__ import annotations

from pathlib import Path

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, now_us, pass_invocation
from fsbilling.cli.party import known_party
from fsbilling.cli.progress import progress

IMPORT_FIRST = "there are no regions; run 'fsbilling regions import --from-package'"


@click.group("regions")
def command() -> None:
    """Regions of numbers: import, status, look one up."""


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--from-package", is_flag=True, help="Take the installed data package 'phone'.")
@pass_invocation
def import_table(invocation: Invocation, file: Path | None, *, from_package: bool) -> None:
    """Replace all regions by those of FILE, a CSV table, or of the data package: all or nothing.

    The columns of FILE are prefix, area_code, city, province; a prefix is an area code with its
    0 or the first 3 to 7 digits of mobile numbers.
    """
    from fsbilling.store import regions
    from fsbilling.store.region_csv import read_csv
    from fsbilling.store.region_source import read_package

    if from_package == (file is not None):
        raise click.UsageError("give a FILE or --from-package, one of them.")
    source = read_package() if file is None else read_csv(file)
    with progress("importing regions") as on_progress, invocation.write() as conn:
        status = regions.replace_all(
            conn,
            source.rows,
            source=source.source,
            as_of=source.as_of,
            at_us=now_us(),
            on_progress=on_progress,
        )
    output.say(
        f"imported {status.landline_rows} area codes and {status.mobile_rows} mobile segments "
        f"from {status.source}, data of {status.as_of}; a running daemon takes them on SIGHUP"
    )


@command.command("status")
@output.json_option
@pass_invocation
def status(invocation: Invocation, *, as_json: bool) -> None:
    """Show where the regions came from and how old they are."""
    from fsbilling.store import regions

    with invocation.read() as conn:
        shown = regions.status(conn)
    if shown is None:
        raise Refusal(IMPORT_FIRST)
    if as_json:
        output.dump(
            {
                "source": shown.source,
                "as_of": shown.as_of,
                **output.moment("imported", shown.imported_us),
                "landline_rows": shown.landline_rows,
                "mobile_rows": shown.mobile_rows,
            }
        )
        return
    output.record(
        [
            ("source", shown.source),
            ("data of", shown.as_of),
            ("imported", output.when(shown.imported_us)),
            ("area codes", shown.landline_rows),
            ("mobile segments", shown.mobile_rows),
        ]
    )


@command.command("of")
@click.argument("number")
@output.json_option
@pass_invocation
def of(invocation: Invocation, number: str, *, as_json: bool) -> None:
    """Show what NUMBER is taken for, and its region."""
    from fsbilling.store import regions

    with invocation.read() as conn:
        if regions.status(conn) is None:
            raise Refusal(IMPORT_FIRST)
        known = known_party(invocation, conn, number)
    if as_json:
        output.dump(
            {
                "dialled": known.number.dialled,
                "kind": known.number.kind,
                "digits": known.number.digits,
                "area_code": known.region.area_code,
                "city": known.region.city,
                "province": known.region.province,
            }
        )
        return
    output.record(
        [
            ("dialled", known.number.dialled),
            ("kind", known.number.kind),
            ("digits", known.number.digits or "-"),
            ("area code", known.region.area_code or "unknown"),
            ("city", known.region.city or "unknown"),
            ("province", known.region.province or "unknown"),
        ]
    )
