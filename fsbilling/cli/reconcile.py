"""`fsbilling reconcile`: compare the records with the switch's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, pass_invocation
from fsbilling.cli.params import MOMENT
from fsbilling.clock import SystemClock

if TYPE_CHECKING:
    from fsbilling.billing.reconcile import Difference, Reconciler


@click.command("reconcile")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--switch", help="Whose files they are; default: by json_cdr_dir, or the only one.")
@click.option("--since", type=MOMENT, help="Calls that began then or later.")
@click.option("--apply", is_flag=True, help="Settle what was missed, make estimates exact.")
@output.json_option
@pass_invocation
def command(
    invocation: Invocation,
    sources: tuple[Path, ...],
    switch: str | None,
    since: int | None,
    *,
    apply: bool,
    as_json: bool,
) -> None:
    """Compare CDRs with the files that FreeSWITCH's mod_json_cdr wrote; exit 1 if they differ.

    SOURCES are folders (and those below them) or files. Calls here without a file are looked
    for only where folders are given. Calls that ended within the last 10 s are passed over.
    """
    from fsbilling.billing.reconcile import Reconciler
    from fsbilling.billing.tariff_book import TariffBook

    name = _switch_of(invocation, sources, switch)
    listed, left = [], 0
    with invocation.database() as database:
        reconciler = Reconciler(
            database,
            TariffBook(database),
            name,
            SystemClock(),
            since_us=since or 0,
            apply=apply,
        )
        for difference in _differences(reconciler, sources):
            left += not difference.applied
            if as_json:
                listed.append(_fields(difference))
            else:
                output.say(_sentence(difference))
    if as_json:
        output.dump({"switch": name, "legs": reconciler.legs, "differences": listed})
    if left:
        raise Refusal(f"{left} differences among {reconciler.legs} billed legs of {name}")
    if not as_json:
        output.say(f"OK: {reconciler.legs} billed legs of {name}, each as the switch has it")


def _differences(reconciler: Reconciler, sources: tuple[Path, ...]) -> Iterator[Difference]:
    from fsbilling.billing.reconcile import Difference, Kind
    from fsbilling.switch.frame import BodyError
    from fsbilling.switch.witness import read_path, record_paths

    for path in record_paths(sources):
        try:
            record = read_path(path)
        except (OSError, BodyError) as fault:
            yield Difference(kind=Kind.UNREADABLE, uuid=str(path), there=str(fault))
            continue
        yield from reconciler.compare(path, record)
    if any(source.is_dir() for source in sources):
        yield from reconciler.missing_there()


def _switch_of(invocation: Invocation, sources: tuple[Path, ...], named: str | None) -> str:
    """Name the switch that wrote the files."""
    switches = invocation.config.switches
    if named is not None:
        if named not in {switch.name for switch in switches}:
            raise click.BadParameter(f"{named!r} is not in the configuration.", param_hint="switch")
        return named
    folders = {Path(switch.json_cdr_dir).resolve(): switch.name for switch in switches}
    for source in sources:
        for folder in (source.resolve(), *source.resolve().parents):
            if folder in folders and len(switches) > 1:
                return folders[folder]
    if len(switches) > 1:
        raise click.UsageError("say whose files they are: --switch NAME")
    return switches[0].name


def _sentence(difference: Difference) -> str:
    words = [difference.kind.value, difference.uuid, difference.account]
    if difference.here:
        words.append(f"here: {difference.here}")
    if difference.there:
        words.append(f"there: {difference.there}")
    if difference.applied:
        words.append("(put right)")
    return "  ".join(word for word in words if word)


def _fields(difference: Difference) -> output.Fields:
    import msgspec

    return msgspec.structs.asdict(difference)
