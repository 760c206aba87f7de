"""What Chinese switches send, and what it means."""

import time

import pytest

from fsbilling.config import Numbering
from fsbilling.numbering.number import EMERGENCY, Number, NumberKind, normalise

SHENZHEN = "0755"


def read(dialled, **options):
    number = normalise(dialled, **options)
    return number.kind, number.digits


@pytest.mark.parametrize(
    "dialled",
    [
        "4001234567",
        "04001234567",
        "864001234567",
        "+864001234567",
        "00864001234567",
        "+4001234567",
        "400-123-4567",
        "400 123 4567",
        "400.123.4567",
        "(400)1234567",
        "４００１２３４５６７",
        "400\u2010123\u20134567",
        "4001234567#",
        "4001234567,2",
        "400-123-4567-1",
        "400-123-4567转1",
        "sip:4001234567@192.0.2.7",
        "sip:4001234567@192.0.2.7:5060;user=phone",
        "sips:4001234567:secret@host",
        "<sip:%2B864001234567@host>",
        "tel:+86-400-123-4567",
        "179514001234567",
        "  4001234567\r\n",
    ],
)
def test_a_400_number_is_one_in_every_spelling(dialled):
    assert read(dialled) == (NumberKind.SERVICE_400, "4001234567")


@pytest.mark.parametrize(
    "dialled",
    [
        "400123456",
        "40012345678",
        "40012345678901",
        "4001234567a",
        "a4001234567",
        "4001234567 or 1=1",
        "4001\n234567",
        "4001\x00234567",
        "٤٠٠١٢٣٤٥٦٧",
        "400123456七",
        "++4001234567",
        "400123+4567",
        "sip:4001234567@a" + "x" * 300,
        "4001234567" + " " * 300 + "4009999999",
    ],
)
def test_what_is_not_exactly_a_400_number_is_nobodys_400_number(dialled):
    assert normalise(dialled).kind is not NumberKind.SERVICE_400


@pytest.mark.parametrize(
    "dialled",
    [
        "075583765566",
        "75583765566",
        "8675583765566",
        "+8675583765566",
        "008675583765566",
        "+86075583765566",
        "+86(0)755-83765566",
        "08675583765566",
        "0755-83765566",
        "(0755) 8376 5566",
        "0755-83765566-801",
        "0755-83765566,801",
        "0755-83765566 ext. 801",
        "0755-83765566x801",
        "0755-83765566#801",
        "0755-83765566转801",
        "0755-83765566分机801",
        "+86-755-83765566-801",
        "tel:+86-755-83765566;ext=801",
        "sip:075583765566@host;ext=801",
        "17909075583765566",
        "+861790975583765566",
    ],
)
def test_a_landline_is_one_in_every_spelling(dialled):
    assert read(dialled) == (NumberKind.LANDLINE, "8675583765566")


@pytest.mark.parametrize(
    ("dialled", "digits"),
    [
        ("010-12345678", "861012345678"),
        ("1012345678", "861012345678"),
        ("861012345678", "861012345678"),
        ("02887654321", "862887654321"),
        ("0310-1234567", "863101234567"),
        ("3101234567", "863101234567"),
        ("0951-5012345", "869515012345"),
        ("0755-12345678-801", "8675512345678"),
        # Dashes separate before they mark an extension.
        ("0755-1234567-8", "8675512345678"),
        ("0755-1234567-801", "867551234567"),
        # Another city's hotline.
        ("0755-12345", "8675512345"),
        ("010-95533", "861095533"),
        ("020114", "8620114"),
    ],
)
def test_landlines_have_an_area_code_of_two_or_three_digits(dialled, digits):
    assert read(dialled) == (NumberKind.LANDLINE, digits)


@pytest.mark.parametrize("dialled", ["010-1234567", "0201234567", "0755-123456", "0755-123456789"])
def test_a_landline_with_digits_missing_or_too_many_is_unknown(dialled):
    assert read(dialled) == (NumberKind.UNKNOWN, "")


def test_local_numbers_belong_to_the_home_area():
    assert read("83765566", home_area_code=SHENZHEN) == (NumberKind.LANDLINE, "8675583765566")
    assert read("8376556", home_area_code="0310") == (NumberKind.LANDLINE, "863108376556")
    assert read("83765566", home_area_code="010") == (NumberKind.LANDLINE, "861083765566")
    assert read("86123456", home_area_code=SHENZHEN) == (NumberKind.LANDLINE, "8675586123456")


def test_local_numbers_without_a_home_area_are_unknown():
    assert read("83765566") == (NumberKind.UNKNOWN, "")
    assert read("8376556", home_area_code="010") == (NumberKind.UNKNOWN, ""), "Beijing has 8 digits"
    assert read("83765566", home_area_code="junk") == (NumberKind.UNKNOWN, "")


@pytest.mark.parametrize(
    "dialled",
    [
        "13800138000",
        "013800138000",
        "8613800138000",
        "+8613800138000",
        "008613800138000",
        "08613800138000",
        "+86 138-0013-8000",
        "1790913800138000",
        "12593013800138000",
        "13800138000#",
        "sip:13800138000@host;user=phone",
        "13800138000@host",
    ],
)
def test_a_mobile_is_one_in_every_spelling(dialled):
    assert read(dialled, home_area_code=SHENZHEN) == (NumberKind.MOBILE, "8613800138000")


@pytest.mark.parametrize(
    ("dialled", "digits"),
    [
        ("0012025550123", "12025550123"),
        ("+1 202 555 0123", "12025550123"),
        ("+13800138000", "13800138000"),
        ("1790900441632960961", "441632960961"),
        ("+85221234567", "85221234567"),
        ("0085221234567", "85221234567"),
        ("85221234567", "85221234567"),
        ("85366123456", "85366123456"),
        ("886912345678", "886912345678"),
        ("+886 2 2345 6789", "886223456789"),
    ],
)
def test_foreign_numbers_are_international_and_so_are_hong_kong_macau_and_taiwan(dialled, digits):
    assert read(dialled) == (NumberKind.INTERNATIONAL, digits)


@pytest.mark.parametrize(
    "dialled", ["12025550123", "+1", "00", "+", "+1380013", "+1234567890123456", "000123456789"]
)
def test_what_may_be_foreign_but_does_not_say_so_is_unknown(dialled):
    assert read(dialled) == (NumberKind.UNKNOWN, "")


@pytest.mark.parametrize(
    ("dialled", "digits"),
    [
        ("10086", "10086"),
        ("010086", "10086"),
        ("+8610086", "10086"),
        ("1008611", "1008611"),
        ("114", "114"),
        ("12345", "12345"),
        ("12306", "12306"),
        ("95588", "95588"),
        ("+8695588", "95588"),
        ("961200", "961200"),
        ("95105105", "95105105"),
        ("9501312345678", "9501312345678"),
        ("116114", "116114"),
        ("17909", "17909"),
        ("8001234567", "8001234567"),
        ("800-123-4567", "8001234567"),
    ],
)
def test_hotlines_keep_their_bare_digits(dialled, digits):
    assert read(dialled, home_area_code=SHENZHEN) == (NumberKind.SHORT, digits)


@pytest.mark.parametrize("dialled", ["1001", "100", "801", "8001", "20001", "860110", "755110"])
def test_three_to_six_digits_are_an_extension(dialled):
    assert read(dialled, home_area_code=SHENZHEN) == (NumberKind.EXTENSION, dialled)


@pytest.mark.parametrize(
    ("dialled", "digits"),
    [
        ("110", "110"),
        ("119", "119"),
        ("120", "120"),
        ("122", "122"),
        ("0110", "110"),
        ("+86110", "110"),
        ("0086120", "120"),
        ("0755110", "110"),
        ("0755-120", "120"),
        ("010110", "110"),
        ("0951110", "110"),
        ("+86755119", "119"),
        ("17909110", "110"),
        ("1-1-0", "110"),
        ("110#", "110"),
        ("１１０", "110"),
        ("sip:110@host", "110"),
        ("tel:110", "110"),
    ],
)
def test_emergencies_are_never_missed(dialled, digits):
    """DESIGN rule 10."""
    assert read(dialled, home_area_code=SHENZHEN) == (NumberKind.EMERGENCY, digits)


@pytest.mark.parametrize(
    "dialled",
    [
        "07551201234",
        "075511012345",
        "11012345",
        "12012345678",
        "86755110",
        "110110",
        "1100",
        "10110",
    ],
)
def test_an_emergency_number_at_the_front_swallows_nothing(dialled):
    assert normalise(dialled, home_area_code=SHENZHEN).kind is not NumberKind.EMERGENCY


def test_the_list_of_emergencies_is_the_operators():
    assert read("999", emergency=frozenset({"999"})) == (NumberKind.EMERGENCY, "999")
    assert read("0755-12119", emergency=frozenset({"12119"})) == (NumberKind.EMERGENCY, "12119")
    assert read("110", emergency=frozenset({"999"})) == (NumberKind.SHORT, "110")
    assert Numbering().emergency == EMERGENCY


@pytest.mark.parametrize(
    "dialled",
    [
        "",
        "   ",
        "anonymous",
        "Anonymous",
        "+86anonymous",
        "86 anonymous",
        "unavailable",
        "restricted",
        "unknown",
        "withheld",
        "private",
        "No Caller ID",
        '"Anonymous"',
        "sip:anonymous@anonymous.invalid",
        "anonymous@anonymous.invalid",
        "匿名",
        "0000000000",
        "000",
    ],
)
def test_a_withheld_number_is_anonymous(dialled):
    assert read(dialled) == (NumberKind.ANONYMOUS, "")


@pytest.mark.parametrize(
    "dialled",
    [
        "alice",
        "*98",
        "0",
        "12",
        "-",
        "１",
        "10.0.0.86",
        "sip:10.0.0.86",
        "13800138000anonymous",
        "电话",
    ],
)
def test_what_is_no_number_is_unknown(dialled):
    assert read(dialled) == (NumberKind.UNKNOWN, "")


def test_what_was_dialled_is_kept_in_64_printable_characters():
    assert normalise("0755-1234\x1b[2J\n5678").dialled == "0755-1234[2J5678"
    assert normalise("电话" * 100).dialled == "电话" * 32
    assert normalise("\ud800\x00138").dialled == "138"
    assert normalise("13800138000") == Number("13800138000", NumberKind.MOBILE, "8613800138000")


@pytest.mark.parametrize(
    "text",
    ["1" * 10_000_000, " " * 10_000_000, "ext" * 3_000_000, "0-" * 5_000_000, "anonymous" * 10**6],
    ids=["digits", "spaces", "marks", "groups", "words"],
)
def test_ten_megabytes_take_no_longer_than_a_line(text):
    began = time.perf_counter()
    number = normalise(text)
    assert time.perf_counter() - began < 0.05
    assert len(number.dialled) <= 64
    assert number.digits == ""
