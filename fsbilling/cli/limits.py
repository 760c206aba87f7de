"""An account's limits on the command line: options of `account set`, rows of `account show`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fsbilling.cli import output
from fsbilling.cli.params import COUNT_OR_NONE, LIMIT_OR_NONE, NO_LIMIT
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.credit.limits import Limits

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    ("--max-calls", "max_calls", COUNT_OR_NONE, "Live calls at once; 0: no new call starts."),
    ("--max-cps", "max_cps", COUNT_OR_NONE, "Calls that may start in a second."),
    ("--max-call-s", "max_call_s", COUNT_OR_NONE, "Seconds that one call may last."),
    ("--daily-cap", "daily_cap_micros", LIMIT_OR_NONE, "What a day's calls may cost in all."),
    ("--monthly-cap", "monthly_cap_micros", LIMIT_OR_NONE, "What a month's may; none: no limit."),
    ("--time-zone", "time_zone", str, "Where days and months begin, such as Asia/Shanghai."),
)


def limit_options(command: F) -> F:
    """Give a command one option for each limit; what was not given is None."""
    for flag, name, kind, text in reversed(_OPTIONS):
        command = click.option(flag, name, type=kind, help=text)(command)
    return command


def changed_limits(limits: Limits, given: dict[str, Any]) -> Limits:
    """Put what was given in the place of what was; the word `none` takes a limit away."""
    import msgspec

    changes = {
        name: None if value == NO_LIMIT else value
        for name, value in given.items()
        if value is not None
    }
    return msgspec.structs.replace(limits, **changes)


def limits_said(given: dict[str, Any]) -> Iterator[str]:
    """Say each change in words, for a person."""
    for flag, name, _, _ in _OPTIONS:
        value = given[name]
        if value is not None:
            yield f"{_words(flag)} {'none' if value == NO_LIMIT else _shown(name, value)}"


def limit_rows(limits: Limits) -> Iterator[tuple[str, str]]:
    """The limits there are, as rows of a record."""
    for flag, name, _, _ in _OPTIONS:
        value = getattr(limits, name)
        if value is not None and (name != "time_zone" or limits.is_capped):
            yield _words(flag), _shown(name, value)


def limit_fields(limits: Limits) -> output.Fields:
    """All limits for programs; null where there is none."""
    return {
        "max_calls": limits.max_calls,
        "max_cps": limits.max_cps,
        "max_call_s": limits.max_call_s,
        **_cap("daily_cap", limits.daily_cap_micros),
        **_cap("monthly_cap", limits.monthly_cap_micros),
        "time_zone": limits.time_zone,
    }


def _cap(name: str, micros: int | None) -> output.Fields:
    return {f"{name}_micros": None, name: None} if micros is None else output.money(name, micros)


def _shown(name: str, value: int | str) -> str:
    if isinstance(value, int) and name.endswith("_micros"):
        return format_micros(value)
    return str(value)


def _words(flag: str) -> str:
    return flag.removeprefix("--").replace("-", " ")
