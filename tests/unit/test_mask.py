"""Numbers in the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbilling.numbering.mask import mask


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("13800138000", "1380****000"),
        ("8613800138000", "861380****000"),
        ("+86 138-0013-8000", "+86 138-0***-*000"),
        ("0755-83765566", "0755-8****566"),
        ("8376556", "****556"),
        ("4001234567", "400****567"),
        ("sip:13800138000@host", "sip:1380****000@host"),
    ],
)
def test_four_digits_before_the_last_three_are_hidden(number, masked):
    assert mask(number) == masked


@pytest.mark.parametrize("number", ["", "110", "10086", "1001", "961200", "anonymous"])
def test_what_is_nobodys_own_number_stays(number):
    assert mask(number) == number


@given(st.text("0123456789+- ", max_size=64))
def test_only_digits_are_hidden_and_never_fewer_than_four_of_a_number(number):
    masked = mask(number)
    changed = [(old, new) for old, new in zip(number, masked, strict=True) if old != new]
    assert all(old.isdigit() and new == "*" for old, new in changed)
    assert len(changed) == (4 if sum(c.isdigit() for c in number) >= 7 else 0)
