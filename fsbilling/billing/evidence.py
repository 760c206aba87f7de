"""What the switch's own record proves of a leg: that it was let through, who pays, and for what."""

from __future__ import annotations

import msgspec

from fsbilling.billing.attempt import Attempt, NumberPlan, read_attempt
from fsbilling.calls.call import SERVICE_400
from fsbilling.errors import Refused
from fsbilling.numbering.number import Number
from fsbilling.switch.channel import is_uuid
from fsbilling.switch.record import Record
from fsbilling.switch.witness import Witness

TICK_US = 100_000
"""A channel's times are the switch's coarse clock's; its log of applications has the fine one.

An answer right after the hook's reads as up to 16 ms before it (seen in real records).
"""


def was_let_through(record: Record) -> bool:
    """Tell whether the daemon let this leg through, and so who pays for it.

    No caller can make it say so (DESIGN rule 7). mod_sofia names all that it takes from a SIP
    message `sip_...`: a header `X-fsbilling_account` becomes `sip_h_X-fsbilling_account`, another
    variable, and a value in JSON cannot become a name. `fsbilling_verdict` and
    `fsbilling_account` are set by the hook, in one message. The switch's own legs have no
    verdict: a dialler or the dialplan named the payer, and `fsbilling_call` came with the yes.
    """
    if not record.variable("fsbilling_account"):
        return False
    verdict = record.variable("fsbilling_verdict")
    if verdict or record.direction != "outbound":
        return verdict == "allowed"
    return record.variable("fsbilling_call") == record.uuid


def as_let_through(record: Record) -> Record:
    """Give a leg that asked the hook more than once as it was when its own call was allowed.

    Who calls a 400 number whose menu forwards him asks again for the leg that the forwarding
    begins; that is another call, and its variables stand in the record. The first yes with a
    payer is what the leg itself was held for: later ones are for another leg, or name a target.
    Only of a 400 call all that prices it stands in the log beside that yes; the number shown
    for an outbound call may have been set anew in between.
    """
    if not record.hook_answers[1:]:
        return record
    for answer in record.hook_answers:
        if answer.verdict == "allowed" and "fsbilling_account" in answer.variables:
            is_400 = answer.variables.get("fsbilling_service") == SERVICE_400
            return record.as_answered(answer) if is_400 else record
    return record


def read_evidence(
    record: Record, witness: Witness, *, switch: str, plan: NumberPlan
) -> Attempt | Refused:
    """Read what the leg asked for when it was let through, as the hook read it then."""
    refused = _objection(record)
    if refused is not None:
        return refused
    account = record.variable("fsbilling_account")
    attempt = read_attempt(record, switch=switch, plan=plan, account=account)
    asker_uuid = record.variable("originator")
    if record.direction == "outbound" and is_uuid(asker_uuid):
        asker = witness.find(asker_uuid)
        if asker is None:
            return Refused("no_record", "the leg that called it has none; who called is not known")
        if asker.variable("fsbilling_leg"):
            attempt = _as_leg_of(asker, attempt, plan)
    if attempt.is_emergency:
        return Refused("not_let_through", "an emergency call is never billed")
    if not attempt.callee.digits:
        return Refused("bad_number", "the record does not say which number was called")
    return msgspec.structs.replace(attempt, talks_since_us=talks_since(record))


def _objection(record: Record) -> Refused | None:
    if not was_let_through(record):
        return Refused("not_let_through", "fsbilling did not allow it; it cannot be charged for")
    if _asked_twice(record):
        return Refused(
            "asked_twice",
            "it went to the hook again, and its record shows the last call only; "
            "fsbilling account adjust",
        )
    if not 0 < record.created_us <= record.hungup_us or record.answered_us > record.hungup_us:
        return Refused("no_stamps", "the record's times are none")
    return None


def _asked_twice(record: Record) -> bool:
    """Tell whether the variables may be those of a later call than the one that it paid for.

    A leg that is paid for already and is sent to another number asks the hook once more; the
    dialplan draws `fsbilling_leg` then, and sets `fsbilling_number` anew.
    """
    allowed = [answer.verdict == "allowed" for answer in record.hook_answers]
    if record.direction == "outbound" and record.variable("fsbilling_verdict"):
        return True
    return record.variable("fsbilling_leg") != "" or sum(allowed) > 1 or not all(allowed[-1:])


def _as_leg_of(asker: Record, attempt: Attempt, plan: NumberPlan) -> Attempt:
    """Give a carrier leg that the dialplan billed by itself what the channel before it asked for.

    Its own caller would be what the switch shows to the carrier, which is no proof of anything.
    """
    callee: Number = attempt.callee
    if asker.variable("fsbilling_leg") == attempt.uuid:
        callee = plan.read(asker.variable("fsbilling_number"))
    return msgspec.structs.replace(
        attempt,
        caller=plan.read(asker.caller_number),
        rated_caller=plan.read(asker.variable("effective_caller_id_number")),
        callee=callee,
    )


def talks_since(record: Record) -> int:
    """Give from when it was paid for, if it had been answered before the hook said yes; else 0."""
    if not record.answered_us or not record.hook_answers:
        return 0
    said_us = record.hook_answers[-1].at_us
    is_later = said_us > record.answered_us + TICK_US
    return min(said_us, record.hungup_us) if is_later else 0
