"""Whom a rate is for: the forms `*`, `prefix:`, `area:`, `province:`, `zone:`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fsbilling.numbering.region import Region
from fsbilling.rating.party import ANY

MAX_PREFIX_DIGITS = 15
"""E.164: no number is longer."""
COUNTRY_CODE_DIGITS = 2
"""A prefix this short says no more than "China" (86), and so stands below area and province."""

_PREFIX = "prefix:"
_AREA = "area:"
_PROVINCE = "province:"
ZONE = "zone:"
_NAME = re.compile(r"\w[\w-]{0,31}")
_DIGITS = re.compile(rf"[1-9][0-9]{{0,{MAX_PREFIX_DIGITS - 1}}}")
# 010 and 02x have three digits, every other area code has four.
_AREA_CODE = re.compile(r"0(?:10|2[0-9]|[3-9][0-9]{2})")
# The short name is the written form; the official one ("广东省", "广西壮族自治区") is accepted.
_PROVINCE_NAME = re.compile(
    r"(北京|天津|上海|重庆|河北|山西|内蒙古|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南"
    r"|湖北|湖南|广东|广西|海南|四川|贵州|云南|西藏|陕西|甘肃|青海|宁夏|新疆|香港|澳门|台湾)"
    r"(?:省|市|(?:壮族|回族|维吾尔)?自治区|特别行政区)?"
)


def parse_match(text: str) -> str:
    """Read a match as a person writes it and give its one written form.

    `"86755"` and `"prefix:+86755"` become `"prefix:86755"`, `"province:广东省"` becomes
    `"province:广东"`, an empty text becomes `"*"`. Raises ValueError with a sentence for a person.
    """
    written = text.strip().replace("：", ":")
    if written in {"", ANY}:
        return ANY
    kind, colon, value = written.rpartition(":")
    value = value.strip()
    match kind.strip().lower():
        case "prefix":
            return _PREFIX + _prefix(value)
        case "area":
            return _AREA + _area_code(value)
        case "province":
            return _PROVINCE + _province(value)
        case "zone":
            return ZONE + parse_name(value)
        case "" if not colon and value.removeprefix("+").isdecimal():
            return _PREFIX + _prefix(value)
    raise ValueError(
        f"{text!r} is not a match; write *, prefix:86755, area:0755, province:广东 or "
        "the name of a zone like zone:delta"
    )


def parse_name(text: str) -> str:
    """Read the name of a zone or a band: letters of any script, digits, `_` and `-`.

    Raises ValueError with a sentence for a person.
    """
    name = text.strip()
    if not _NAME.fullmatch(name):
        raise ValueError(f"{text!r} is not a name; write letters, digits, _ and -, at most 32")
    return name


def prefix_length(form: str) -> int:
    """Give how many digits a written form compares; 0 when it is no prefix."""
    return len(form) - len(_PREFIX) if form.startswith(_PREFIX) else 0


def matching_forms(digits: str, region: Region, lengths: Iterable[int]) -> list[str]:
    """Give every written form that matches a number, the most specific first.

    `lengths` are the prefix lengths worth trying, the longest first.
    """
    forms: list[str] = []
    country: list[str] = []
    for length in lengths:
        if length <= len(digits):
            place = forms if length > COUNTRY_CODE_DIGITS else country
            place.append(_PREFIX + digits[:length])
    if region.area_code:
        forms.append(_AREA + region.area_code)
    if region.province:
        forms.append(_PROVINCE + region.province)
    forms += country
    forms.append(ANY)
    return forms


def _prefix(value: str) -> str:
    digits = value.removeprefix("+")
    if digits.startswith("0"):
        raise ValueError(
            f"prefix {value!r} starts with 0; write the international form (86755 for 0755), "
            f"or area:0755"
        )
    if not _DIGITS.fullmatch(digits):
        raise ValueError(f"prefix {value!r} must be 1 to {MAX_PREFIX_DIGITS} digits")
    return digits


def _area_code(value: str) -> str:
    if not _AREA_CODE.fullmatch(value):
        raise ValueError(f"{value!r} is not an area code; write it with its 0, like 0755 or 010")
    return value


def _province(value: str) -> str:
    name = _PROVINCE_NAME.fullmatch(value)
    if name is None:
        raise ValueError(f"{value!r} is not a province; write it like 广东 or 广东省")
    return name[1]
