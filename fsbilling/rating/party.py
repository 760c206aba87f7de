"""One end of a call, and how the two ends lie to each other, as rates see them."""

from __future__ import annotations

from typing import Final

import msgspec

from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.plan import COUNTRY_CODE
from fsbilling.numbering.region import Region

ANY: Final = "*"
SAME_CITY: Final = "same_city"
SAME_PROVINCE: Final = "same_province"
ELSEWHERE: Final = "elsewhere"
RELATIONS: Final = frozenset({ANY, SAME_CITY, SAME_PROVINCE, ELSEWHERE})

CALL_CENTRE: Final = "call_centre"
"""A target that is no number: seats, a queue. Who owns the 400 number says so."""

CALLEE_KINDS: Final = frozenset(
    {
        ANY,
        CALL_CENTRE,
        *(
            NumberKind.LANDLINE,
            NumberKind.MOBILE,
            NumberKind.INTERNATIONAL,
            NumberKind.SHORT,
            NumberKind.EXTENSION,
            NumberKind.SERVICE_400,
        ),
    }
)


class Party(msgspec.Struct, frozen=True):
    """One end of a call, as rates see it.

    Attributes:
        digits: What prefixes are compared with; empty when the number is hidden.
        region: Where the number is at home; `UNKNOWN_REGION` matches no area and no province.
        kind: What it reaches: one of `CALLEE_KINDS`; empty matches only `*`. For a 400 number
            that is the kind of the target its calls are carried to.
    """

    digits: str
    region: Region
    kind: str = ""

    @classmethod
    def of(cls, number: Number, region: Region, *, kind: str = "") -> Party:
        """Take from a number the digits that a prefix may match without being mistaken.

        The hotline 12345 is no number in Ohio (+1 234), and 95588 none in Myanmar (+95): a short
        number counts as one of China, 8612345. An extension means nothing outside its company:
        only `*` matches it. `kind` overrides the number's own.
        """
        kind = kind or number.kind
        match number.kind:
            case NumberKind.SHORT:
                return cls(COUNTRY_CODE + number.digits, region, kind)
            case NumberKind.EXTENSION:
                return cls("", region, kind)
        return cls(number.digits, region, kind)


def relations(origin: Region, destination: Region) -> tuple[str, ...]:
    """Give every relation that holds between two regions, the closest first.

    Two of one city are of one province too. Whoever is not known to be of the same province is
    elsewhere, hidden and foreign numbers included: so no call falls between the rows.
    """
    if origin.area_code and origin.area_code == destination.area_code:
        return (SAME_CITY, SAME_PROVINCE, ANY)
    if origin.province and origin.province == destination.province:
        return (SAME_PROVINCE, ANY)
    return (ELSEWHERE, ANY)
