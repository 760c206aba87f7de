"""The options that name a span of calls, where both ends must be given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from fsbilling.cli.params import MOMENT

Command = Callable[..., Any]


def period(function: Command) -> Command:
    """Give a command the required options `--since` and `--until`."""
    for name, which in (("--until", "before then"), ("--since", "then or later")):
        line = f"Calls that began {which}."
        function = click.option(name, type=MOMENT, required=True, help=line)(function)
    return function
