"""How commands speak: aligned tables for people, JSON for programs.

Text that callers can choose (numbers as dialled, names) may hold control characters; a
terminal would obey them, so `table` and `say` print them as `?` (DESIGN rule 7).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import click

from fsbilling.clock import US_PER_S, format_us
from fsbilling.money import divide_half_up, format_micros

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Machine readable: money in micro-units and decimal."
)

Fields = dict[str, Any]


def money(name: str, micros: int, unit: str = "") -> Fields:
    """One amount for JSON: `balance_micros` exactly, and `balance` as a decimal string."""
    return {f"{name}_micros{unit}": micros, f"{name}{unit}": format_micros(micros)}


def moment(name: str, at_us: int) -> Fields:
    """One moment for JSON: `created_us`, and `created` in ISO 8601; null when it never came."""
    return {f"{name}_us": at_us, name: format_us(at_us) if at_us else None}


def per_mille(old: int, new: int) -> int:
    """By how many thousandths of `old`, which is not 0, `new` is more; rounded half up."""
    return divide_half_up(1000 * (new - old), abs(old))


def percent(old: int, new: int) -> str:
    """The same in per cent with one decimal, such as `+12.5 %`; `-` when `old` is 0."""
    if not old:
        return "-"
    thousandths = per_mille(old, new)
    sign = "-" if thousandths < 0 else "+"
    return f"{sign}{abs(thousandths) // 10}.{abs(thousandths) % 10} %"


def when(at_us: int) -> str:
    """A moment for a table; `-` when it never came."""
    return format_us(at_us) if at_us else "-"


def seconds(duration_us: int) -> str:
    """A duration for a table, to the millisecond, cut and not rounded."""
    whole_s, rest_us = divmod(duration_us, US_PER_S)
    return f"{whole_s}.{rest_us // 1000:03d}"


def say(line: str) -> None:
    """Print one line, with nothing in it that a terminal would obey."""
    click.echo(_printable(line))


def dump(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings, two spaces apart.

    A column whose heading begins with `>` is aligned right. Chinese text takes two columns of
    the terminal per character, and is measured so.
    """
    names = [column.removeprefix(">").upper() for column in columns]
    cells = [names, *([_printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        aligned = (
            _pad(cell, width, right=column.startswith(">"))
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        click.echo("  ".join(aligned).rstrip())


def record(pairs: Iterable[tuple[str, object]]) -> None:
    """Print one thing: a name and a value on each line."""
    printed = [(name, _printable(str(value))) for name, value in pairs]
    width = max(_width(name) for name, _ in printed)
    for name, value in printed:
        click.echo(f"{_pad(name, width, right=False)}  {value}".rstrip())


def _width(text: str) -> int:
    """Terminal columns that a text takes."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
