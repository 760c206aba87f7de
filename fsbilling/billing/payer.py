"""Who pays for this call attempt."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.attempt import SERVICE_400, Attempt
from fsbilling.errors import Refused
from fsbilling.store import directory


class Payer(msgspec.Struct, frozen=True):
    """The account that pays, and for a 400 number where its calls go."""

    account: str
    target: str = ""


def find_payer(conn: Connection, attempt: Attempt) -> Payer | Refused:
    """Name the account: the 400 number's owner, or the owner of the caller's line.

    Refused: `unknown_number` for a 400 number nobody owns, `unknown_payer` when none of the
    attempt's lines belongs to an account.
    """
    if attempt.account:
        return Payer(attempt.account)
    if attempt.service == SERVICE_400:
        row = directory.number(conn, attempt.callee.digits)
        if row is None:
            return Refused(
                "unknown_number",
                f"number {attempt.callee.digits} has no owner; fsbilling number add",
            )
        return Payer(row.account, row.target)
    owners = directory.lines_among(conn, [(line.kind, line.value) for line in attempt.lines])
    for line in attempt.lines:
        account = owners.get((line.kind, line.value))
        if account is not None:
            return Payer(account)
    known = ", ".join(f"{line.kind}:{line.value}" for line in attempt.lines) or "nothing"
    return Refused("unknown_payer", f"no account owns {known}; fsbilling line add")
