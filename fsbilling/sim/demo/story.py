"""What happens in the demo, second by second."""

from __future__ import annotations

from dataclasses import dataclass

from fsbilling.clock import US_PER_S
from fsbilling.sim.demo.office import NUMBER_400
from fsbilling.sim.plan import CallPlan, Outcome, Service

LENGTH_S = 21
CUT_CALL = "taxi, talks until the money is gone"
REFUSED_CALL = "taxi, right after"
SERVED_CALL = "taxi, after the top-up"
TOP_UP_AT_S = 15.0


@dataclass(frozen=True, slots=True)
class Act:
    """One call of the story: when it arrives, who it is, and what the parties do."""

    at_s: float
    title: str
    plan: CallPlan


def _inbound(at_s: float, title: str, caller: str, talk_s: int) -> Act:
    plan = CallPlan(
        caller=caller,
        callee=NUMBER_400,
        service=Service.CALLED_PAYS,
        ring_us=US_PER_S,
        talk_us=talk_s * US_PER_S,
    )
    return Act(at_s, title, plan)


def _outbound(
    at_s: float,
    title: str,
    user: str,
    callee: str,
    talk_s: int | None,
    *,
    outcome: Outcome = Outcome.ANSWER,
    hung_up_by: str = "caller",
) -> Act:
    plan = CallPlan(
        caller=user,
        callee=callee,
        ring_us=US_PER_S,
        outcome=outcome,
        talk_us=None if talk_s is None else talk_s * US_PER_S,
        hung_up_by=hung_up_by,
        variables={"sip_auth_username": user, "sip_authorized": "true"},
    )
    return Act(at_s, title, plan)


ACTS = (
    _inbound(0.0, "400, from a landline in 深圳", "075583765566", 6),
    _inbound(0.4, "400, from a landline in 北京", "01065288888", 9),
    _inbound(0.8, "400, from a mobile", "13800138000", 7),
    _outbound(1.2, "survey, to 上海", "2001", "02161234567", 8, hung_up_by="callee"),
    _outbound(1.6, "survey, to a mobile", "2001", "13912345678", 12),
    _outbound(2.0, "survey, to 香港", "2001", "0085221234567", 5),
    _outbound(2.4, "survey, busy", "2001", "01087654321", None, outcome=Outcome.BUSY),
    _outbound(2.8, CUT_CALL, "3001", "13700137000", None),
    _outbound(3.2, "an emergency call, never asked about", "3001", "120", 3),
    _outbound(14.2, REFUSED_CALL, "3001", "13700137000", None),
    _outbound(15.5, SERVED_CALL, "3001", "13700137000", 3),
)
