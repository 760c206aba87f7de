"""Finds the real programs that the live tests need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PREFIXES = ("/opt/freeswitch", "/usr/local/freeswitch")


def find(name: str) -> str | None:
    """A program below $FREESWITCH_PREFIX, on PATH, or where FreeSWITCH is usually installed."""
    prefix = os.environ.get("FREESWITCH_PREFIX")
    if prefix:
        return shutil.which(name, path=str(Path(prefix, "bin"))) or shutil.which(name)
    usual = os.pathsep.join(f"{prefix}/bin" for prefix in PREFIXES)
    return shutil.which(name) or shutil.which(name, path=usual)


def missing() -> str:
    """One line on what is missing; empty when all is there."""
    absent = [name for name in ("freeswitch", "sipp") if find(name) is None]
    if not absent:
        return ""
    return (
        f"live tests skipped: no {' and no '.join(absent)} "
        f"on PATH, below $FREESWITCH_PREFIX or in {', '.join(PREFIXES)}"
    )
