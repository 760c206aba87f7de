"""References of adjustments to levels, as they stand in the ledger."""

import pytest

from fsbilling.ledger.level_ref import LevelRef, anew_ref, month_ref, read_level_ref

CALL = "fs1/00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"level/std/2026-11/v2/{CALL}", LevelRef("std", "2026-11", 2, CALL)),
        ("level/std/2026-11/v12/rerate/3", LevelRef("std", "2026-11", 12, "rerate/3")),
        (f"level/a/b/2026-11/v1/{CALL}", LevelRef("a/b", "2026-11", 1, CALL)),
        (f"level/std//v1/{CALL}", LevelRef("std", "", 1, CALL)),
    ],
)
def test_what_was_written_is_read(text, read):
    assert read_level_ref(text) == read
    assert str(read) == text


@pytest.mark.parametrize(
    "text",
    ["", "pay-1", CALL, "level/std", "level/std/2026-11/v/x", "level/std/2026-11/v1/", "xlevel/s"],
)
def test_what_people_write_is_no_such_reference(text):
    assert read_level_ref(text) is None


@pytest.mark.parametrize(
    ("cause", "number"), [(CALL, 0), ("rerate/1", 1), ("rerate/12", 12), ("rerate/" + CALL, 0)]
)
def test_a_switch_of_any_name_is_no_month_that_was_settled_anew(cause, number):
    assert LevelRef("std", "2026-11", 1, cause).number == number


def test_a_month_settled_anew_is_numbered_and_begins_as_its_month():
    ref = anew_ref("std", "2026-11", 2, 3)
    assert ref == "level/std/2026-11/v2/rerate/3"
    assert ref.startswith(month_ref("std", "2026-11"))
    assert read_level_ref(ref).number == 3
