"""What FreeSWITCH itself recorded of each leg: the files of mod_json_cdr."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

US_PER_S = 1_000_000


@dataclass(frozen=True)
class Leg:
    """One leg as the switch saw it."""

    uuid: str
    direction: str
    account: str
    call: str
    called: str
    answered_us: int
    ended_us: int
    cause: str
    sip_cause: str
    variables: dict[str, str]

    @property
    def duration_us(self) -> int:
        return self.ended_us - self.answered_us if self.answered_us else 0

    @property
    def whole_seconds(self) -> int:
        return -(-self.duration_us // US_PER_S)


class Witness:
    """The folder that mod_json_cdr writes to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, Leg] = {}

    def legs(self) -> list[Leg]:
        """All legs that have ended, the earliest end first."""
        for path in self._folder.glob("*.cdr.json"):
            if path not in self._read and (leg := _leg(path)):
                self._read[path] = leg
        return sorted(self._read.values(), key=lambda leg: leg.ended_us)

    def leg(self, uuid: str) -> Leg | None:
        return next((leg for leg in self.legs() if leg.uuid == uuid), None)

    def called(self, number: str) -> list[Leg]:
        """The legs that were dialled so at first."""
        return [leg for leg in self.legs() if leg.called == number]


def _leg(path: Path) -> Leg | None:
    try:
        record = json.loads(path.read_text(errors="replace"))
    except ValueError:  # the switch is writing it at this moment
        return None
    variables = record["variables"]
    first = record["callflow"][-1]["caller_profile"]
    return Leg(
        uuid=variables["uuid"],
        direction=variables["direction"],
        account=variables.get("fsbilling_account", ""),
        call=variables.get("fsbilling_call", ""),
        called=first["destination_number"],
        answered_us=int(variables["answer_uepoch"]),
        ended_us=int(variables["end_uepoch"]),
        cause=variables["hangup_cause"],
        sip_cause=variables.get("proto_specific_hangup_cause", ""),
        variables=variables,
    )
