"""Log lines: one a decision, numbers masked, nothing that a caller wrote starts a line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from fsbilling import log as logs
from fsbilling.config import Log


@pytest.fixture
def logged(capfd):
    def lines(**settings):
        logs.configure(Log(**settings))
        logger = structlog.get_logger("test")
        logger.info("settled", call_uuid="u-1", caller="13800138000\nforged", account="acme")
        logger.debug("renewed", call_uuid="u-1")
        return capfd.readouterr().err.splitlines()

    yield lines
    structlog.reset_defaults()


def test_a_line_has_the_call_and_a_masked_number(logged):
    (line,) = logged()
    assert "call_uuid='u-1'" in line
    assert "account='acme'" in line
    assert "13800138000" not in line


def test_numbers_are_whole_when_asked_for(logged):
    (line,) = logged(mask_numbers=False)
    assert "13800138000" in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_number_with_a_line_break_forges_no_line(logged, form):
    assert len(logged(format=form, mask_numbers=False)) == 1


def test_json_is_one_object_a_line(logged):
    first, second = (json.loads(line) for line in logged(format="json", level="debug"))
    assert (first["event"], first["level"], second["event"]) == ("settled", "info", "renewed")


def test_the_level_holds(logged):
    assert logged(level="warning") == []


LOGGING = """
import structlog
from fsbilling import log
from fsbilling.config import Log
log.configure(Log())
for _ in range(3):
    structlog.get_logger().warning("settled", call_uuid="x" * 10_000)
print("goes on")
"""


def test_a_full_disk_under_the_log_stops_nothing():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", LOGGING], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert done.stdout == b"goes on\n"
