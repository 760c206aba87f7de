"""Whether sound rows make a sound table: no ties, no gaps, no names the plan does not know."""

from __future__ import annotations

from collections.abc import Sequence

from fsbilling.money import format_micros
from fsbilling.rating.faults import FaultList
from fsbilling.rating.match import ZONE
from fsbilling.rating.party import ANY
from fsbilling.rating.plan import Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.table import MAX_ROWS_OF_A_MATCH

NumberedRate = tuple[int, Rate]


def check_table(rows: Sequence[NumberedRate], plan: Plan, faults: FaultList) -> None:
    """Note every fault of a table, each with the line of its row; ties name both lines."""
    for line, rate in rows:
        _check_names(line, rate, plan, faults)
        _check_precision(line, rate, plan, faults)
    _check_zones(rows, plan, faults)
    by_match: dict[tuple[str, str, str, str], list[NumberedRate]] = {}
    for line, rate in rows:
        by_match.setdefault(rate.match, []).append((line, rate))
    bands_cover_all_time = plan.covers_all_time()
    for same in by_match.values():
        _check_match(same, plan, faults, bands_cover_all_time=bands_cover_all_time)


def _check_names(line: int, rate: Rate, plan: Plan, faults: FaultList) -> None:
    for column, form in (("origin", rate.origin), ("destination", rate.destination)):
        if form.startswith(ZONE) and form.removeprefix(ZONE) not in plan.zones:
            faults.add(line, column, f"the plan has no zone {form.removeprefix(ZONE)}")
    if rate.band != ANY and all(band.name != rate.band for band in plan.bands):
        faults.add(line, "band", f"the plan has no band {rate.band}")
    if rate.level_from and plan.levels is None:
        faults.add(line, "level_from", "the plan does not say what levels are of")


def _check_precision(line: int, rate: Rate, plan: Plan, faults: FaultList) -> None:
    """A maximum between two roundable amounts would be rounded up, and so exceeded."""
    if rate.max_charge_micros % plan.precision_micros:
        step = format_micros(plan.precision_micros)
        faults.add(line, "max_charge", f"must be a multiple of the plan's precision, {step}")


def _check_zones(rows: Sequence[NumberedRate], plan: Plan, faults: FaultList) -> None:
    """A number in two zones of one column would be matched by both alike."""
    zones = {ZONE + name: members for name, members in plan.zones.items()}
    for column in ("destination", "origin"):
        used: dict[str, int] = {}
        for line, rate in rows:
            form: str = getattr(rate, column)
            if form in zones:
                used.setdefault(form, line)
        zone_of: dict[str, str] = {}
        for form, line in used.items():
            for member in zones[form]:
                other = zone_of.setdefault(member, form)
                if other != form:
                    reason = f"{member} is in {form} and in {other} of line {used[other]}"
                    faults.add(line, column, f"{reason}: they tie")


def _check_match(
    same: Sequence[NumberedRate], plan: Plan, faults: FaultList, *, bands_cover_all_time: bool
) -> None:
    """Check the rows of one match: distinct, and with a price at every moment and volume."""
    first: dict[tuple[str, int], int] = {}
    lowest: dict[str, NumberedRate] = {}
    for line, rate in same:
        earlier = first.setdefault((rate.band, rate.level_from), line)
        if earlier != line:
            reason = f"{_row(rate)}, the same as line {earlier}"
            faults.add(line, "", f"this row is {reason}: they tie")
        if rate.level_from < lowest.setdefault(rate.band, (line, rate))[1].level_from:
            lowest[rate.band] = (line, rate)
    for line, rate in lowest.values():
        if rate.level_from:
            faults.add(line, "level_from", f"no row {_from_to(rate)} from level 0 on")
    if len(first) > MAX_ROWS_OF_A_MATCH:
        reason = f"more than {MAX_ROWS_OF_A_MATCH} rows {_from_to(same[0][1])}"
        faults.add(same[-1][0], "", reason)
    every_band = all(band.name in lowest for band in plan.bands)
    if ANY not in lowest and not (every_band and bands_cover_all_time):
        line, rate = same[0]
        reason = "no row with band * for the time that is in none of the bands priced"
        faults.add(line, "band", f"{_from_to(rate)}: {reason}")


def _from_to(rate: Rate) -> str:
    """Name what all rows of a match share."""
    text = f"from {rate.origin} to {rate.destination}"
    for value in (rate.callee_kind, rate.relation):
        if value != ANY:
            text += f", {value}"
    return text


def _row(rate: Rate) -> str:
    """Name what no two rows of a table may share."""
    text = _from_to(rate)
    if rate.band != ANY:
        text += f", band {rate.band}"
    return f"{text}, level {rate.level_from}" if rate.level_from else text
