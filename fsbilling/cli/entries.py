"""`fsbilling account topup|adjust|entries`: what moves an account's balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, account, granted, now_us, pass_invocation
from fsbilling.cli.params import AMOUNT, POSITIVE_AMOUNT
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.ledger.entry import Entry

ref_option = click.option(
    "--ref",
    required=True,
    help="Your own reference, such as the payment's number; the same one is never posted twice.",
)
note_option = click.option("--note", default="", help="For people; stands in the ledger.")


@click.command("topup")
@click.argument("code")
@click.argument("amount", type=POSITIVE_AMOUNT)
@ref_option
@note_option
@pass_invocation
def topup(invocation: Invocation, code: str, amount: int, ref: str, note: str) -> None:
    """Add AMOUNT to an account's balance; repeating it with the same --ref changes nothing."""
    from fsbilling.store import entries

    at_us = now_us()
    with invocation.write() as conn:
        account(conn, code)
        entry = granted(
            entries.topup(conn, code, amount_micros=amount, ref=ref, note=note, at_us=at_us)
        )
        balance_micros = account(conn, code).balance_micros
    _say_posted(code, entry, balance_micros, repeated=entry.at_us != at_us)


# A negative amount begins like an option: what click does not know is given on as the amount.
@click.command("adjust", context_settings={"ignore_unknown_options": True})
@click.argument("code")
@click.argument("amount", type=AMOUNT)
@ref_option
@note_option
@pass_invocation
def adjust(invocation: Invocation, code: str, amount: int, ref: str, note: str) -> None:
    """Add AMOUNT (or take it away: -5.00) to put a mistake right; refused beyond what is free."""
    from fsbilling.store import entries

    at_us = now_us()
    with invocation.write() as conn:
        account(conn, code)
        entry = granted(
            entries.adjust(conn, code, amount_micros=amount, ref=ref, note=note, at_us=at_us)
        )
        balance_micros = account(conn, code).balance_micros
    _say_posted(code, entry, balance_micros, repeated=entry.at_us != at_us)


@click.command("entries")
@click.argument("code")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The newest."
)
@output.json_option
@pass_invocation
def entries_of(invocation: Invocation, code: str, limit: int, *, as_json: bool) -> None:
    """List an account's ledger entries: top-ups, charges, adjustments."""
    from fsbilling.store import entries

    with invocation.read() as conn:
        account(conn, code)
        listed = entries.entries(conn, code, limit)
    if as_json:
        output.dump([_fields(entry) for entry in listed])
        return
    output.table(
        [">seq", "at", "kind", ">amount", ">balance", "ref", "note"],
        [
            (
                entry.seq,
                output.when(entry.at_us),
                entry.kind,
                format_micros(entry.amount_micros),
                format_micros(entry.balance_after_micros),
                entry.ref,
                entry.note,
            )
            for entry in listed
        ],
    )


def _say_posted(code: str, entry: Entry, balance_micros: int, *, repeated: bool) -> None:
    balance = format_micros(balance_micros)
    if repeated:
        output.say(
            f"{entry.ref} was posted to account {code} on {output.when(entry.at_us)}; "
            f"nothing changed, balance {balance}"
        )
        return
    amount = format_micros(entry.amount_micros)
    output.say(f"posted {amount} to account {code} (entry {entry.seq}), balance {balance}")


def _fields(entry: Entry) -> output.Fields:
    return {
        "seq": entry.seq,
        **output.moment("at", entry.at_us),
        "kind": entry.kind,
        **output.money("amount", entry.amount_micros),
        **output.money("balance_after", entry.balance_after_micros),
        "ref": entry.ref,
        "note": entry.note,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }
