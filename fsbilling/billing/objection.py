"""What speaks against letting an account's call start: one answer for the hook and for people."""

from __future__ import annotations

from fsbilling.credit.account import Account
from fsbilling.credit.slice import can_start
from fsbilling.errors import Refused
from fsbilling.rating.terms import Terms


def tariff_of(account: Account, service: str) -> str | Refused:
    """Name the tariff that prices the account's calls; Refused: `no_tariff`."""
    tariff = account.tariffs.get(service)
    if tariff is None:
        return Refused(
            "no_tariff",
            f"account {account.code} has no tariff for {service} calls; "
            f"fsbilling account set {account.code} --tariff {service}=NAME",
        )
    return tariff


def objection(
    account: Account, terms: Terms, at_us: int, included_free_s: int = 0
) -> Refused | None:
    """Say why a call on these terms may not start at `at_us`: `suspended`, `no_credit`; or None.

    `included_free_s` is what the month's package has left.
    """
    if account.suspended:
        return Refused(
            "suspended", f"account {account.code} is suspended; fsbilling account resume"
        )
    starts = can_start(
        terms,
        answered_us=at_us,
        free_micros=account.free_micros,
        included_free_s=included_free_s,
    )
    return None if starts else no_credit(account)


def no_credit(account: Account) -> Refused:
    """Say that neither credit nor package pays for a first second."""
    return Refused("no_credit", f"account {account.code} has no free credit; top it up")
