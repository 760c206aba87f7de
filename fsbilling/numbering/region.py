"""Where a number is at home: telephone area code, city, province."""

from __future__ import annotations

import msgspec


# gc=False: strings only, in every live call.
class Region(msgspec.Struct, frozen=True, gc=False):
    """A telephone area of mainland China.

    Attributes:
        area_code: With its leading 0, as engineers write it: `"0755"`; empty when unknown.
        city: `"深圳"`; empty when unknown.
        province: `"广东"`; empty when unknown.
    """

    area_code: str
    city: str
    province: str


UNKNOWN_REGION = Region("", "", "")
"""An explicit answer, not an error: the number is foreign, hidden or newer than the table."""
