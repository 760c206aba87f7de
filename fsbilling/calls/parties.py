"""The two ends of a call as rates see them."""

from __future__ import annotations

from fsbilling.calls.call import Call
from fsbilling.calls.cdr import Cdr
from fsbilling.rating.party import Party


def parties(call: Call | Cdr) -> tuple[Party, Party]:
    """Give who calls and who is called: the same for a live call and for its record."""
    return (
        Party.of(call.rated_caller, call.rated_caller_region),
        Party.of(call.callee, call.callee_region, kind=call.rated_callee_kind),
    )
