"""Log lines: one a decision, numbers masked, nothing that a caller wrote starts a line."""

import json

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
