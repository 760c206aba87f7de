"""The switch's own records: one JSON file per leg, written by mod_json_cdr.

An independent witness: it tells when a call ended that ended while nobody listened.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import structlog

from fsbilling.errors import InputError
from fsbilling.switch.channel import Channel, is_uuid
from fsbilling.switch.frame import BodyError, parse_json

log = structlog.get_logger(__name__)

MAX_FILE_BYTES = 1_000_000
SUFFIX = ".cdr.json"
FILE_NAMES = ("{uuid}.cdr.json", "a_{uuid}.cdr.json")
"""With `prefix-a-leg` the A leg's file begins with `a_` (mod_json_cdr.c)."""

EPOCHS = {
    "start_uepoch": "Caller-Channel-Created-Time",
    "progress_uepoch": "Caller-Channel-Progress-Time",
    "answer_uepoch": "Caller-Channel-Answered-Time",
    "end_uepoch": "Caller-Channel-Hangup-Time",
}
"""The times are variables here; in an event they are headers."""


HOOK_ANSWER = re.compile(r"\^\^.fsbilling_verdict=([a-z]+)")
"""How the hook's answer reads in the log of the channel's applications, a `multiset`."""


class Record(Channel):
    """One leg as the switch wrote it down when it was over: who called whom is as it began.

    Attributes:
        hook_answers: What the hook said of it, in their order: when, us since the epoch by the
            switch's clock, and the verdict. Empty when it never asked.
    """

    __slots__ = ("hook_answers",)

    def __init__(
        self, headers: Mapping[str, object], hook_answers: tuple[tuple[int, str], ...] = ()
    ) -> None:
        super().__init__(headers)
        self.hook_answers = hook_answers


class Witness:
    """Finds a finished leg's record in mod_json_cdr's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, uuid: str) -> Record | None:
        """Give the leg as it was when it ended; None when there is no readable record."""
        if not is_uuid(uuid):
            return None
        for name in FILE_NAMES:
            path = self._folder / name.format(uuid=uuid)
            try:
                return read_record(uuid, _content(path))
            except FileNotFoundError:
                continue
            except (OSError, BodyError) as fault:
                log.warning("witness unreadable", path=str(path), fault=str(fault))
        return None


def record_paths(sources: Iterable[Path]) -> Iterator[Path]:
    """Give each record's file, in the folders below too (mod_json_cdr's `rotate`), one by one.

    A folder that cannot be listed is given as well: who reads it is told why.
    """
    for source in sources:
        if not source.is_dir():
            yield source
            continue
        closed: list[OSError] = []
        for folder, _, names in os.walk(source, onerror=closed.append):
            yield from (Path(folder, name) for name in names if name.endswith(SUFFIX))
        yield from (Path(fault.filename) for fault in closed)


def check_sources(sources: Iterable[Path]) -> None:
    """See that each source is there, before anything is done; raises InputError."""
    for source in sources:
        try:
            source.stat()
        except FileNotFoundError:
            raise InputError(f"{source}: there is no such file or folder") from None
        except OSError as fault:
            raise InputError(f"{source}: {fault.strerror}") from None


def read_path(path: Path) -> Record:
    """Read whichever leg a file is about; raises OSError or BodyError."""
    data = _content(path)
    variables = parse_json(data).get("variables")
    uuid = variables.get("uuid") if isinstance(variables, dict) else None
    if not isinstance(uuid, str) or not is_uuid(uuid):
        raise BodyError("the record names no channel")
    return read_record(uuid, data)


def _content(path: Path) -> bytes:
    """Read a plain file only: a link or a pipe in the folder may lead anywhere."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:  # noqa: PTH123 -- a descriptor, not a path
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise BodyError("not a plain file")
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BodyError(f"longer than {MAX_FILE_BYTES} bytes")
    return data


def read_record(uuid: str, data: bytes) -> Record:
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
    profile = _first_profile(record)
    headers["Caller-Caller-ID-Number"] = profile.get("caller_id_number", "")
    headers["Caller-Destination-Number"] = profile.get("destination_number", "")
    return Record(headers, tuple(_hook_answers(record)))


def _first_profile(record: Mapping[str, object]) -> Mapping[str, object]:
    """Give who called whom at the beginning: each transfer puts a later one before it."""
    flow = record.get("callflow")
    first = flow[-1] if isinstance(flow, list) and flow else None
    profile = first.get("caller_profile") if isinstance(first, dict) else None
    return profile if isinstance(profile, dict) else {}


def _hook_answers(record: Mapping[str, object]) -> Iterator[tuple[int, str]]:
    log_ = record.get("app_log")
    applications = log_.get("applications") if isinstance(log_, dict) else None
    for run in applications if isinstance(applications, list) else ():
        if not isinstance(run, dict) or run.get("app_name") != "multiset":
            continue
        said = HOOK_ANSWER.match(str(run.get("app_data")))
        stamp = str(run.get("app_stamp"))
        if said and re.fullmatch(r"[0-9]{1,18}", stamp):
            yield int(stamp), said[1]


def _decoded(value: object) -> object:
    return unquote(value) if isinstance(value, str) and "%" in value else value
