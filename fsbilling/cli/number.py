"""`fsbilling number`: 400 numbers, who owns them, and where their calls go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, account, found, granted, pass_invocation
from fsbilling.cli.party import read_number

if TYPE_CHECKING:
    from fsbilling.store.directory import NumberRow

WHERE = "fsbilling number list"


@click.group("number")
def command() -> None:
    """400 numbers and who owns them."""


@command.command("add")
@click.argument("number")
@click.option("--account", "code", required=True, help="The account that pays for its calls.")
@click.option(
    "--target",
    required=True,
    help="Where its calls go: a FreeSWITCH dial string, such as user/1001.",
)
@pass_invocation
def add(invocation: Invocation, number: str, code: str, target: str) -> None:
    """Give a 400 number to an account."""
    from fsbilling.store import directory

    digits = _digits(invocation, number)
    with invocation.write() as conn:
        account(conn, code)
        granted(directory.add_number(conn, digits, code, target))
    output.say(f"calls to {digits} are paid by account {code} and go to {target}")


@command.command("remove")
@click.argument("number")
@pass_invocation
def remove(invocation: Invocation, number: str) -> None:
    """Take a 400 number from its account: its calls are refused from now on."""
    from fsbilling.store import directory

    digits = _digits(invocation, number)
    with invocation.write() as conn:
        row = found(directory.number(conn, digits), f"number {digits}", WHERE)
        directory.remove_number(conn, digits)
    output.say(f"took {digits} from account {row.account}; its calls are refused from now on")


@command.command("show")
@click.argument("number")
@output.json_option
@pass_invocation
def show(invocation: Invocation, number: str, *, as_json: bool) -> None:
    """Show one number: its account and its target."""
    from fsbilling.store import directory

    digits = _digits(invocation, number)
    with invocation.read() as conn:
        row = found(directory.number(conn, digits), f"number {digits}", WHERE)
    if as_json:
        output.dump(_fields(row))
    else:
        output.record(_fields(row).items())


@command.command("list")
@click.option("--account", "code", help="Only this account's.")
@output.json_option
@pass_invocation
def list_all(invocation: Invocation, code: str | None, *, as_json: bool) -> None:
    """List numbers with their accounts and targets."""
    from fsbilling.store import directory

    with invocation.read() as conn:
        if code is not None:
            account(conn, code)
        rows = directory.numbers(conn, code)
    if as_json:
        output.dump([_fields(row) for row in rows])
        return
    output.table(
        ["number", "account", "target"], [(row.number, row.account, row.target) for row in rows]
    )


def _digits(invocation: Invocation, number: str) -> str:
    """The number as calls are looked up by, however it was written; a usage error otherwise."""
    from fsbilling.numbering.number import NumberKind

    meant = read_number(invocation, number)
    if meant.kind is not NumberKind.SERVICE_400:
        raise click.BadParameter(
            f"{number!r} is not a 400 number; write its ten digits, like 4001234567.",
            param_hint="NUMBER",
        )
    return meant.digits


def _fields(row: NumberRow) -> output.Fields:
    return {"number": row.number, "account": row.account, "target": row.target}
