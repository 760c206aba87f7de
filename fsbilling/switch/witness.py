"""The switch's own records: one JSON file per leg, written by mod_json_cdr.

An independent witness: it tells when a call ended that ended while nobody listened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from fsbilling.errors import InputError
from fsbilling.switch.channel import is_uuid
from fsbilling.switch.frame import BodyError, parse_json
from fsbilling.switch.record import Record, read_record

log = structlog.get_logger(__name__)

MAX_FILE_BYTES = 1_000_000
SUFFIX = ".cdr.json"
FILE_NAMES = ("{uuid}.cdr.json", "a_{uuid}.cdr.json")
"""With `prefix-a-leg` the A leg's file begins with `a_` (mod_json_cdr.c)."""


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
