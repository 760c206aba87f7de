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
    from fsbilling.billing.attempt import NumberPlan
    from fsbilling.billing.reconcile import Reconciler
    from fsbilling.billing.tariff_book import TariffBook
    from fsbilling.switch.witness import check_sources

    check_sources(sources)
    name = _switch_of(invocation, sources, switch)
    numbering = invocation.config.numbering
    listed, left = [], 0
    with invocation.database() as database:
        book = TariffBook(database)
        book.refresh()
        reconciler = Reconciler(
            database,
            book,
            name,
            SystemClock(),
            since_us=since or 0,
            apply=apply,
            plan=NumberPlan(home_area_code=numbering.home_area_code, emergency=numbering.emergency),
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
    if len(switches) == 1:
        return switches[0].name
    folders = {
        Path(switch.json_cdr_dir).resolve(): switch.name
        for switch in switches
        if switch.json_cdr_dir
    }
    names = {_owner(source.resolve(), folders) for source in sources}
    if len(names) > 1 or None in names:
        raise click.UsageError("say whose files they are, those of one switch: --switch NAME")
    return str(names.pop())


def _owner(source: Path, folders: dict[Path, str]) -> str | None:
    """Name the switch whose folder a source is in."""
    return next(
        (folders[folder] for folder in (source, *source.parents) if folder in folders), None
    )


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
