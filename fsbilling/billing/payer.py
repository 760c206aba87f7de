"""Who pays for this call attempt."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.attempt import OUTBOUND, SERVICE_400, Attempt
from fsbilling.errors import Refused
from fsbilling.store import directory, holds


class Payer(msgspec.Struct, frozen=True):
    """Who pays.

    Attributes:
        account: The paying account's code.
        target: Where a 400 number's calls go.
        pays_already: The call has a live hold: it needs none of its own.
    """

    account: str
    target: str = ""
    pays_already: bool = False


def find_payer(conn: Connection, attempt: Attempt) -> Payer | Refused:
    """Name the account: the 400 number's owner, or the owner of the caller's line.

    A channel of a call that is paid for keeps its payer when an agent sends it to another 400
    number; a further carrier leg is paid by whoever pays for the call it belongs to.

    Refused: `unknown_number` for a 400 number nobody owns, `unknown_payer` when none of the
    attempt's lines belongs to an account.
    """
    paid_call = holds.find(conn, attempt.switch, attempt.part_of) if attempt.part_of else None
    if attempt.service == OUTBOUND and attempt.is_leg and paid_call is not None:
        return Payer(paid_call.call.account)
    if attempt.account:
        return Payer(attempt.account)
    if attempt.service == SERVICE_400:
        row = directory.number(conn, attempt.callee.digits)
        if row is None:
            return Refused(
                "unknown_number",
                f"number {attempt.callee.digits} has no owner; fsbilling number add",
            )
        return Payer(row.account, row.target, pays_already=paid_call is not None)
    owners = directory.lines_among(conn, [(line.kind, line.value) for line in attempt.lines])
    for line in attempt.lines:
        account = owners.get((line.kind, line.value))
        if account is not None:
            return Payer(account)
    known = ", ".join(f"{line.kind}:{line.value}" for line in attempt.lines) or "nothing"
    return Refused("unknown_payer", f"no account owns {known}; fsbilling line add")
