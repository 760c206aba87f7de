"""What an account has used of its tariffs this month, and what its packages have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsbilling.cli.output import Fields
from fsbilling.rating.plan import UNLIMITED_S

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fsbilling.credit.account import Account
    from fsbilling.credit.usage import Usage


def usages_now(conn: Connection, shown: Account, at_us: int) -> list[Usage]:
    """Give the month's usage of each tariff that the account has, by its version in force."""
    from fsbilling.billing.month import usage_at
    from fsbilling.store import tariffs

    found = []
    for name in sorted(set(shown.tariffs.values())):
        version = tariffs.version_at(conn, name, at_us)
        if version is not None:
            plan = tariffs.plan(conn, version)
            found.append(usage_at(conn, shown.account_id, name, plan, at_us))
    return found


def usage_text(used: Usage) -> str:
    """Say it in a line: `12 calls, 345 s billed; package: 100 s held, 5555 of 6000 s left`."""
    told = f"{used.calls} calls, {used.billed_s} s billed"
    if used.package_s >= UNLIMITED_S:
        return f"{told}; package: unlimited"
    if not used.package_s:
        return told
    left = f"{used.included_free_s} of {used.package_s} s left"
    return f"{told}; package: {used.included_held_s} s held, {left}"


def usage_fields(used: Usage) -> Fields:
    """The same for a program; a package without end has null for what it has in all and left."""
    ends = used.package_s < UNLIMITED_S
    return {
        "tariff": used.tariff,
        "month": used.month,
        "calls": used.calls,
        "billed_s": used.billed_s,
        "package_s": used.package_s if ends else None,
        "included_s": used.included_s,
        "included_held_s": used.included_held_s,
        "included_left_s": used.included_free_s if ends else None,
    }
