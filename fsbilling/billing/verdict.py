"""What the dialplan is told of a decision, as channel variables (`dialplan/`)."""

from __future__ import annotations

from fsbilling.billing.attempt import Attempt
from fsbilling.billing.authorise import refusal_cause
from fsbilling.calls.session import Session
from fsbilling.errors import Refused
from fsbilling.switch.channel import Channel
from fsbilling.switch.node import TIMER_0, first_timer

Variables = dict[str, str]


def emergency() -> Variables:
    """Let a call pass that nobody pays for (DESIGN rule 10)."""
    return {"fsbilling_verdict": "emergency"}


def passage(target: str) -> Variables:
    """Let a paid call's channel on, and touch nothing that meters it."""
    return {"fsbilling_verdict": "allowed", "fsbilling_target": target}


def permission(attempt: Attempt, session: Session, target: str) -> Variables:
    """Let a call start, with the seconds that its hold pays for and the timer that ends them."""
    if attempt.is_leg:
        # The channel's own call goes on as it is; the dialplan gives these to the new leg.
        return {
            "fsbilling_verdict": "allowed",
            "fsbilling_leg_account": session.call.account,
            "fsbilling_granted_s": str(session.granted_s),
        }
    variables = {
        "fsbilling_verdict": "allowed",
        "fsbilling_account": session.call.account,
        "fsbilling_granted_s": str(session.granted_s),
        **_guard(session),
    }
    if target:
        variables["fsbilling_target"] = target
    return variables


def originated_marks(session: Session, channel: Channel) -> Variables:
    """An originated leg's guard, and the export that the dialplan does for other calls."""
    exported = channel.variable("export_vars")
    names = f"{exported},fsbilling_call" if exported else "fsbilling_call"
    return {**_guard(session), "export_vars": names}


def refusal(refused: Refused) -> Variables:
    """Say no: why, and with which cause the dialplan shall hang up."""
    return {
        "fsbilling_verdict": "refused",
        "fsbilling_reason": refused.reason,
        "fsbilling_cause": refusal_cause(refused),
    }


def _guard(session: Session) -> Variables:
    """What makes the switch end the call by itself: a timer set at the moment of the answer."""
    uuid = session.call.uuid
    return {
        "fsbilling_call": uuid,
        TIMER_0: first_timer(uuid, session.granted_s),
    }
