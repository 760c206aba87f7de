"""`fsbilling config`: write a commented configuration file, check one."""

from __future__ import annotations

from pathlib import Path

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, pass_invocation


@click.group("config")
def command() -> None:
    """The configuration file: write one, check one."""


@command.command("init")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), required=False)
@pass_invocation
def init(invocation: Invocation, path: Path | None) -> None:
    """Write a commented configuration to PATH, or print it; never over a file that exists."""
    from fsbilling.config import template

    path = path or invocation.config_path
    if path is None:
        click.echo(template(), nl=False)
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        raise Refusal(f"{path} exists and is left as it is; name another file") from None
    except OSError as fault:
        raise Refusal(f"cannot write {path}: {fault.strerror}") from None
    output.say(f"wrote {path}; edit it, then run 'fsbilling config check'")


@command.command("check")
@pass_invocation
def check(invocation: Invocation) -> None:
    """Read the configuration, say whether it can be used, and what in it is risky."""
    config = invocation.config
    invocation.warn()
    switches = ", ".join(switch.name for switch in config.switches)
    output.say(
        f"OK: {config.path or 'no file, every setting has its default'}; "
        f"database {config.database.shown_url}; switches {switches}"
    )
