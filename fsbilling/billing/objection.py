"""What speaks against letting an account's call start: one answer for the hook and for people."""

from __future__ import annotations

from fsbilling.calls.cdr import HungUpBy
from fsbilling.credit.account import Account
from fsbilling.credit.allowance import Allowance
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
    account: Account, allowed: Allowance, terms: Terms, at_us: int, included_free_s: int = 0
) -> Refused | None:
    """Say why a call on these terms may not start at `at_us`, or None.

    `included_free_s` is what the month's package has left. Refused: `suspended`,
    `too_many_calls`, `no_credit`, `daily_cap`, `monthly_cap`.
    """
    refused = limit_reached(account)
    if refused is not None:
        return refused
    is_paid_for = can_start(
        terms,
        answered_us=at_us,
        free_micros=allowed.free_micros,
        live_calls=account.live_calls,
        included_free_s=included_free_s,
    )
    return None if is_paid_for else out_of_credit(account, allowed)


def limit_reached(account: Account) -> Refused | None:
    """Say why no call may start, whatever it costs: `suspended`, `too_many_calls`; or None."""
    code, max_calls = account.code, account.limits.max_calls
    if account.suspended:
        return Refused("suspended", f"account {code} is suspended; fsbilling account resume")
    if max_calls is not None and account.live_calls >= max_calls:
        return Refused(
            "too_many_calls",
            f"account {code} has {account.live_calls} live calls and may have {max_calls}; "
            f"fsbilling account set {code} --max-calls",
        )
    return None


def out_of_credit(account: Account, allowed: Allowance) -> Refused:
    """Name what is used up: `no_credit`, `daily_cap`, `monthly_cap`."""
    code = account.code
    if allowed.bound is HungUpBy.CREDIT:
        return Refused("no_credit", f"account {code} has no free credit; top it up")
    reason = allowed.bound.value
    return Refused(
        reason,
        f"account {code} has used up its {reason.replace('_', ' ')}; "
        f"fsbilling account set {code} --{reason.replace('_', '-')}",
    )
