"""Whatever callers wrote and however the answer comes: the channels that are there, or none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbilling.errors import SwitchError
from fsbilling.switch.listing import Listing

NASTY = st.sampled_from(
    ['},{"uuid":"', '"', "\\", "},{", "]}", '{"row_count":1,"rows":[', "\n", "山"]
)
NAMES = st.lists(st.one_of(NASTY, st.text(max_size=10)), max_size=8).map("".join)
RAW = st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ROWS = st.dictionaries(st.uuids().map(str), st.one_of(NAMES, RAW), max_size=8)
CUTS = st.lists(st.integers(1, 400), max_size=30)


def answer(rows):
    """As FreeSWITCH prints it: what is no UTF-8 goes through as it came."""
    listed = [{"uuid": uuid, "cid_name": name, "dest": name} for uuid, name in rows.items()]
    listing = {"row_count": len(rows), "rows": listed}
    text = json.dumps(listing, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")


def read(raw, cuts):
    listing = Listing()
    for length in cuts:
        listing.take(raw[:length])
        raw = raw[length:]
    listing.take(raw)
    return listing.uuids()


@given(ROWS, CUTS)
def test_the_channels_are_those_that_are_there(rows, cuts):  # rule 7
    assert read(answer(rows), cuts) == rows.keys()


@given(ROWS, CUTS, st.floats(0, 1, exclude_max=True))
def test_an_answer_that_breaks_off_is_none(rows, cuts, where):  # rule 5
    raw = answer(rows)
    with pytest.raises(SwitchError):
        read(raw[: int(where * len(raw))], cuts)


@given(ROWS, CUTS, st.integers(0, 3_000), st.binary(max_size=6))
def test_a_damaged_answer_is_read_as_json_reads_it_or_is_none(rows, cuts, where, noise):
    raw = answer(rows)
    raw = raw[:where] + noise + raw[where + len(noise) :]
    try:
        uuids = read(raw, cuts)
    except SwitchError:
        return
    listing = json.loads(raw.decode("utf-8", "replace"), strict=False)
    assert uuids == {row["uuid"] for row in listing.get("rows", ())}
    assert len(uuids) == listing["row_count"]
