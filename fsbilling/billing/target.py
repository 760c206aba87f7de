"""What kind of callee a call reaches, as rates see it."""

from __future__ import annotations

from fsbilling.numbering.number import Number, NumberKind, normalise
from fsbilling.rating.party import CALL_CENTRE

NETWORK_KINDS = frozenset({NumberKind.LANDLINE, NumberKind.MOBILE, NumberKind.INTERNATIONAL})
"""What a carrier brings a call to; everything else is the company's own."""


def callee_kind(callee: Number, target: str) -> str:
    """Give the kind of the number called; of a 400 number, that of its target.

    `target` is a FreeSWITCH dial string. `sofia/gateway/carrier/13800138000` reaches a mobile;
    `user/1001`, a queue and a menu are a call centre.
    """
    if callee.kind is not NumberKind.SERVICE_400:
        return str(callee.kind)
    dialled = target.rpartition("/")[2].partition("@")[0]
    reached = normalise(dialled).kind
    return str(reached) if reached in NETWORK_KINDS else CALL_CENTRE
