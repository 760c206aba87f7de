"""Who pays for this call attempt."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.attempt import Attempt
from fsbilling.calls.call import SERVICE_400, Call
from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.store import accounts, directory, holds


class Payer(msgspec.Struct, frozen=True):
    """Who pays.

    Attributes:
        account: The paying account.
        target: Where a 400 number's calls go.
        paid_call: The live call, held for already, that the attempt is part of.
    """

    account: Account
    target: str = ""
    paid_call: Call | None = None


def find_payer(conn: Connection, attempt: Attempt) -> Payer | Refused:
    """Name the account and lock it: the 400 number's owner, or the owner of the caller's line.

    A channel of a call that is paid for keeps its payer when an agent sends it to another 400
    number; a further carrier leg is paid by whoever pays for the call it belongs to.

    Refused: `bad_number` for an outbound number that cannot be read, `unknown_number` for a 400
    number nobody owns, `unknown_payer` when none of the attempt's lines belongs to an account.
    """
    if attempt.service == SERVICE_400 and not attempt.account:
        return _owner(conn, attempt)
    if not attempt.callee.digits:
        # The carrier might read it as another number than we would price it by.
        return Refused("bad_number", "the number called cannot be read")
    paid_call = _paid_call(conn, attempt) if attempt.is_leg else None
    code = paid_call.account if paid_call else attempt.account
    account = accounts.lock(conn, code) if code else _lock_line_owner(conn, attempt)
    if account is not None:
        return Payer(account, paid_call=paid_call)
    if code:
        return Refused("unknown_payer", f"there is no account {code}; fsbilling account add")
    known = ", ".join(f"{line.kind}:{line.value}" for line in attempt.lines) or "nothing"
    return Refused("unknown_payer", f"no account owns {known}; fsbilling line add")


def _owner(conn: Connection, attempt: Attempt) -> Payer | Refused:
    owner = directory.lock_owner(conn, attempt.callee.digits)
    if owner is None:
        return Refused(
            "unknown_number", f"number {attempt.callee.digits} has no owner; fsbilling number add"
        )
    account, target = owner
    return Payer(account, target, _paid_call(conn, attempt))


def _paid_call(conn: Connection, attempt: Attempt) -> Call | None:
    held = holds.find(conn, attempt.switch, attempt.part_of) if attempt.part_of else None
    return held.call if held else None


def _lock_line_owner(conn: Connection, attempt: Attempt) -> Account | None:
    return directory.lock_line_owner(conn, [(line.kind, line.value) for line in attempt.lines])
