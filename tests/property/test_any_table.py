"""Tables there and back, and whatever bytes a file may hold."""

from __future__ import annotations

import io

import msgspec
import openpyxl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsbilling.errors import InputError
from fsbilling.rating import plan_file, table_file
from fsbilling.rating.columns import COLUMNS
from fsbilling.rating.faults import TableFaults
from fsbilling.rating.match import parse_match
from fsbilling.rating.party import CALLEE_KINDS, RELATIONS
from fsbilling.rating.plan import (
    DAYS,
    UNLIMITED_S,
    Band,
    LevelMode,
    Levels,
    LevelUnit,
    Plan,
)
from fsbilling.rating.rate import Rate, rate_faults
from fsbilling.rating.table_csv import parse, write

PLAN = Plan(
    bands=(Band("peak", ("workday",)), Band("off")),
    zones={"delta": ("area:0755",), "north": ("prefix:8610",)},
    levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME),
)
amounts = st.one_of(st.just(0), st.integers(0, 100), st.integers(0, 10**12))
matches = st.one_of(
    st.just("*"),
    st.from_regex(
        r"prefix:[1-9][0-9]{0,14}", fullmatch=True, alphabet=st.characters(codec="ascii")
    ),
    st.sampled_from(["area:0755", "area:010", "province:广东", "zone:delta", "zone:north"]),
)
notes = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=20)


@st.composite
def rates(draw) -> Rate:
    per_min = draw(amounts)
    rate = Rate(
        origin=draw(matches),
        destination=draw(matches),
        callee_kind=draw(st.sampled_from(sorted(CALLEE_KINDS))),
        relation=draw(st.sampled_from(sorted(RELATIONS))),
        band=draw(st.sampled_from(["*", "peak", "off"])),
        level_from=draw(st.sampled_from([0, 50])),
        rate_micros_per_min=per_min,
        rate_micros_per_hour=0 if per_min else draw(amounts),
        connect_fee_micros=draw(amounts),
        per_call_micros=draw(amounts),
        first_increment_s=draw(st.integers(1, 86_400)),
        next_increment_s=draw(st.integers(1, 86_400)),
        grace_s=draw(st.integers(0, 3_600)),
        min_charge_micros=draw(st.just(0) | amounts),
        in_package=draw(st.booleans()),
        note=draw(notes).strip(),
    )
    assert not list(rate_faults(rate))
    return rate


def completed(table: list[Rate]) -> list[Rate]:
    """Drop rows that a check of the whole table would refuse."""
    whole: list[Rate] = []
    for rate in table:
        try:
            parse(write([*whole, rate]).encode(), PLAN)
        except TableFaults:
            continue
        whole.append(rate)
    return whole


@settings(deadline=None)
@given(st.lists(rates(), max_size=6), st.sampled_from(["utf-8", "utf-8-sig"]))
def test_a_table_exported_and_imported_again_changes_nothing(table, encoding):
    table = completed(table)
    text = write(table)
    again = table_file.parse(text.encode(encoding), PLAN)
    assert again == table
    assert write(again) == text


def workbook(rows) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def as_number(cell: str):
    """What a spreadsheet makes of a cell that looks like a number."""
    if cell.isascii() and cell.replace(".", "").isdigit():
        return float(cell) if "." in cell else int(cell)
    return cell


@settings(max_examples=50, deadline=None)
@given(st.lists(rates(), max_size=3))
def test_a_workbook_is_read_as_the_csv_of_it(table):
    table = completed(table)
    plain = [cell for cell in range(len(COLUMNS)) if COLUMNS[cell].name != "note"]
    rows = [[COLUMNS[cell].name for cell in plain]] + [
        [as_number(COLUMNS[cell].write(getattr(rate, COLUMNS[cell].field))) for cell in plain]
        for rate in table
    ]
    read = table_file.parse(workbook(rows), PLAN)
    assert read == [msgspec.structs.replace(rate, note="") for rate in table]


def sound_rates(data: bytes) -> list[Rate]:
    """Read a file that may be faulty; any other exception than the faults' own fails the test."""
    try:
        return table_file.parse(data)
    except TableFaults:
        return []


cells = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "*", "0.15", "1e999999", "NaN", "-1", "00", '"', '"\n', "area:0755", "１"]
    ),
)


@given(st.lists(st.lists(cells, min_size=3, max_size=4), max_size=5))
@example([["*", "1e999999", "1"]])
def test_no_cell_does_more_than_be_named_as_a_fault(rows):
    lines = "\n".join(",".join(row) for row in rows)
    text = f"origin,price_per_min,grace_s\n{lines}\n"
    for rate in sound_rates(text.encode("utf-8", "surrogatepass")):
        assert parse_match(rate.origin) == rate.origin
        assert not list(rate_faults(rate))


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_named_as_a_fault(data):
    sound_rates(data)
    sound_rates(b"price_per_min,note\n" + data)
    sound_rates(b"PK\x03\x04" + data)


SOUND_WORKBOOK = workbook([["origin", "price_per_min"], ["area:0755", 0.15], ["*", "0.2"]])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SOUND_WORKBOOK) - 1), st.binary(min_size=1, max_size=4))
def test_no_damaged_workbook_does_more_than_be_named_as_a_fault(place, damage):
    sound_rates(SOUND_WORKBOOK[:place] + damage + SOUND_WORKBOOK[place + len(damage) :])
    sound_rates(SOUND_WORKBOOK[:place])


spans = st.lists(
    st.lists(st.integers(0, 1_440), min_size=2, max_size=2, unique=True).map(
        lambda pair: (min(pair), max(pair))
    ),
    max_size=3,
)
names = st.sampled_from(["peak", "night", "off-peak", "低谷", "a_1"])
plans = st.builds(
    Plan,
    time_zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "UTC"]),
    precision_micros=st.sampled_from([1, 10, 10_000, 1_000_000]),
    calendar=st.sampled_from(["", "CN"]),
    holidays=st.lists(st.dates(), max_size=3, unique=True).map(lambda d: tuple(sorted(d))),
    bands=st.lists(names, max_size=3, unique=True).flatmap(
        lambda chosen: st.tuples(
            *(
                st.builds(
                    Band,
                    st.just(name),
                    st.lists(st.sampled_from(sorted(DAYS)), max_size=3).map(tuple),
                    spans.map(tuple),
                )
                for name in chosen
            )
        )
    ),
    zones=st.dictionaries(names, st.lists(st.sampled_from(["area:0755", "prefix:86"])).map(tuple)),
    levels=st.none() | st.builds(Levels, st.sampled_from(LevelUnit), st.sampled_from(LevelMode)),
    included_s=st.just(UNLIMITED_S) | st.integers(0, 10**6).map(lambda minutes: minutes * 60),
    month_fee_micros=st.integers(0, 10**12),
    minimum_spend_micros=st.integers(0, 10**12),
)


@given(plans)
def test_a_plan_written_and_read_again_changes_nothing(plan):
    assert plan_file.parse(plan_file.write(plan).encode()) == plan


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_no_plan_does_more_than_be_named_as_a_fault(data):
    for text in (data, b"[[band]]\nname = " + data, b"time_zone = '''" + data + b"'''"):
        try:
            plan_file.parse(text)
        except InputError:
            continue
