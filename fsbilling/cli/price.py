"""`fsbilling rates price`: what one call costs, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, granted, now_us, pass_invocation
from fsbilling.cli.params import MOMENT
from fsbilling.cli.party import known_party
from fsbilling.clock import US_PER_S
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.rating.terms import Terms

S_PER_MIN: Final = 60
COUNT: Final = click.IntRange(0, 10**9)


@click.command("price")
@click.option("--tariff", required=True, help="The rate table's name.")
@click.option("--caller", required=True, help="Who calls, as the switch would send it.")
@click.option("--callee", required=True, help="Who is called.")
@click.option("--at", "at", type=MOMENT, help="When the call starts; by default now.")
@click.option(
    "--seconds", type=click.IntRange(0, 86_400), default=60, show_default=True, help="Of talk."
)
@click.option("--used-minutes", type=COUNT, default=0, help="The month's minutes before it.")
@click.option("--used-calls", type=COUNT, default=0, help="The month's connected calls before it.")
@click.option("--included-s", type=COUNT, default=0, help="What the package has left, in seconds.")
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
    used_minutes: int,
    used_calls: int,
    included_s: int,
    as_json: bool,
) -> None:
    """Price one call the way a live one is: which version, which row, what and why."""
    from fsbilling.billing.tariff_book import TariffBook
    from fsbilling.rating.charge import describe_match
    from fsbilling.rating.price import explain, price
    from fsbilling.rating.table import MATCHING_RULE
    from fsbilling.rating.tariff import Volume

    at_us = now_us() if at is None else at
    with invocation.database() as database:
        with database.read() as conn:
            origin = known_party(invocation, conn, caller)
            destination = known_party(invocation, conn, callee)
            reached = destination.reached_by(conn)
        book = TariffBook(database)
        book.refresh()
        volume = Volume(used_minutes * S_PER_MIN, used_calls)
        terms = granted(book.terms(tariff, origin.party, reached, at_us, volume))
    charge = price(terms, at_us, seconds * US_PER_S, included_s)
    bands = _bands(terms, at_us, seconds)
    if as_json:
        output.dump(
            {
                "tariff": terms.tariff,
                "tariff_version": terms.version,
                "rate_id": charge.rate.rate_id,
                **output.moment("at", at_us),
                **origin.fields("caller"),
                **destination.fields("callee"),
                "seconds": seconds,
                "billed_s": charge.billed_s,
                "included_s": charge.included_s,
                **output.money("charge", charge.amount_micros),
                "explanation": explain(terms, charge),
                "match": describe_match(charge.rate),
                "rule": MATCHING_RULE,
                "bands": bands,
            }
        )
        return
    output.record(
        [
            ("charge", format_micros(charge.amount_micros)),
            ("why", explain(terms, charge)),
            ("caller", origin),
            ("callee", destination),
            ("tariff", f"{terms.tariff} version {terms.version} row {charge.rate.rate_id}"),
            ("at", output.when(at_us)),
            ("match", describe_match(charge.rate)),
            ("rule", MATCHING_RULE),
            *(("band", f"{each['band']} from {each['from']}") for each in bands),
        ]
    )


def _bands(terms: Terms, at_us: int, seconds: int) -> list[output.Fields]:
    """The bands that a call goes through, the one it begins in first."""
    end_s = at_us // US_PER_S + seconds
    begun = [edge for edge in terms.edges if edge[0] * US_PER_S <= at_us][-1:]
    later = [edge for edge in terms.edges if at_us < edge[0] * US_PER_S and edge[0] <= end_s]
    return [
        {"band": band, **output.moment("from", edge_s * US_PER_S)}
        for edge_s, band in (*begun, *later)
    ]
