"""The options that name a span of calls, where both ends must be given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from fsbilling.cli.params import MOMENT

Command = Callable[..., Any]


def period(function: Command) -> Command:
    """Give a command the required options `--since` and `--until`."""
    return since(required=True)(until(required=True)(function))


def since(*, required: bool = False) -> Callable[[Command], Command]:
    """Give a command the option `--since`; read first, whatever order it is typed in."""
    line = "Calls that began then or later."
    return click.option("--since", type=MOMENT, required=required, help=line, is_eager=True)


def until(*, required: bool = False) -> Callable[[Command], Command]:
    """Give a command the option `--until`, which must be after `--since`."""
    line = "Calls that began before then."
    return click.option("--until", type=MOMENT, required=required, help=line, callback=_after_since)


def _after_since(ctx: click.Context, _option: click.Parameter, until_us: int | None) -> int | None:
    since_us = ctx.params.get("since")
    if since_us is not None and until_us is not None and since_us >= until_us:
        raise click.BadParameter("it must be later than --since.")
    return until_us
