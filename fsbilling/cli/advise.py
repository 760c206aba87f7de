"""`fsbilling advise`: which tariff would have been cheapest for an account's real calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, account, now_us, pass_invocation
from fsbilling.cli.period import period
from fsbilling.cli.progress import progress
from fsbilling.cli.whatif import TALLY_COLUMNS, tally_cells, tally_fields

if TYPE_CHECKING:
    from fsbilling.billing.comparison import Offer
    from fsbilling.credit.account import Account


@click.command("advise")
@click.argument("code")
@period
@output.json_option
@pass_invocation
def command(invocation: Invocation, code: str, since: int, until: int, *, as_json: bool) -> None:
    """Bill the calls of account CODE by every tariff in force now, the cheapest first.

    Each service by itself: its calls, with what packages and levels make of them, and the fees of
    whole months. A tariff that has no rate for some of the calls stands below those that price
    them all. Nothing is written.
    """
    from fsbilling.billing.comparison import offers
    from fsbilling.billing.paid import Paid
    from fsbilling.billing.tariff_book import TariffBook
    from fsbilling.store.cdrs import Selection

    with invocation.database() as database:
        with database.read() as conn:
            payer = account(conn, code)
        book = TariffBook(database)
        book.refresh()
        at_us = now_us()
        versions, paid = book.in_force(at_us), Paid(database, [payer], at_us)
        selection = Selection(account=code, since_us=since, until_us=until)
        with progress(f"pricing the calls of {code}") as on_progress:
            by_service = offers(database, book, versions, selection, paid, on_progress=on_progress)
    if as_json:
        output.dump(
            {
                "account": code,
                "currency": payer.currency,
                "services": {
                    service: [_fields(payer, service, offer) for offer in made]
                    for service, made in by_service.items()
                },
            }
        )
        return
    if not by_service:
        output.say(f"account {code} has no answered calls in that time")
    else:
        output.table(
            ["service", "tariff", ">version", "has it", *TALLY_COLUMNS],
            [
                (
                    service,
                    offer.version.tariff,
                    offer.version.version,
                    "yes" if _has(payer, service, offer) else "",
                    *tally_cells(offer.tally),
                )
                for service, made in by_service.items()
                for offer in made
            ],
        )


def _has(payer: Account, service: str, offer: Offer) -> bool:
    """Whether new calls of the account are priced by it already."""
    return payer.tariffs.get(service) == offer.version.tariff


def _fields(payer: Account, service: str, offer: Offer) -> output.Fields:
    return {
        "tariff": offer.version.tariff,
        "version": offer.version.version,
        "has_it": _has(payer, service, offer),
        **tally_fields(offer.tally),
    }
