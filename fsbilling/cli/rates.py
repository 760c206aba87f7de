"""`fsbilling rates`: import and export rate tables, list and compare their versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, found, now_us, pass_invocation
from fsbilling.cli.params import MOMENT, TARIFF_NAME
from fsbilling.cli.price import price_call
from fsbilling.cli.progress import progress
from fsbilling.cli.rate_files import describe_plan, read_plan, read_table, warn_of_unknown_days
from fsbilling.cli.rates_diff import diff_tables
from fsbilling.cli.table_ref import WHERE, numbered_version
from fsbilling.cli.whatif import whatif

if TYPE_CHECKING:
    from fsbilling.rating.plan import Plan
    from fsbilling.store.tariffs import Version


@click.group("rates")
def command() -> None:
    """Rate tables: import, list, export, compare, price calls."""


for subcommand in (price_call, diff_tables, whatif):
    command.add_command(subcommand)


@command.command("import")
@click.argument("name", type=TARIFF_NAME)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    help="Bands, zones, levels, package; by default those the tariff has.",
)
@click.option("--from", "valid_from", type=MOMENT, help="Calls from then on; by default from now.")
@click.option("--dry-run", is_flag=True, help="Read and check the file, and change nothing.")
@pass_invocation
def import_table(
    invocation: Invocation,
    name: str,
    file: Path,
    plan_path: Path | None,
    valid_from: int | None,
    *,
    dry_run: bool,
) -> None:
    """Import FILE, a CSV or XLSX table, as the next version of tariff NAME: all or nothing."""
    from fsbilling.store import tariffs

    plan, with_plan = _plan(invocation, name, plan_path)
    rates = read_table(file, plan)
    at_us = now_us()
    valid_from_us = at_us if valid_from is None else valid_from
    what = f"{len(rates)} rates of tariff {name}, in force from {output.when(valid_from_us)}"
    what += with_plan
    warn_of_unknown_days(plan, valid_from_us)
    if dry_run:
        output.say(f"{file} is sound: {what}; nothing was changed")
        return
    with progress(f"importing {name}") as on_progress, invocation.write() as conn:
        tariffs.import_version(
            conn,
            name,
            rates,
            valid_from_us=valid_from_us,
            source=file.name,
            at_us=at_us,
            plan=plan,
            on_progress=on_progress,
        )
        version = tariffs.versions(conn, name)[-1].version
    output.say(f"imported {what}, as version {version}")


@command.command("list")
@click.argument("name", required=False)
@output.json_option
@pass_invocation
def list_versions(invocation: Invocation, name: str | None, *, as_json: bool) -> None:
    """List the versions of every tariff, or of tariff NAME; the one in force is marked."""
    from fsbilling.store import tariffs

    at_us = now_us()
    with invocation.read() as conn:
        versions = tariffs.versions(conn, name)
        in_force = {
            tariff: tariffs.version_at(conn, tariff, at_us)
            for tariff in {version.tariff for version in versions}
        }
        plans = {each.version_id: describe_plan(tariffs.plan(conn, each)) for each in versions}
    if name is not None and not versions:
        raise Refusal(f"there is no tariff {name!r}; '{WHERE}' shows what there is")
    current = {version.version_id for version in in_force.values() if version is not None}
    if as_json:
        output.dump(
            [
                _fields(version, version.version_id in current)
                | {"plan": plans[version.version_id]}
                for version in versions
            ]
        )
        return
    output.table(
        ["tariff", ">version", "in force", "from", ">rates", "plan", "source", "imported"],
        [
            (
                version.tariff,
                version.version,
                "now" if version.version_id in current else "",
                output.when(version.valid_from_us),
                version.rows,
                plans[version.version_id] or "-",
                version.source,
                output.when(version.imported_us),
            )
            for version in versions
        ],
    )


@command.command("export")
@click.argument("name")
@click.option("--version", type=int, help="A version's number; by default the one in force.")
@click.option("--at", "at", type=MOMENT, help="The version in force at that moment.")
@click.option("--plan", "plan_only", is_flag=True, help="Its plan as TOML, not its table.")
@pass_invocation
def export(
    invocation: Invocation, name: str, version: int | None, at: int | None, *, plan_only: bool
) -> None:
    """Write a version of tariff NAME to stdout as CSV, or its plan, as 'rates import' reads it."""
    from fsbilling.rating import plan_file, table_csv
    from fsbilling.store import tariffs

    if version is not None and at is not None:
        raise click.UsageError("give --version or --at, not both.")
    with invocation.read() as conn:
        if version is not None:
            chosen = numbered_version(conn, name, version)
        else:
            at_us = now_us() if at is None else at
            what = f"version of tariff {name!r} in force at {output.when(at_us)}"
            chosen = found(tariffs.version_at(conn, name, at_us), what, WHERE)
        if plan_only:
            text = plan_file.write(tariffs.plan(conn, chosen))
        else:
            text = table_csv.write(tariffs.rates(conn, chosen))
    click.echo(text, nl=False)


def _plan(invocation: Invocation, name: str, file: Path | None) -> tuple[Plan, str]:
    """Give the plan of an import, and what to say of it: a tariff keeps the one it has."""
    from fsbilling.rating.plan import PLAIN
    from fsbilling.store import tariffs

    if file is not None:
        return read_plan(file), f", plan {file.name}"
    with invocation.read() as conn:
        versions = tariffs.versions(conn, name)
        plan = tariffs.plan(conn, versions[-1]) if versions else PLAIN
    return plan, "" if plan == PLAIN else f", plan of version {versions[-1].version}"


def _fields(version: Version, in_force: bool) -> output.Fields:
    return {
        "tariff": version.tariff,
        "version": version.version,
        "in_force": in_force,
        **output.moment("valid_from", version.valid_from_us),
        "rates": version.rows,
        "source": version.source,
        **output.moment("imported", version.imported_us),
    }
