"""`fsbilling balance CODE`: what the hook would answer now, and why; nothing is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, account, now_us, pass_invocation
from fsbilling.cli.party import known_party
from fsbilling.errors import Refused

if TYPE_CHECKING:
    from fsbilling.cli.party import KnownParty
    from fsbilling.credit.account import Account
    from fsbilling.credit.allowance import Allowance
    from fsbilling.rating.terms import Terms
    from fsbilling.store.engine import Database


@click.command("balance")
@click.argument("code")
@click.option("--callee", help="Answer for a call to this number, and how long it could last.")
@click.option("--caller", default="", help="Who calls; 400 numbers are priced by it.")
@output.json_option
@pass_invocation
def command(
    invocation: Invocation, code: str, callee: str | None, caller: str, *, as_json: bool
) -> None:
    """Show what an account has free, and whether the hook would let a call through now."""
    with invocation.database() as database:
        with database.read() as conn:
            payer = account(conn, code)
        if callee is None:
            verdict = _verdict_on(payer, _allowed(database, payer))
        else:
            verdict = _verdict_on_call(invocation, database, payer, caller, callee)
    answer = {
        "account": payer.code,
        **output.money("balance", payer.balance_micros),
        **output.money("held", payer.held_micros),
        **output.money("free", payer.free_micros),
        **verdict,
    }
    if as_json:
        output.dump(answer)
        return
    output.record(
        (name.replace("_", " "), value)
        for name, value in answer.items()
        if not name.endswith("_micros") and value not in ("", None)
    )


def _verdict_on(payer: Account, allowed: Allowance) -> output.Fields:
    """Judge by the account alone: what would refuse every call that costs anything."""
    from fsbilling.billing.objection import limit_reached, out_of_credit

    refused = limit_reached(payer)
    if refused is not None:
        return _refused(refused)
    if not payer.tariffs:
        return _refused(
            Refused(
                "no_tariff",
                f"no call has a price; fsbilling account set {payer.code} --tariff outbound=NAME",
            )
        )
    if allowed.free_micros <= 0:
        return _refused(out_of_credit(payer, allowed))
    return {"verdict": "allowed", "reason": "", "detail": "calls its tariffs have a rate for"}


def _verdict_on_call(
    invocation: Invocation, database: Database, payer: Account, caller: str, callee: str
) -> output.Fields:
    """Judge one call in the order the hook does: who pays, what it costs, is there credit."""
    from fsbilling.billing.month import usage_at
    from fsbilling.billing.objection import tariff_of
    from fsbilling.billing.tariff_book import TariffBook, terms_of
    from fsbilling.numbering.number import NumberKind

    with database.read() as conn:
        origin = known_party(invocation, conn, caller)
        destination = known_party(invocation, conn, callee)
    if destination.number.kind is NumberKind.EMERGENCY:
        return {"verdict": "emergency", "reason": "", "detail": "never blocked, never billed"}
    service = "400" if destination.number.kind is NumberKind.SERVICE_400 else "outbound"
    refused = _not_its_number(database, payer, destination) if service == "400" else None
    if refused is not None:
        return _refused(refused)
    tariff = tariff_of(payer, service)
    if isinstance(tariff, Refused):
        return _refused(tariff)
    book = TariffBook(database)
    book.refresh()
    at_us = now_us()
    in_force = book.tariff_at(tariff, at_us)
    if isinstance(in_force, Refused):
        return _refused(in_force)
    with database.read() as conn:
        used = usage_at(conn, payer.account_id, in_force.name, in_force.plan, at_us)
        callee_party = destination.reached_by(conn)
    terms = terms_of(in_force, origin.party, callee_party, at_us, used.volume)
    if isinstance(terms, Refused):
        return _refused(terms)
    allowed = _allowed(database, payer)
    return _verdict_on_terms(payer, allowed, terms, at_us, used.included_free_s)


def _allowed(database: Database, payer: Account) -> Allowance:
    """Say what a call that began now might hold."""
    from fsbilling.billing.caps import allowed_to

    with database.read() as conn:
        return allowed_to(conn, payer, now_us())


def _not_its_number(database: Database, payer: Account, destination: KnownParty) -> Refused | None:
    from fsbilling.store import directory

    digits = destination.number.digits
    with database.read() as conn:
        row = directory.number(conn, digits)
    if row is None:
        return Refused("unknown_number", f"number {digits} has no owner; fsbilling number add")
    if row.account != payer.code:
        return Refused("other_account", f"calls to {digits} are paid by account {row.account}")
    return None


def _verdict_on_terms(
    payer: Account, allowed: Allowance, terms: Terms, at_us: int, included_free_s: int
) -> output.Fields:
    from fsbilling.billing.objection import objection
    from fsbilling.credit.slice import HORIZON_S
    from fsbilling.rating.charge import describe_price
    from fsbilling.rating.price import affordable_s

    refused = objection(payer, allowed, terms, at_us, included_free_s)
    if refused is not None:
        return _refused(refused)
    max_call_s = payer.limits.max_call_s
    longest_s = HORIZON_S if max_call_s is None else max_call_s
    return {
        "verdict": "allowed",
        "reason": "",
        "detail": f"{terms.tariff} version {terms.version} row {terms.rate.rate_id}, "
        f"{describe_price(terms.rate)}",
        "included_s": min(included_free_s, HORIZON_S) if terms.rate.in_package else 0,
        "seconds": affordable_s(terms, at_us, allowed.free_micros, longest_s, included_free_s),
    }


def _refused(refused: Refused) -> output.Fields:
    return {"verdict": "refused", "reason": refused.reason, "detail": str(refused)}
