"""The month a call counts for: what was used of its tariff, what the package has left."""

from __future__ import annotations

from sqlalchemy import Connection

from fsbilling.clock import local_month
from fsbilling.credit.usage import Usage
from fsbilling.rating.plan import Plan
from fsbilling.rating.tariff import Tariff
from fsbilling.store import usages


def open_month(conn: Connection, account_id: int, tariff: Tariff, at_us: int) -> Usage:
    """Give the usage that a call which starts at `at_us` finds; its account is locked.

    A tariff with neither levels nor package does not ask for it, and costs no SQL here.
    """
    plan = tariff.plan
    month = local_month(at_us, plan.time_zone)
    if plan.included_s:
        return usages.open_package(conn, account_id, tariff.name, month, plan.included_s)
    if plan.levels:
        return usages.find(conn, account_id, tariff.name, month)
    return Usage(tariff=tariff.name, month=month)


def usage_at(conn: Connection, account_id: int, name: str, plan: Plan, at_us: int) -> Usage:
    """Give the same of the tariff's name and plan, for people: nothing is locked or written."""
    used = usages.find(conn, account_id, name, local_month(at_us, plan.time_zone))
    return used.with_package(plan.included_s)
