"""Where a number is at home, and where the table comes from."""

import re
import struct
import tracemalloc

import pytest
from phone import Phone

from fsbilling.errors import InputError
from fsbilling.numbering.number import normalise
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.numbering.region_table import RegionTable, prefixes
from fsbilling.rating.faults import TableFaults
from fsbilling.store.region_csv import parse_csv, read_csv
from fsbilling.store.region_source import landlines, parse_phone_dat, read_package

BEIJING = Region("010", "北京", "北京")
SHENZHEN = Region("0755", "深圳", "广东")
CHANGSHA = Region("0731", "长沙", "湖南")
ZHUZHOU = Region("0731", "株洲", "湖南")

TABLE = RegionTable.from_rows(
    [
        ("010", BEIJING),
        ("0755", SHENZHEN),
        ("1380013", BEIJING),
        ("138", CHANGSHA),
        ("13800", SHENZHEN),
        ("138001", ZHUZHOU),
    ]
)


def find(dialled, table=TABLE):
    return table.find(normalise(dialled))


@pytest.fixture(scope="module")
def package():
    return read_package()


def test_a_landline_is_at_home_in_its_area():
    assert find("010-12345678") == BEIJING
    assert find("+8675583765566") == SHENZHEN
    assert find("0755-12345") == SHENZHEN


def test_the_longest_segment_wins():
    assert find("13800138000") == BEIJING
    assert find("13800148000") == ZHUZHOU
    assert find("13800238000") == SHENZHEN
    assert find("13899999999") == CHANGSHA


@pytest.mark.parametrize(
    "dialled",
    ["0731-82345678", "13900139000", "4001234567", "10086", "1001", "110", "+85221234567", "", "x"],
)
def test_what_has_no_home_in_the_table_is_in_the_unknown_region(dialled):
    assert find(dialled) is UNKNOWN_REGION


def test_the_prefixes_of_a_number_are_what_the_table_looks_for():
    assert prefixes(normalise("13800138000")) == ["1380013", "138001", "13800", "1380", "138"]
    assert prefixes(normalise("010-12345678")) == ["010"]
    assert prefixes(normalise("0755-83765566")) == ["0755"]
    assert prefixes(normalise("4001234567")) == []


def test_a_table_can_be_filled_in_pieces_and_a_later_row_replaces_an_earlier_one():
    table = RegionTable()
    rows = iter([("0731", ZHUZHOU), ("010", BEIJING)])
    table.extend([next(rows)])
    assert find("0731-82345678", table) == ZHUZHOU
    table.extend(rows)
    table.extend([("0731", CHANGSHA)])
    assert find("0731-82345678", table) == CHANGSHA
    assert find("010-12345678", table) == BEIJING


@pytest.mark.parametrize(
    "prefix",
    ["", "0", "755", "00755", "13", "13800138", "138x", "0755\n", "１３８", "+86755", "011"],
)
def test_a_row_that_is_no_prefix_is_refused(prefix):
    with pytest.raises(InputError, match="neither an area code nor a mobile segment"):
        RegionTable.from_rows([(prefix, SHENZHEN)])


def test_more_regions_than_the_table_can_tell_apart_are_refused():
    rows = ((f"1{n:06}", Region("010", str(n), "")) for n in range(70_000))
    with pytest.raises(InputError, match="65535 different regions"):
        RegionTable.from_rows(rows)


def test_the_whole_country_takes_less_than_ten_megabytes(package):
    tracemalloc.start()
    table = RegionTable.from_rows(package.rows)
    size, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 10_000_000
    assert find("13800138000", table) == BEIJING


def test_the_package_is_read_as_its_own_reader_reads_it(package):
    """Against phone.Phone itself, over every 997th of its segments."""
    phone = Phone()
    segments = [row for row in package.rows if row[0].startswith("1")]
    assert len(segments) == phone.phone_record_count
    for segment, region in segments[::997]:
        found = phone.find(segment)
        assert (region.city, region.province) == (found["city"], found["province"])
        assert region.area_code in {found["area_code"], found["area_code"].removeprefix("0")}


def test_the_package_says_what_it_is_and_how_old(package):
    assert re.fullmatch(r"phone \d+\.\d+\.\d+", package.source)
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", package.as_of)
    assert len({prefix for prefix, _ in package.rows}) == len(package.rows)


def test_every_row_of_the_package_can_be_imported_and_none_has_a_crooked_area_code(package):
    RegionTable.from_rows(package.rows)
    assert all(re.fullmatch(r"0(10|2\d|[3-9]\d\d)", at.area_code) for _, at in package.rows)


@pytest.mark.parametrize(
    ("area_code", "city"),
    [
        ("010", "北京"),
        ("021", "上海"),
        ("022", "天津"),
        ("023", "重庆"),
        ("024", "沈阳"),
        ("028", "成都"),
        ("029", "西安"),
        ("0731", "长沙"),
        ("0755", "深圳"),
        ("0479", "锡林郭勒"),
    ],
)
def test_landlines_follow_from_the_mobiles_of_their_area(package, area_code, city):
    table = RegionTable.from_rows(package.rows)
    region = find(f"{area_code}88888888", table)
    assert (region.area_code, region.city) == (area_code, city)


def test_a_shared_area_belongs_to_the_city_with_most_segments_then_to_the_first_name():
    segments = [("1380001", CHANGSHA), ("1380002", ZHUZHOU), ("1380003", CHANGSHA)]
    assert landlines(segments) == [("0731", CHANGSHA)]
    assert landlines(segments[:2]) == [("0731", ZHUZHOU)]  # 株 sorts before 长


def phone_dat(records=("广东|深圳|518000|0755",), segments=(1380013,), head=b"2312"):
    body = b"".join(record.encode() + b"\0" for record in records)
    index = b"".join(struct.pack("<iiB", segment, 8, 1) for segment in segments)
    return struct.pack("<4si", head, 8 + len(body)) + body + index


def test_the_package_format_is_date_records_segments():
    assert parse_phone_dat(phone_dat()) == ("2023-12", [("1380013", SHENZHEN)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 8,
        phone_dat(head=b"2313"),
        phone_dat(records=("广东|深圳|0755",)),
        phone_dat(segments=(138001,)),
        phone_dat(records=()),
        phone_dat()[:-1],
        phone_dat()[:20],
        struct.pack("<4si", b"2312", -1),
    ],
)
def test_a_damaged_package_is_a_value_error(data):
    with pytest.raises((ValueError, struct.error)):
        parse_phone_dat(data)


CSV = """prefix,area_code,city,province
0755,0755,深圳,广东
1380013,010,北京,北京
1390,0731,,湖南
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_a_csv_is_read_in_the_encodings_of_the_trade(encoding):
    assert parse_csv(CSV.encode(encoding)) == [
        ("0755", SHENZHEN),
        ("1380013", BEIJING),
        ("1390", Region("0731", "", "湖南")),
    ]


def test_columns_may_stand_in_any_order_beside_others():
    text = "\r\nProvince,note,City,PREFIX,area_code\r\n广东,x,深圳, 0755 ,0755\r\n\r\n"
    assert parse_csv(text.encode()) == [("0755", SHENZHEN)]


def test_every_fault_is_named_with_line_column_and_reason():
    text = (
        "prefix,area_code,city,province\n"
        "755,0755,深圳,广东\n"
        "0755,0731,深圳,广东\n"
        "138,138,长沙,\n"
        "139,0731\n"
        f"137,0731,{'x' * 65},a\x07\n"
        "136,0731,长沙,湖南\n"
        "136,0731,株洲,湖南\n"
    )
    with pytest.raises(TableFaults) as raised:
        parse_csv(text.encode())
    assert str(raised.value).splitlines() == [
        "line 2, column prefix: '755' is no area code like 0755 and no 3 to 7 digits like 1380013",
        "line 3, column area_code: 0731 is not the area code of the landlines 0755",
        "line 4, column area_code: '138' is no area code like 0755 or 010",
        "line 4, column province: it is empty",
        "line 5: 2 cells under 4 columns",
        "line 6, column city: longer than 64 characters",
        "line 6, column province: it has characters that cannot be printed",
        "line 8, column prefix: 136 stands on line 7 already",
    ]


def test_beyond_fifty_faults_are_counted():
    text = "prefix,area_code,city,province\n" + "x,0755,深圳,广东\n" * 70
    with pytest.raises(InputError) as raised:
        parse_csv(text.encode())
    lines = str(raised.value).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "and 20 more"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "there is no row"),
        (b"prefix,area_code,city,province\n", "there is no row"),
        (b"prefix,city,province,city\n", "line 1, column area_code: this column is missing"),
        (b"prefix,city,province,city\n", "line 1, column city: this column stands there 2 times"),
        (b"\xff\xff\xff", "neither UTF-8 nor GBK"),
        (b'prefix,area_code,city,province\n"0755', "this is not CSV"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        parse_csv(data)


def test_a_file_is_named_and_dated_by_its_last_change(tmp_path):
    path = tmp_path / "regions.csv"
    path.write_text(CSV)
    source = read_csv(path)
    assert source.source == "regions.csv"
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", source.as_of)
    assert source.rows[0] == ("0755", SHENZHEN)


def test_a_file_that_cannot_be_read_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a directory"):
        read_csv(tmp_path)
