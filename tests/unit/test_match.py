"""Whom a rate is for: how matches are written, and what a number is matched by."""

from __future__ import annotations

import re

import pytest

from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.rating.match import matching_forms, parse_match, parse_name, prefix_length

SHENZHEN = Region("0755", "深圳", "广东")


@pytest.mark.parametrize(
    ("digits", "region", "forms"),
    [
        (
            "8675583",
            SHENZHEN,
            ["prefix:8675", "prefix:867", "area:0755", "province:广东", "prefix:86", "*"],
        ),
        ("86", SHENZHEN, ["area:0755", "province:广东", "prefix:86", "*"]),
        ("867", UNKNOWN_REGION, ["prefix:867", "prefix:86", "*"]),
        ("", UNKNOWN_REGION, ["*"]),
    ],
)
def test_a_number_is_matched_by_what_is_known_of_it(digits, region, forms):
    assert matching_forms(digits, region, (4, 3, 2)) == forms


def test_only_a_prefix_compares_digits():
    assert [prefix_length(form) for form in ("prefix:8675", "prefix:8")] == [4, 1]
    assert [prefix_length(form) for form in ("*", "area:0755", "zone:prefix")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("*", "*"),
        ("", "*"),
        ("prefix:86755", "prefix:86755"),
        ("86755", "prefix:86755"),
        ("+86755", "prefix:86755"),
        ("prefix:+86755", "prefix:86755"),
        ("prefix:4001234567", "prefix:4001234567"),
        ("prefix:861380013800012", "prefix:861380013800012"),
        ("86", "prefix:86"),
        ("8", "prefix:8"),
        (" Area : 0755 ", "area:0755"),
        ("area:010", "area:010"),
        ("province:广东", "province:广东"),
        ("province:广东省", "province:广东"),
        ("province：北京市", "province:北京"),
        ("province:内蒙古自治区", "province:内蒙古"),
        ("province:广西壮族自治区", "province:广西"),
        ("province:香港特别行政区", "province:香港"),
        ("zone: delta_1", "zone:delta_1"),
        ("Zone:珠三角", "zone:珠三角"),
        (" * ", "*"),
        (" ", "*"),
    ],
)
def test_each_match_has_one_written_form(written, form):
    assert parse_match(written) == form
    assert parse_match(form) == form


PROVINCES = (
    "北京 天津 上海 重庆 河北 山西 内蒙古 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 "
    "湖南 广东 广西 海南 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆 香港 澳门 台湾"
)


@pytest.mark.parametrize("name", PROVINCES.split())
def test_every_province_has_its_match(name):
    for written in (name, f"{name}省", f"{name}市", f"{name}自治区", f"{name}特别行政区"):
        assert parse_match(f"province:{written}") == f"province:{name}"


@pytest.mark.parametrize(
    ("official", "form"),
    [
        ("广西壮族自治区", "province:广西"),
        ("宁夏回族自治区", "province:宁夏"),
        ("新疆维吾尔自治区", "province:新疆"),
    ],
)
def test_an_autonomous_region_may_be_named_in_full(official, form):
    assert parse_match(f"province:{official}") == form


@pytest.mark.parametrize("code", ["010", "020", "029", "0300", "0399", "0999"])
def test_area_codes_have_three_or_four_digits(code):
    assert parse_match(f"area:{code}") == f"area:{code}"


def test_a_name_may_be_padded():
    assert parse_name(" off-peak_1 ") == "off-peak_1"
    assert parse_name("x" * 32) == "x" * 32


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("0755", "international form"),
        ("prefix:0755", "international form"),
        ("prefix:", "1 to 15 digits"),
        ("prefix:8613800138000123", "1 to 15 digits"),
        ("prefix:86755x", "1 to 15 digits"),
        ("٨٦", "1 to 15 digits"),
        ("8²", "not a match"),
        ("area:755", "with its 0"),
        ("area:07550", "with its 0"),
        ("area:0100", "with its 0"),
        ("area:011", "with its 0"),
        ("area:0200", "with its 0"),
        ("area:0155", "with its 0"),
        ("area:0055", "with its 0"),
        ("area:0355x", "with its 0"),
        ("province:广冬", "not a province"),
        ("province:广东x", "not a province"),
        ("province:", "not a province"),
        ("广东", "not a match"),
        ("city:深圳", "not a match"),
        ("prefix:area:0755", "not a match"),
        (":86755", "not a match"),
        ("zone:", "not a name"),
        ("zone:a b", "not a name"),
        ("zone:-a", "not a name"),
        (f"zone:{'x' * 33}", "not a name"),
    ],
)
def test_a_match_that_cannot_be_meant_is_refused_with_what_to_write(written, reason):
    with pytest.raises(ValueError, match=reason):
        parse_match(written)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (
            "广东",
            (
                "'广东' is not a match; write *, prefix:86755, area:0755, province:广东 or "
                "the name of a zone like zone:delta"
            ),
        ),
        (
            "0755",
            (
                "prefix '0755' starts with 0; write the international form (86755 for 0755), "
                "or area:0755"
            ),
        ),
        ("prefix:x", "prefix 'x' must be 1 to 15 digits"),
        ("area:755", "'755' is not an area code; write it with its 0, like 0755 or 010"),
        ("province:广冬", "'广冬' is not a province; write it like 广东 or 广东省"),
        ("zone:!", "'!' is not a name; write letters, digits, _ and -, at most 32"),
    ],
)
def test_a_refused_match_is_told_in_full(written, reason):
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        parse_match(written)
