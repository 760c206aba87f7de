"""What people type, read once and exactly: amounts, moments, `SERVICE=NAME`, `KIND:VALUE`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from fsbilling.clock import parse_us
from fsbilling.money import parse_micros

if TYPE_CHECKING:
    from fsbilling.numbering.line import Line

T = TypeVar("T")

SERVICES = ("400", "outbound")
MAX_NAME = 64
MAX_COUNT = 1_000_000
NO_LIMIT = -1
"""What the word `none` means where a limit is given."""


def parameter(name: str, read: Callable[[str], T]) -> Callable[[str], T]:
    """Make a click type of a function whose ValueError is a sentence for a person."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except ValueError as fault:
            raise click.BadParameter(f"{fault}.") from None

    convert.__name__ = name
    return convert


def _positive_micros(text: str) -> int:
    micros = parse_micros(text)
    if micros <= 0:
        raise ValueError(f"{text!r} must be more than zero")
    return micros


def _limit_micros(text: str) -> int:
    micros = parse_micros(text)
    if micros < 0:
        raise ValueError(f"{text!r} must not be negative")
    return micros


def _or_none(read: Callable[[str], int]) -> Callable[[str], int]:
    """Let a person take a limit away by the word `none`."""
    return lambda text: NO_LIMIT if text == "none" else read(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_COUNT:
        raise ValueError(f"{text!r} is not a whole number up to {MAX_COUNT}, nor none")
    return int(text)


def _tariff_name(text: str) -> str:
    if not 1 <= len(text) <= MAX_NAME or not text.isprintable() or " " in text:
        raise ValueError(f"a tariff's name is 1 to {MAX_NAME} characters without spaces")
    return text


def _service_tariff(text: str) -> tuple[str, str]:
    service, equals, tariff = text.partition("=")
    if not equals or service not in SERVICES or not tariff:
        raise ValueError(f"{text!r} is not SERVICE=NAME; write it like 400=std or outbound=std")
    return service, tariff


def _line(text: str) -> Line:
    from fsbilling.numbering.line import parse_line

    return parse_line(text)


AMOUNT = parameter("amount", parse_micros)
POSITIVE_AMOUNT = parameter("amount", _positive_micros)
LIMIT = parameter("amount", _limit_micros)
LIMIT_OR_NONE = parameter("amount", _or_none(_limit_micros))
COUNT_OR_NONE = parameter("count", _or_none(_count))
MOMENT = parameter("iso-time", parse_us)
TARIFF_NAME = parameter("name", _tariff_name)
SERVICE_TARIFF = parameter("service=name", _service_tariff)
LINE = parameter("kind:value", _line)
