"""`fsbilling demo`: see it work in half a minute."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fsbilling.cli import output

if TYPE_CHECKING:
    from fsbilling.store.engine import Database

MONEY_KEYS = ("held_micros", "charge_micros")
SHOWN_KEYS = ("account", "granted_s", "held", "billed_s", "charge", "reason", "hung_up_by")
DECISIONS = {"authorised", "refused", "answered", "warned", "cut", "settled", "emergency"}


@click.command("demo")
def command() -> None:
    """Play half a minute of calls against a simulated switch, with the daemon of production.

    The switch speaks real ESL over TCP on loopback; the database is a new SQLite file that is
    removed at the end. Exits with 1 if the figures do not add up.
    """
    from gevent import monkey

    monkey.patch_all()
    from fsbilling.sim.demo import audit
    from fsbilling.sim.demo.stage import Stage

    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - began:5.1f} s  {line}")

    _show_decisions(say)
    with tempfile.TemporaryDirectory(prefix="fsbilling-demo-") as folder:
        stage = Stage(Path(folder), say)
        stage.set_up()
        stage.play()
        _show_results(stage.db)
        faults = list(audit.faults(stage.db, stage.uuids))
        stage.close()
    if faults:
        for fault in faults:
            click.echo(f"does not add up: {fault}", err=True)
        sys.exit(1)
    click.echo("\nEvery figure adds up: CDRs, holds, balances and the ledger's hash chain.")


def _show_decisions(say: Callable[[str], None]) -> None:
    """Turn the daemon's own log lines into the demo's."""
    import structlog

    from fsbilling.money import format_micros

    def show(_logger: object, _method: str, event: MutableMapping[str, object]) -> str:
        name = str(event["event"])
        if name in DECISIONS:
            for key in MONEY_KEYS:
                if isinstance(micros := event.get(key), int):
                    event[key.removesuffix("_micros")] = format_micros(micros)
            facts = "  ".join(f"{key}={event[key]}" for key in SHOWN_KEYS if key in event)
            say(f"{name:<11} {str(event.get('call_uuid'))[:8]}  {facts}")
        raise structlog.DropEvent

    structlog.configure(processors=[show])


def _show_results(db: Database) -> None:
    from fsbilling.money import format_micros
    from fsbilling.store import accounts, cdrs, entries

    with db.read() as conn:
        records = [record for _, record in cdrs.page(conn)]
        known = accounts.list_all(conn)
        tampered = list(entries.verify(conn))
    click.echo("\nCDRs, and why each costs what it does:\n")
    output.table(
        ["account", "caller", "callee", ">seconds", ">charge", "ended by", "why"],
        (
            (
                record.account,
                record.caller.dialled,
                record.callee.dialled,
                record.billed_s,
                format_micros(record.charge_micros),
                record.refusal or record.hung_up_by,
                record.explanation,
            )
            for record in records
        ),
    )
    click.echo("\nBalances:\n")
    output.table(
        ["account", ">balance", ">held", ">free"],
        (
            (
                account.code,
                format_micros(account.balance_micros),
                format_micros(account.held_micros),
                format_micros(account.free_micros),
            )
            for account in known
        ),
    )
    verdict = f"{len(tampered)} faults" if tampered else "verified, nothing was changed"
    click.echo(f"\nLedger: {verdict}.")
