"""Numbers: the normaliser and this site's plan, against a second reading in one expression."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from fsbilling.billing.attempt import NumberPlan
from fsbilling.numbering.line import Line, parse_line
from fsbilling.numbering.mask import mask
from fsbilling.numbering.number import EMERGENCY, Number, NumberKind
from fsbilling.numbering.region import Region
from fsbilling.numbering.region_table import RegionTable

MAX_BYTES = 400
WORDS = (
    b"400",
    b"4001234567",
    b"+86",
    b"0086",
    b"17909",
    b"sip:",
    b"tel:",
    b"%2b",
    b";ext=",
    b"110",
    b"0755",
    b"13800138000",
    "转".encode(),
    "４００".encode(),
    b"anonymous",
)
HOMES = ("", "0755", "010", "0310")
REGIONS = RegionTable.from_rows(
    [("0755", Region("0755", "深圳", "广东")), ("1380013", Region("010", "北京", "北京"))]
)
E164 = {NumberKind.LANDLINE, NumberKind.MOBILE, NumberKind.INTERNATIONAL}
EMPTY = {NumberKind.ANONYMOUS, NumberKind.UNKNOWN}

_SEP = r"[- ./()]*"
_CODES = rf"\+?{_SEP}(?:0{_SEP}){{0,2}}(?:8{_SEP}6{_SEP})?(?:0{_SEP})?"
_CARRIER = "|".join(
    _SEP.join(code)
    for code in (("1", "7", "9", "[0-9]", "[0-9]"), "12593", "11808", "10193", "10131")
)
_A_400 = re.compile(
    rf"(?:<? *(?:sips?|tel):)?\s*{_SEP}{_CODES}(?:(?:{_CARRIER}){_SEP}{_CODES})?"
    rf"(4{_SEP}0{_SEP}0(?:{_SEP}[0-9]){{7}})(?![0-9])",
    re.IGNORECASE,
)
"""Codes and carrier prefixes, then 400 and seven digits that are over: no eleventh follows."""


def seeds() -> Iterator[bytes]:
    for text in (
        "4001234567",
        "+86 400-123-4567",
        "sip:4001234567@10.0.0.1;user=phone",
        "tel:+86-755-83765566;ext=12",
        "0755-110",
        "17909013800138000",
        "４００１２３４５６７",
        "anonymous",
        "00852 2345 6789",
        "user:1001",
        "ip:::ffff:192.0.2.7",
        "400123456712345678",
        "4001234567-801",
    ):
        yield b"\x01" + text.encode()


def check(data: bytes) -> None:
    """The first byte chooses the home area; the rest is what a caller sent."""
    home = HOMES[data[0] % len(HOMES)] if data else ""
    text = data[1:].decode("utf-8", "surrogateescape")
    plan = NumberPlan(home_area_code=home, emergency=EMERGENCY)
    number = plan.read(text)
    _check_form(number)
    _check_400(number, text)
    if number.kind is NumberKind.EMERGENCY:
        assert number.digits in EMERGENCY
    if number.kind not in EMPTY:
        written = "+" + number.digits if number.kind in E164 else number.digits
        again = plan.read(written)
        assert (again.kind, again.digits) == (number.kind, number.digits)
    assert isinstance(REGIONS.find(number), Region)
    _check_mask(text)
    _check_line(text)


def _check_form(number: Number) -> None:
    assert len(number.dialled) <= 64
    assert number.dialled.isprintable()
    number.dialled.encode()
    assert (number.digits == "") == (number.kind in EMPTY)
    assert re.fullmatch(r"[0-9]{0,15}", number.digits)


def _check_400(number: Number, text: str) -> None:
    """Nothing but a 400 number is read as one: it names the payer."""
    looks = re.fullmatch(r"400[0-9]{7}", number.digits) is not None
    assert looks == (number.kind is NumberKind.SERVICE_400)
    if looks:
        plain = re.sub("[\u2010-\u2015\u2212]", "-", unicodedata.normalize("NFKC", text)).strip()
        plain = re.sub("%2b", "+", plain, flags=re.IGNORECASE)
        found = _A_400.match(plain)
        assert found, f"{text!r} was read as {number.digits}"
        assert re.sub("[^0-9]", "", found[1]) == number.digits


def _check_mask(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text)
    if sum(c.isdecimal() for c in text) >= 7:
        assert masked.count("*") >= 4


def _check_line(text: str) -> None:
    try:
        line = parse_line(text)
    except ValueError:
        return
    assert isinstance(line, Line)
    assert parse_line(str(line)) == line
