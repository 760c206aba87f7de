"""What holds for every text that a caller could send."""

import string

from hypothesis import given
from hypothesis import strategies as st

from fsbilling.numbering.number import NumberKind, normalise

EMPTY = {NumberKind.ANONYMOUS, NumberKind.UNKNOWN}
E164 = {NumberKind.LANDLINE, NumberKind.MOBILE, NumberKind.INTERNATIONAL}

HOMES = st.sampled_from(["", "0755", "010", "0310"])

NUMBERS = st.one_of(
    st.from_regex(r"400[0-9]{7}", fullmatch=True),
    st.from_regex(r"0?1[3-9][0-9]{9}", fullmatch=True),
    st.from_regex(r"0?(10|2[0-9]|[3-9][0-9]{2})[1-9][0-9]{6,7}", fullmatch=True),
    st.from_regex(r"[1-9][0-9]{2,7}", fullmatch=True),
    st.from_regex(r"(00|\+)[0-9]{5,16}", fullmatch=True),
    st.from_regex(r"9[56][0-9]{3,12}", fullmatch=True),
    st.text(string.digits, max_size=18),
)
PREFIXES = st.sampled_from(["", "0", "86", "+86", "0086", "+", "00", "17909", "sip:", "tel:"])
SUFFIXES = st.sampled_from(["", "#", ",801", "-801", "ext 801", "@host", "@h;user=phone", ";ext=1"])
WRITTEN = st.builds("{}{}{}".format, PREFIXES, NUMBERS, SUFFIXES)
NEARLY = st.text("0123456789+-., ()#*;@:xepwsiptl转\n\x00", max_size=40)
DIALLED = st.one_of(WRITTEN, NEARLY, st.text(max_size=300))


@given(DIALLED, HOMES)
def test_any_text_gives_a_number_that_any_store_and_log_can_take(dialled, home):
    number = normalise(dialled, home_area_code=home)
    assert len(number.dialled) <= 64
    assert number.dialled.isprintable()
    number.dialled.encode()
    assert (number.digits == "") == (number.kind in EMPTY)
    assert number.digits == "" or (number.digits.isascii() and number.digits.isdigit())
    assert len(number.digits) <= 15


@given(DIALLED, HOMES)
def test_the_normal_form_means_the_same_number(dialled, home):
    number = normalise(dialled, home_area_code=home)
    if number.kind not in EMPTY:
        written = "+" + number.digits if number.kind in E164 else number.digits
        again = normalise(written, home_area_code=home)
        assert (again.kind, again.digits) == (number.kind, number.digits)


@given(DIALLED, HOMES)
def test_ten_digits_from_400_are_a_400_number_and_a_400_number_is_nothing_else(dialled, home):
    """DESIGN rule 7: whatever is written, no other kind of number looks like a payer's."""
    number = normalise(dialled, home_area_code=home)
    looks_like_one = len(number.digits) == 10 and number.digits.startswith("400")
    assert looks_like_one == (number.kind is NumberKind.SERVICE_400)


@given(DIALLED, HOMES)
def test_a_400_number_is_read_only_where_its_digits_were_written_in_this_order(dialled, home):
    number = normalise(dialled, home_area_code=home)
    if number.kind is NumberKind.SERVICE_400:
        written = "".join(c for c in dialled if c.isdigit())
        assert number.digits in written


@given(st.from_regex(r"[2-8][0-9]{7}", fullmatch=True), HOMES)
def test_no_local_number_is_taken_for_an_emergency(local, home):
    kind = normalise(local, home_area_code=home).kind
    assert kind is (NumberKind.LANDLINE if home in {"0755", "010", "0310"} else NumberKind.UNKNOWN)


@given(st.sampled_from(["110", "119", "120", "122"]), PREFIXES, st.sampled_from(["", "#", "@host"]))
def test_an_emergency_is_one_behind_every_prefix_that_cannot_make_it_another_number(
    emergency, prefix, suffix
):
    number = normalise(prefix + emergency + suffix)
    expected = NumberKind.EXTENSION if prefix == "86" else NumberKind.EMERGENCY
    if prefix == "00":
        expected = NumberKind.UNKNOWN
    assert number.kind is expected
