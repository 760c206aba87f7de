"""`fsbilling status`: how the daemon of this machine is, also while the database is out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, now_us, pass_invocation
from fsbilling.clock import US_PER_S
from fsbilling.errors import FsbillingError
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.credit.account import Account
    from fsbilling.daemon.status import Status

SILENT_S = 5


@click.command("status")
@output.json_option
@pass_invocation
def command(invocation: Invocation, *, as_json: bool) -> None:
    """Show the daemon of this machine: duty, links, database, journal, amounts at risk.

    Exits with 1 when it has said nothing for five seconds, or the database does not answer.
    """
    from fsbilling.daemon.status import read

    status = read(invocation.config.journal_path(os.environ))
    if status is None:
        raise Refusal("no daemon has run here; fsbilling serve")
    silent_s = max(now_us() - status.at_us, 0) // US_PER_S
    overdrawn = _overdrawn(invocation)
    if as_json:
        output.dump(_fields(status, silent_s, overdrawn))
    else:
        _show(status, overdrawn)
    if silent_s > SILENT_S:
        raise Refusal(f"the daemon (process {status.pid}) has said nothing for {silent_s} s")
    if not status.database_answers:
        raise Refusal("the database does not answer; what is at risk is shown above")


def _overdrawn(invocation: Invocation) -> list[Account]:
    """The accounts that an outage took beyond their limit; none known while SQL is out."""
    from fsbilling.store import accounts

    try:
        with invocation.read() as conn:
            return [each for each in accounts.with_overdraft(conn) if each.free_micros < 0]
    except FsbillingError:
        # Said already: `database` below, by the daemon.
        return []


def _show(status: Status, overdrawn: list[Account]) -> None:
    output.record(
        [
            ("said at", output.when(status.at_us)),
            ("process", status.pid),
            ("duty", "working" if status.on_duty else "standing by"),
            ("database", "answers" if status.database_answers else "OUT"),
            *(
                (f"switch {name}", "linked" if is_up else "NOT LINKED")
                for name, is_up in sorted(status.switches.items())
            ),
            ("live calls", status.live_calls),
            ("journal", f"{status.journal_bytes} of {status.journal_max_bytes} bytes"),
        ]
    )
    if status.risked:
        click.echo()
        output.table(
            ["account", ">at risk", ">outage limit"],
            [
                (each.account, format_micros(each.at_risk_micros), format_micros(each.limit_micros))
                for each in status.risked
            ],
        )
    if overdrawn:
        click.echo()
        output.table(
            ["account", ">beyond its limit"],
            [(each.code, format_micros(-each.free_micros)) for each in overdrawn],
        )


def _fields(status: Status, silent_s: int, overdrawn: list[Account]) -> output.Fields:
    return {
        **output.moment("said", status.at_us),
        "silent_s": silent_s,
        "pid": status.pid,
        "on_duty": status.on_duty,
        "database_answers": status.database_answers,
        "switches": status.switches,
        "live_calls": status.live_calls,
        "journal_bytes": status.journal_bytes,
        "journal_max_bytes": status.journal_max_bytes,
        "risked": [
            {
                "account": each.account,
                **output.money("at_risk", each.at_risk_micros),
                **output.money("outage_limit", each.limit_micros),
            }
            for each in status.risked
        ],
        "overdrawn": [
            {"account": each.code, **output.money("beyond_limit", -each.free_micros)}
            for each in overdrawn
        ],
    }
