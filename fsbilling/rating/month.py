"""A month of calls under one tariff: package, levels, adjustments, base fee, minimum spend.

What an invoice, the advice "which tariff is cheapest" and a what-if have in common.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from fsbilling.clock import months_from_to
from fsbilling.errors import InputError
from fsbilling.money import format_micros
from fsbilling.rating.charge import Charge
from fsbilling.rating.party import Party
from fsbilling.rating.plan import Plan
from fsbilling.rating.price import price
from fsbilling.rating.tariff import NO_VOLUME, Tariff, Volume


class Talk(msgspec.Struct, frozen=True):
    """One finished call, as far as its price depends on it.

    Attributes:
        origin: Who called.
        destination: Who was called.
        answered_us: When it was answered.
        duration_us: How long it lasted; 0 when it never was answered.
    """

    origin: Party
    destination: Party
    answered_us: int
    duration_us: int


class Settled(msgspec.Struct, frozen=True):
    """A call with what it cost.

    Attributes:
        talk: The call.
        included_s: The seconds of the package it took.
        charge_micros: What was charged for it when it ended.
        waived_micros: What its price was beyond that: its hold had run out.
    """

    talk: Talk
    included_s: int
    charge_micros: int
    waived_micros: int = 0

    def comes_to_micros(self, asked_micros: int) -> int:
        """Give what it comes to where this is asked for it, in the place of its price.

        What was waived stays waived: a cheaper price gives back no more than was charged, and
        lowers nothing before it is below the charge; a dearer one adds the difference. The same
        whatever was asked for it in between.
        """
        return min(asked_micros, max(self.charge_micros, asked_micros - self.waived_micros))


class Adjustment(msgspec.Struct, frozen=True):
    """What reaching a level changes for the calls before.

    Attributes:
        level: The level reached, in the plan's unit.
        calls: How many calls it looks back on.
        amount_micros: What is still to be charged; negative: given back.
        explanation: Why, in one line.
    """

    level: int
    calls: int
    amount_micros: int
    explanation: str


class MonthBill(msgspec.Struct, frozen=True):
    """What a month comes to.

    Attributes:
        charges: One for each call, in order; None where the tariff has no row for it.
        adjustments: One for each level that a `volume` tariff reached.
        volume: The month's billed seconds and calls.
        included_s: The seconds that the package paid for.
        fee_micros: The base fee.
        top_up_micros: What was missing to the minimum spend.
        total_micros: All of it.
    """

    charges: tuple[Charge | None, ...]
    adjustments: tuple[Adjustment, ...]
    volume: Volume
    included_s: int
    fee_micros: int
    top_up_micros: int
    total_micros: int


class RunningMonth:
    """A month of one account under one tariff, call by call.

    Each call takes what the package has left, and is priced at the level that the calls before it
    reached, just as a call that starts when the one before has ended.

    Attributes:
        tariff: What prices it.
        volume: The billed seconds and calls so far.
        included_s: The seconds that the package paid for so far.
        adjustments: One for each level that a `volume` tariff reached.
        usage_micros: What the calls come to, adjustments included, fees apart.
    """

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff
        self.volume = NO_VOLUME
        self.included_s = 0
        self.adjustments: list[Adjustment] = []
        self.usage_micros = 0
        # Kept where a level looks back on them, and nowhere else.
        self._settled: list[Settled] = []

    def add(self, talk: Talk, limit_micros: int | None = None) -> Charge | None:
        """Price one more call; None when the tariff has no row for it.

        What it costs beyond `limit_micros` is waived, and stays so when a level is reached.
        """
        terms = self.tariff.terms(talk.origin, talk.destination, talk.answered_us, self.volume)
        if terms is None:
            return None
        left_s = self.tariff.plan.included_s - self.included_s
        charge = price(terms, talk.answered_us, talk.duration_us, left_s)
        self.included_s += charge.included_s
        paid_micros = charge.amount_micros
        if limit_micros is not None:
            paid_micros = min(paid_micros, limit_micros)
        self.usage_micros += paid_micros
        before, self.volume = self.volume, add_to_volume(self.volume, charge)
        if self.tariff.plan.looks_back:
            waived_micros = charge.amount_micros - paid_micros
            self._settled.append(Settled(talk, charge.included_s, paid_micros, waived_micros))
            self._adjust(before)
        return charge

    @property
    def fee_micros(self) -> int:
        """The base fee."""
        return self.tariff.plan.month_fee_micros

    @property
    def top_up_micros(self) -> int:
        """What is missing to the minimum spend."""
        return top_up_micros(self.tariff.plan, self.usage_micros)

    def _adjust(self, before: Volume) -> None:
        adjustment = volume_adjustment(
            self.tariff, self._settled, before, self.volume, self.adjustments
        )
        if adjustment is not None:
            self.adjustments.append(adjustment)
            self.usage_micros += adjustment.amount_micros


def bill_month(tariff: Tariff, talks: Iterable[Talk]) -> MonthBill:
    """Price the calls of one account and month one after the other, in the order given."""
    month = RunningMonth(tariff)
    charges = tuple([month.add(talk) for talk in talks])
    return MonthBill(
        charges=charges,
        adjustments=tuple(month.adjustments),
        volume=month.volume,
        included_s=month.included_s,
        fee_micros=month.fee_micros,
        top_up_micros=month.top_up_micros,
        total_micros=month.usage_micros + month.fee_micros + month.top_up_micros,
    )


def fees_micros(plan: Plan, usage_micros: Mapping[str, int]) -> int:
    """Add up base fees and what is missing to the minimum spend, by the usage of each month.

    Every month from the first to the last is due whole, those between without usage too.
    """
    top_ups_micros = sum(top_up_micros(plan, usage) for usage in usage_micros.values())
    months = span_months(usage_micros)
    top_ups_micros += (months - len(usage_micros)) * top_up_micros(plan, 0)
    return months * plan.month_fee_micros + top_ups_micros


def span_months(months: Collection[str]) -> int:
    """Count the months from the first to the last of some, such as `2026-11`; of none: 0."""
    return months_from_to(min(months), max(months)) if months else 0


def top_up_micros(plan: Plan, usage_micros: int) -> int:
    """Give what a month is short of its plan's minimum spend, base fee included."""
    return max(plan.minimum_spend_micros - plan.month_fee_micros - usage_micros, 0)


def add_to_volume(volume: Volume, charge: Charge) -> Volume:
    """Count a call: its billed seconds, and itself when it was billed at all."""
    return Volume(volume.billed_s + charge.billed_s, volume.calls + (charge.billed_s > 0))


def volume_adjustment(
    tariff: Tariff,
    settled: Sequence[Settled],
    before: Volume,
    volume: Volume,
    earlier: Sequence[Adjustment] = (),
) -> Adjustment | None:
    """Give what reaching a level of a `volume` tariff changes for the month's calls so far.

    None when the volume went from `before` to `volume` without reaching a level that any row
    prices, or when the tariff's levels are not `volume`. `settled` are all calls of the month,
    `earlier` its adjustments. Raises InputError as `at_level`.
    """
    reached = tariff.level_at(volume) != tariff.level_at(before)
    if not tariff.plan.looks_back or not reached:
        return None
    return at_level(tariff, settled, volume, sum(each.amount_micros for each in earlier))


def at_level(
    tariff: Tariff, settled: Sequence[Settled], volume: Volume, adjusted_micros: int
) -> Adjustment:
    """Give what brings a month's calls to what they come to at the level that `volume` reaches.

    `adjusted_micros` is what its adjustments have charged (negative: given back) until now. Each
    call keeps its included seconds, and what was waived of it (`Settled.comes_to_micros`). A
    tariff without `volume` levels takes back what was adjusted.

    Raises InputError when the tariff has no row for a call it is said to have priced.
    """
    levels = tariff.plan.levels
    if levels is None or not tariff.plan.looks_back:
        return unadjusted(tariff.name, tariff.version, len(settled), adjusted_micros)
    due_micros = 0
    for each in settled:
        talk = each.talk
        terms = tariff.terms(talk.origin, talk.destination, talk.answered_us, volume)
        if terms is None:
            raise InputError(f"tariff {tariff.name} v{tariff.version} has no row for a call")
        asked = price(terms, talk.answered_us, talk.duration_us, each.included_s)
        due_micros += each.comes_to_micros(asked.amount_micros)
    paid_micros = sum(each.charge_micros for each in settled) + adjusted_micros
    level = tariff.level_at(volume)
    explanation = (
        f"{tariff.name} v{tariff.version}: the month reached {level} {levels.of}: "
        f"{len(settled)} calls at that level {format_micros(due_micros)} "
        f"- charged so far {format_micros(paid_micros)} "
        f"= {format_micros(due_micros - paid_micros)}"
    )
    return Adjustment(level, len(settled), due_micros - paid_micros, explanation)


def unadjusted(name: str, version: int, calls: int, adjusted_micros: int) -> Adjustment:
    """Give what takes back all that was adjusted of calls which no level concerns (any more)."""
    explanation = (
        f"{name} v{version}: no level changes its {calls} calls of the month: "
        f"adjusted so far {format_micros(adjusted_micros)}, taken back"
    )
    return Adjustment(0, calls, -adjusted_micros, explanation)
