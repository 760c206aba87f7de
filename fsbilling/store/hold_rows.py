"""What SQL's rows say of a hold, and what is read with it under lock."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row

from fsbilling.calls.call import Call
from fsbilling.credit.account import Account
from fsbilling.credit.usage import Usage
from fsbilling.rating.terms import Terms


# gc=False: as in `Call`.
class Hold(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one live call has set aside, and all that a new daemon needs to go on with it.

    Attributes:
        call: Who calls whom; its `switch` and `uuid` are the key.
        terms: The rate the call was started with.
        account_id: Who pays.
        included_s: What is set aside of the package.
        amount_micros: What is set aside of the credit.
        granted_s: The seconds of talk that both pay for, counted from the answer.
        leg_uuid: The channel whose end ends the billing; differs from `call.uuid` after a
            transfer.
        authorised_us: When it was placed.
        answered_us: When the call was answered; 0 before that.
        seen_us: The last sign of life.
        timer_seq: The number of the timer that guards the call inside the switch.
    """

    call: Call
    terms: Terms
    account_id: int
    included_s: int = 0
    amount_micros: int
    granted_s: int
    leg_uuid: str
    authorised_us: int
    answered_us: int = 0
    seen_us: int
    timer_seq: int = 0


class Outline(msgspec.Struct, frozen=True, gc=False):
    """As much of a hold as is asked of every live call, again and again.

    Attributes:
        uuid: The paying channel.
        leg_uuid: The channel whose end ends the billing.
    """

    uuid: str
    leg_uuid: str


class Locked(msgspec.Struct, frozen=True, gc=False):
    """What a renewal must know, with both rows locked.

    Attributes:
        account: Who pays; None when nobody has the code any more.
        held: The call's hold; None when it has none.
        used: What the call's month has used of the tariff's levels and package.
    """

    account: Account | None
    held: Hold | None
    used: Usage


def hold_of(row: Row[Any]) -> Hold:
    """Read a row."""
    return Hold(
        call=msgspec.json.decode(row.call, type=Call),
        terms=msgspec.json.decode(row.terms, type=Terms),
        account_id=row.account_id,
        included_s=row.included_s,
        amount_micros=row.amount_micros,
        granted_s=row.granted_s,
        leg_uuid=row.leg_uuid,
        authorised_us=row.authorised_us,
        answered_us=row.answered_us,
        seen_us=row.seen_us,
        timer_seq=row.timer_seq,
    )


def row_of(new: Hold) -> dict[str, Any]:
    """Give the row, by its columns' names."""
    return {
        "switch": new.call.switch,
        "uuid": new.call.uuid,
        "account_id": new.account_id,
        "tariff": new.terms.tariff,
        "month": new.call.month,
        "included_s": new.included_s,
        "amount_micros": new.amount_micros,
        "granted_s": new.granted_s,
        "leg_uuid": new.leg_uuid,
        "authorised_us": new.authorised_us,
        "answered_us": new.answered_us,
        "seen_us": new.seen_us,
        "timer_seq": new.timer_seq,
        "call": msgspec.json.encode(new.call).decode(),
        "terms": msgspec.json.encode(new.terms).decode(),
    }
