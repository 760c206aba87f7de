"""Whom calls may be let through for while SQL is out, as SQL said when it last answered."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from fsbilling.billing.attempt import Attempt
from fsbilling.billing.caps import caps_left
from fsbilling.billing.payer import Payer
from fsbilling.calls.call import SERVICE_400
from fsbilling.credit.account import Account
from fsbilling.errors import Refused
from fsbilling.store import accounts, directory

UNAVAILABLE = Refused(
    "unavailable", "the database did not answer, and nobody with an outage limit pays for this"
)


class Trust(msgspec.Struct, frozen=True):
    """The accounts with an outage limit, and what their calls are recognised by.

    Attributes:
        accounts: By code.
        caps_left_micros: What the day's and the month's caps leave, by code, if any.
        owners: The code of the account that pays, by 400 number.
        targets: Where a 400 number's calls go.
        lines: The code of the account that pays, by line: everybody's, as the first line of a
            call that anybody owns names its payer.
    """

    accounts: dict[str, Account] = {}
    caps_left_micros: dict[str, int] = {}
    owners: dict[str, str] = {}
    targets: dict[str, str] = {}
    lines: dict[tuple[str, str], str] = {}

    @classmethod
    def read(cls, conn: Connection, now_us: int) -> Trust:
        """Read it all anew; of the directory nothing, when nobody has an outage limit."""
        trusted = {account.code: account for account in accounts.with_outage_limit(conn)}
        if not trusted:
            return cls()
        numbers = [row for code in trusted for row in directory.numbers(conn, code)]
        lines = directory.lines(conn)
        return cls(
            accounts=trusted,
            caps_left_micros={
                code: caps_left(conn, account, now_us)
                for code, account in trusted.items()
                if account.limits.is_capped
            },
            owners={row.number: row.account for row in numbers},
            targets={row.number: row.target for row in numbers},
            lines={(row.kind, row.value): row.account for row in lines},
        )

    def payer(self, attempt: Attempt) -> Payer | Refused:
        """Name who pays, as `payer.find_payer` would.

        Refused: `unavailable` for whoever has no outage limit, and for a channel that is part of
        a call already: what pays for that stands in SQL.
        """
        if attempt.part_of or attempt.is_leg or attempt.account or not attempt.callee.digits:
            return UNAVAILABLE
        if attempt.service == SERVICE_400:
            code = self.owners.get(attempt.callee.digits)
        else:
            owners = (self.lines.get((line.kind, line.value)) for line in attempt.lines)
            code = next((owner for owner in owners if owner is not None), None)
        account = self.accounts.get(code or "")
        if account is None:
            return UNAVAILABLE
        is_400 = attempt.service == SERVICE_400
        return Payer(account, self.targets.get(attempt.callee.digits, "") if is_400 else "")
