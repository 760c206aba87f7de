"""The switch's own records: one JSON file per leg, written by mod_json_cdr.

An independent witness: it tells when a call ended that ended while nobody listened.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import structlog

from fsbilling.switch.channel import Channel, is_uuid
from fsbilling.switch.frame import BodyError, parse_json

log = structlog.get_logger(__name__)

MAX_FILE_BYTES = 1_000_000
FILE_NAMES = ("{uuid}.cdr.json", "a_{uuid}.cdr.json")
"""With `prefix-a-leg` the A leg's file begins with `a_` (mod_json_cdr.c)."""

EPOCHS = {
    "start_uepoch": "Caller-Channel-Created-Time",
    "progress_uepoch": "Caller-Channel-Progress-Time",
    "answer_uepoch": "Caller-Channel-Answered-Time",
    "end_uepoch": "Caller-Channel-Hangup-Time",
}
"""The times are variables here; in an event they are headers."""


class Witness:
    """Finds a finished leg's record in mod_json_cdr's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, uuid: str) -> Channel | None:
        """Give the leg as it was when it ended; None when there is no readable record."""
        if not is_uuid(uuid):
            return None
        for name in FILE_NAMES:
            path = self._folder / name.format(uuid=uuid)
            try:
                with path.open("rb") as file:
                    return read_record(uuid, file.read(MAX_FILE_BYTES))
            except FileNotFoundError:
                continue
            except (OSError, BodyError) as fault:
                log.warning("witness unreadable", path=str(path), fault=str(fault))
        return None


def read_record(uuid: str, data: bytes) -> Channel:
    """Read one record as a channel. Raises BodyError when it is no JSON object."""
    record = parse_json(data)
    variables = record.get("variables")
    if not isinstance(variables, dict):
        raise BodyError("the record has no variables")
    # mod_json_cdr writes values percent-encoded (encode-values, by default).
    headers = {f"variable_{name}": _decoded(value) for name, value in variables.items()}
    headers["Unique-ID"] = uuid
    headers["Core-UUID"] = record.get("core-uuid", "")
    headers["Call-Direction"] = variables.get("direction", "")
    for variable, header in EPOCHS.items():
        headers[header] = variables.get(variable, "")
    return Channel(headers)


def _decoded(value: object) -> object:
    return unquote(value) if isinstance(value, str) and "%" in value else value
