"""The list of all channels, in one piece and in many."""

import json

import pytest

from fsbilling.errors import SwitchError
from fsbilling.switch.listing import MAX_UNCUT_BYTES, Listing

UUIDS = [f"42a1d4a0-bf75-4287-ab9c-{index:012x}" for index in range(200)]
PIECES = [1, 7, 100, 1 << 20]


def answer(uuids, name="someone", **form):
    rows = [{"uuid": uuid, "direction": "inbound", "cid_name": name} for uuid in uuids]
    form = {"separators": (",", ":"), "ensure_ascii": False, **form}
    return json.dumps({"row_count": len(rows), "rows": rows}, **form).encode()


def read(raw, piece=1 << 20):
    listing = Listing()
    for start in range(0, len(raw), piece):
        listing.take(raw[start : start + piece])
    return listing.uuids()


@pytest.mark.parametrize("piece", PIECES)
def test_every_channel_is_listed_however_the_answer_comes(piece):
    assert read(answer(UUIDS), piece) == set(UUIDS)
    assert read(answer(UUIDS) + b"\n", piece) == set(UUIDS)
    assert read(b'{"row_count": 0}\n', piece) == set()
    assert read(answer([]), piece) == set()


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("form", [{"indent": 1}, {"separators": (", ", ": ")}])
def test_another_form_of_json_is_read_as_well(piece, form):
    assert read(answer(UUIDS, **form), piece) == set(UUIDS)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "name",
    [
        '},{"uuid":"forged"',
        "},{",
        '"',
        "\\",
        '\\"},{\\"uuid\\":\\"forged',
        '"}]}',
        "]}\n",
        "\u2028",
    ],
)
def test_no_name_makes_a_channel_or_hides_one(piece, name):  # rule 7
    assert read(answer(UUIDS, name), piece) == set(UUIDS)


@pytest.mark.parametrize("piece", PIECES)
def test_bytes_that_are_not_utf8_cost_nothing(piece):
    raw = answer(UUIDS).replace(b"someone", b"caf\xe9 \xf0\x9f")
    assert read(raw, piece) == set(UUIDS)


def test_an_answer_cut_short_is_none():  # rule 5
    raw = answer(UUIDS[:5])
    for end in range(len(raw)):
        with pytest.raises(SwitchError):
            read(raw[:end], 64)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "raw",
    [
        answer(UUIDS).replace(b'"row_count":200', b'"row_count":201'),
        answer(UUIDS).replace(UUIDS[7].encode(), UUIDS[8].encode()),
        answer(UUIDS).replace(b'{"uuid":', b'{"name":', 1),
        answer(UUIDS) + answer(UUIDS),
        answer(UUIDS) + b"]}",
        b"-ERR SQL Error [no such table]\n" + answer(UUIDS),
        b'{"row_count":1,"rows":[{"uuid":"a"}],"more":[{"uuid":"b"},{"uuid":"c"}]}'[:-1],
    ],
)
def test_an_answer_that_does_not_add_up_is_none(piece, raw):  # rule 5
    with pytest.raises(SwitchError):
        read(raw, piece)


def test_what_is_held_is_bounded():
    listing = Listing()
    listing.take(b'{"row_count":1,"rows":[{"uuid":"' + b"x" * (MAX_UNCUT_BYTES - 100))
    with pytest.raises(SwitchError, match="without the end of a row"):
        listing.take(b"x" * 200)


@pytest.mark.parametrize(("announced", "most"), [(5, 5), (10**8, 200_000)])
def test_rows_without_end_are_not_kept(announced, most):
    listing = Listing()
    listing.take(b'{"row_count":%d,"rows":[' % announced)
    listing.take(b"".join(b'{"uuid":"%d"},' % row for row in range(most)))
    with pytest.raises(SwitchError, match="more than"):
        listing.take(b'{"uuid":"one"},{"uuid":"two"},{"uuid":"three"}')
