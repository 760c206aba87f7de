"""`fsbilling rates price`: what one call costs, and why."""

from __future__ import annotations

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, granted, now_us, pass_invocation
from fsbilling.cli.params import MOMENT
from fsbilling.cli.party import known_party
from fsbilling.clock import US_PER_S
from fsbilling.money import format_micros


@click.command("price")
@click.option("--tariff", required=True, help="The rate table's name.")
@click.option("--caller", required=True, help="Who calls, as the switch would send it.")
@click.option("--callee", required=True, help="Who is called.")
@click.option("--at", "at", type=MOMENT, help="When the call starts; by default now.")
@click.option(
    "--seconds", type=click.IntRange(0, 86_400), default=60, show_default=True, help="Of talk."
)
@output.json_option
@pass_invocation
def price_call(
    invocation: Invocation,
    *,
    tariff: str,
    caller: str,
    callee: str,
    at: int | None,
    seconds: int,
    as_json: bool,
) -> None:
    """Price one call the way a live one is: which version, which row, what and why."""
    from fsbilling.billing.tariff_book import TariffBook
    from fsbilling.rating.price import explain, price

    at_us = now_us() if at is None else at
    with invocation.database() as database:
        with database.read() as conn:
            origin = known_party(invocation, conn, caller)
            destination = known_party(invocation, conn, callee)
        book = TariffBook(database)
        book.refresh()
        terms = granted(book.terms(tariff, origin.party, destination.party, at_us))
    charge = price(terms, at_us, seconds * US_PER_S)
    if as_json:
        output.dump(
            {
                "tariff": terms.tariff,
                "tariff_version": terms.version,
                "rate_id": terms.rate.rate_id,
                **output.moment("at", at_us),
                **origin.fields("caller"),
                **destination.fields("callee"),
                "seconds": seconds,
                "billed_s": charge.billed_s,
                **output.money("charge", charge.amount_micros),
                "explanation": explain(terms, charge),
            }
        )
        return
    output.record(
        [
            ("charge", format_micros(charge.amount_micros)),
            ("why", explain(terms, charge)),
            ("caller", origin),
            ("callee", destination),
            ("tariff", f"{terms.tariff} version {terms.version} row {terms.rate.rate_id}"),
            ("at", output.when(at_us)),
        ]
    )
