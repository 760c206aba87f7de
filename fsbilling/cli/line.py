"""`fsbilling line`: what an outbound call is recognised by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, account, granted, pass_invocation
from fsbilling.cli.params import LINE

if TYPE_CHECKING:
    from fsbilling.numbering.line import Line


@click.group("line")
def command() -> None:
    """Lines: what an outbound call is recognised by."""


@command.command("add")
@click.argument("line", type=LINE, metavar="KIND:VALUE")
@click.option("--account", "code", required=True, help="The account that pays for its calls.")
@pass_invocation
def add(invocation: Invocation, line: Line, code: str) -> None:
    """Let outbound calls of KIND:VALUE be paid by an account.

    KIND is user (the SIP user that authenticated), gateway, ip, or accountcode (the variable
    that FreeSWITCH's directory or dialplan sets).
    """
    from fsbilling.store import directory

    with invocation.write() as conn:
        account(conn, code)
        granted(directory.add_line(conn, line.kind, line.value, code))
    output.say(f"outbound calls of {line.kind}:{line.value} are paid by account {code}")


@command.command("remove")
@click.argument("line", type=LINE, metavar="KIND:VALUE")
@pass_invocation
def remove(invocation: Invocation, line: Line) -> None:
    """Take a line from its account: its outbound calls are refused from now on."""
    from fsbilling.store import directory

    name = f"{line.kind}:{line.value}"
    with invocation.write() as conn:
        if not directory.remove_line(conn, line.kind, line.value):
            raise Refusal(f"there is no line {name}; 'fsbilling line list' shows what there is")
    output.say(f"removed line {name}; its outbound calls are refused from now on")


@command.command("list")
@click.option("--account", "code", help="Only this account's.")
@output.json_option
@pass_invocation
def list_all(invocation: Invocation, code: str | None, *, as_json: bool) -> None:
    """List lines with their accounts."""
    from fsbilling.store import directory

    with invocation.read() as conn:
        if code is not None:
            account(conn, code)
        rows = directory.lines(conn, code)
    if as_json:
        output.dump(
            [{"kind": row.kind, "value": row.value, "account": row.account} for row in rows]
        )
        return
    output.table(["line", "account"], [(f"{row.kind}:{row.value}", row.account) for row in rows])
