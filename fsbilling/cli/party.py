"""One end of a call as typed by a person, read the way the live path reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsbilling.cli.context import Invocation
from fsbilling.cli.output import Fields

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fsbilling.numbering.number import Number
    from fsbilling.numbering.region import Region
    from fsbilling.rating.table import Party


@dataclass(frozen=True, slots=True)
class KnownParty:
    """A number with its region.

    Attributes:
        number: As typed and as meant.
        region: Where it is at home, by the regions in SQL.
    """

    number: Number
    region: Region

    @property
    def party(self) -> Party:
        """What rates match."""
        from fsbilling.rating.table import Party

        return Party.of(self.number, self.region)

    def reached_by(self, conn: Connection) -> Party:
        """What rates match of a callee: a 400 number counts as what its target is."""
        from fsbilling.billing.target import callee_kind
        from fsbilling.rating.party import Party
        from fsbilling.store import directory

        row = directory.number(conn, self.number.digits)
        kind = callee_kind(self.number, row.target if row else "")
        return Party.of(self.number, self.region, kind=kind)

    def fields(self, side: str) -> Fields:
        """The same names as in a CDR."""
        return {
            f"{side}_dialled": self.number.dialled,
            f"{side}_kind": self.number.kind,
            f"{side}_digits": self.number.digits,
            f"{side}_area_code": self.region.area_code,
            f"{side}_city": self.region.city,
            f"{side}_province": self.region.province,
        }

    def __str__(self) -> str:
        parts = (self.number.kind, self.region.area_code, self.region.province, self.region.city)
        return f"{self.number.dialled} ({', '.join(part for part in parts if part)})"


def read_number(invocation: Invocation, dialled: str) -> Number:
    """Normalise a number with the configuration's home area and emergencies."""
    from fsbilling.numbering.number import normalise

    numbering = invocation.config.numbering
    return normalise(
        dialled, home_area_code=numbering.home_area_code, emergency=numbering.emergency
    )


def known_party(invocation: Invocation, conn: Connection, dialled: str) -> KnownParty:
    """Normalise a number and look its region up."""
    from fsbilling.store import regions

    number = read_number(invocation, dialled)
    return KnownParty(number, regions.find(conn, number))
