"""The hang-up causes that are ours: by them the switch's records tell who ended a call."""

from __future__ import annotations

from fsbilling.calls.cdr import HungUpBy

ALLOTTED_TIMEOUT = "ALLOTTED_TIMEOUT"
"""The cause of our own cuts and of the switch-side timer's."""

MANAGER_REQUEST = "MANAGER_REQUEST"
"""The cause of a call that an operator ended."""


def cut_cause(by: HungUpBy) -> str:
    """Give the hang-up cause of a cut, by what wants it."""
    return MANAGER_REQUEST if by is HungUpBy.OPERATOR else ALLOTTED_TIMEOUT
