"""`fsbilling db`: bring the schema up to date, show its state."""

from __future__ import annotations

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, pass_invocation


@click.group("db")
def command() -> None:
    """The database: bring its schema up to date, show its state."""


@command.command("upgrade")
@pass_invocation
def upgrade(invocation: Invocation) -> None:
    """Create the tables, or bring them to this version; what is in them stays."""
    from fsbilling.store import migrations

    url = invocation.config.database.url
    before = migrations.status(url)
    migrations.upgrade(url)
    after = migrations.status(url)
    if before.current == after.current:
        output.say(f"the database is at {after.current} already")
    else:
        output.say(f"upgraded the database from {before.current or 'empty'} to {after.current}")


@command.command("status")
@output.json_option
@pass_invocation
def status(invocation: Invocation, *, as_json: bool) -> None:
    """Show the database's schema and this version's; exit 1 when they differ."""
    from fsbilling.store import migrations

    shown = migrations.status(invocation.config.database.url)
    if as_json:
        output.dump({"current": shown.current, "head": shown.head, "known": shown.known})
    else:
        output.record([("database", shown.current or "empty"), ("this version", shown.head)])
    if shown.current != shown.head:
        raise Refusal(
            "the schema is older than this version; run 'fsbilling db upgrade'"
            if shown.known
            else "the schema is not known to this version; install the fsbilling it was made by"
        )
