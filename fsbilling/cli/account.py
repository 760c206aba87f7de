"""`fsbilling account`: add accounts, change them, look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, account, granted, now_us, pass_invocation
from fsbilling.cli.entries import adjust, entries_of, topup
from fsbilling.cli.limits import (
    changed_limits,
    limit_fields,
    limit_options,
    limit_rows,
    limits_said,
)
from fsbilling.cli.params import LIMIT, SERVICE_TARIFF
from fsbilling.cli.usage import usage_fields, usage_text, usages_now
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.credit.account import Account


@click.group("account")
def command() -> None:
    """Accounts: who pays, how much is free, what was paid."""


@command.command("add")
@click.argument("code")
@click.option(
    "--mode",
    type=click.Choice(["prepaid", "postpaid"]),
    required=True,
    help="Stops at zero, or at its credit limit.",
)
@click.option("--credit-limit", type=LIMIT, default="0", help="Postpaid: how far below zero.")
@click.option("--currency", default="CNY", show_default=True, help="Three letters.")
@click.option(
    "--tariff",
    "tariffs",
    type=SERVICE_TARIFF,
    multiple=True,
    help="The rate table of a service: 400=NAME or outbound=NAME; may be repeated.",
)
@pass_invocation
def add(
    invocation: Invocation,
    *,
    code: str,
    mode: str,
    credit_limit: int,
    currency: str,
    tariffs: tuple[tuple[str, str], ...],
) -> None:
    """Add an account; its balance is zero until a top-up."""
    from fsbilling.credit.account import Mode
    from fsbilling.store import accounts

    with invocation.write() as conn:
        added = granted(
            accounts.add(
                conn,
                code=code,
                mode=Mode(mode),
                credit_limit_micros=credit_limit,
                currency=currency,
                tariffs=dict(tariffs),
                at_us=now_us(),
            )
        )
    output.say(f"added {added.mode} account {added.code} in {added.currency}")


@command.command("set")
@click.argument("code")
@click.option("--credit-limit", type=LIMIT, help="How far below zero the balance may go.")
@click.option(
    "--tariff",
    "tariffs",
    type=SERVICE_TARIFF,
    multiple=True,
    help="The rate table of a service: 400=NAME or outbound=NAME; may be repeated.",
)
@limit_options
@pass_invocation
def change(
    invocation: Invocation,
    /,
    code: str,
    credit_limit: int | None,
    tariffs: tuple[tuple[str, str], ...],
    **given: int | str | None,
) -> None:
    """Change an account's limits or its tariffs; live calls keep their price."""
    from fsbilling.store import accounts
    from fsbilling.store.limits import set_limits

    changes = [f"{service} calls priced by {tariff}" for service, tariff in tariffs]
    changes += limits_said(given)
    if credit_limit is None and not changes:
        raise click.UsageError("nothing to change; give one of the options.")
    with invocation.write() as conn:
        limits = account(conn, code).limits
        if any(value is not None for value in given.values()):
            granted(set_limits(conn, code, changed_limits(limits, given), at_us=now_us()))
        if credit_limit is not None:
            granted(accounts.set_credit_limit(conn, code, credit_limit))
            changes.append(f"credit limit {format_micros(credit_limit)}")
        for service, tariff in tariffs:
            granted(accounts.set_tariff(conn, code, service, tariff))
    output.say(f"changed account {code}: {', '.join(changes)}")


@command.command("show")
@click.argument("code")
@output.json_option
@pass_invocation
def show(invocation: Invocation, code: str, *, as_json: bool) -> None:
    """Show one account: balance, held, free, tariffs, what it used of them this month."""
    with invocation.read() as conn:
        shown = account(conn, code)
        used = usages_now(conn, shown, now_us())
    if as_json:
        output.dump(_fields(shown) | {"usage": [usage_fields(each) for each in used]})
        return
    tariffs = ", ".join(f"{service}={name}" for service, name in sorted(shown.tariffs.items()))
    output.record(
        [
            ("account", shown.code),
            ("mode", shown.mode),
            ("state", _state(shown)),
            ("currency", shown.currency),
            ("balance", format_micros(shown.balance_micros)),
            ("credit limit", format_micros(shown.credit_limit_micros)),
            ("held", format_micros(shown.held_micros)),
            ("free", format_micros(shown.free_micros)),
            ("tariffs", tariffs or "none; give one with 'fsbilling account set --tariff'"),
            *limit_rows(shown.limits),
            *((f"{each.tariff} {each.month}", usage_text(each)) for each in used),
            ("created", output.when(shown.created_us)),
        ]
    )


@command.command("list")
@output.json_option
@pass_invocation
def list_all(invocation: Invocation, *, as_json: bool) -> None:
    """List every account."""
    from fsbilling.store import accounts

    with invocation.read() as conn:
        listed = accounts.list_all(conn)
    if as_json:
        output.dump([_fields(one) for one in listed])
        return
    output.table(
        ["account", "mode", "state", "currency", ">balance", ">limit", ">held", ">free"],
        [
            (
                one.code,
                one.mode,
                _state(one),
                one.currency,
                format_micros(one.balance_micros),
                format_micros(one.credit_limit_micros),
                format_micros(one.held_micros),
                format_micros(one.free_micros),
            )
            for one in listed
        ],
    )


@command.command("suspend")
@click.argument("code")
@pass_invocation
def suspend(invocation: Invocation, code: str) -> None:
    """Stop all calls of an account: none starts, and the live ones end within seconds."""
    _set_suspended(invocation, code, suspended=True)


@command.command("resume")
@click.argument("code")
@pass_invocation
def resume(invocation: Invocation, code: str) -> None:
    """Authorise calls of a suspended account again."""
    _set_suspended(invocation, code, suspended=False)


def _set_suspended(invocation: Invocation, code: str, *, suspended: bool) -> None:
    from fsbilling.store import accounts

    done = "suspended" if suspended else "resumed"
    with invocation.write() as conn:
        was = account(conn, code).suspended
        accounts.set_suspended(conn, code, suspended)
    output.say(f"{done} account {code}" if was != suspended else f"account {code} was so already")


def _state(shown: Account) -> str:
    return "suspended" if shown.suspended else "active"


def _fields(shown: Account) -> output.Fields:
    return {
        "account": shown.code,
        "mode": shown.mode,
        "suspended": shown.suspended,
        "currency": shown.currency,
        **output.money("balance", shown.balance_micros),
        **output.money("credit_limit", shown.credit_limit_micros),
        **output.money("held", shown.held_micros),
        **output.money("free", shown.free_micros),
        "tariffs": shown.tariffs,
        "live_calls": shown.live_calls,
        **limit_fields(shown.limits),
        **output.moment("created", shown.created_us),
    }


for posting in (topup, adjust, entries_of):
    command.add_command(posting)
