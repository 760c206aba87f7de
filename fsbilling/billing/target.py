"""What kind of callee a call reaches, as rates see it."""

from __future__ import annotations

from functools import lru_cache

from fsbilling.numbering.number import Number, NumberKind, normalise
from fsbilling.numbering.plan import HOTLINE, LOCAL
from fsbilling.rating.party import CALL_CENTRE

NETWORK_KINDS = frozenset({NumberKind.LANDLINE, NumberKind.MOBILE, NumberKind.INTERNATIONAL})
"""What a carrier brings a call to; everything else is the company's own."""

OWN_USER = "user/"


def callee_kind(callee: Number, target: str) -> str:
    """Give the kind of the number called; of a 400 number, that of its target.

    `target` is a FreeSWITCH dial string. `sofia/gateway/carrier/13800138000` reaches a mobile;
    `user/1001`, a queue and a menu are a call centre. 7 or 8 digits behind a carrier's gateway
    are a landline of its own city, whichever that is; behind `user/` they are a seat.
    """
    return _reached(target) if callee.kind is NumberKind.SERVICE_400 else str(callee.kind)


@lru_cache(maxsize=4_096)
def _reached(target: str) -> str:
    """A target is read for every call to its number, and changes once in a while."""
    dialled = target.rpartition("/")[2].partition("@")[0]
    if LOCAL.fullmatch(dialled) and not HOTLINE.fullmatch(dialled):
        return CALL_CENTRE if target.startswith(OWN_USER) else str(NumberKind.LANDLINE)
    reached = normalise(dialled).kind
    return str(reached) if reached in NETWORK_KINDS else CALL_CENTRE
