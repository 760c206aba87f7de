"""What an outbound call is recognised by, as a person writes it."""

import pytest

from fsbilling.numbering.line import Line, LineKind, parse_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("user:1001", Line(LineKind.USER, "1001")),
        (" user:bob@example.org ", Line(LineKind.USER, "bob@example.org")),
        ("gateway:telecom-sz", Line(LineKind.GATEWAY, "telecom-sz")),
        ("accountcode:acme", Line(LineKind.ACCOUNTCODE, "acme")),
        ("user:a:b", Line(LineKind.USER, "a:b")),
        ("ip:192.0.2.7", Line(LineKind.IP, "192.0.2.7")),
        ("ip:2001:DB8:0:0::7", Line(LineKind.IP, "2001:db8::7")),
        ("ip:::ffff:192.0.2.7", Line(LineKind.IP, "192.0.2.7")),
    ],
)
def test_a_line_has_a_kind_and_a_value(text, line):
    assert parse_line(text) == line
    assert parse_line(str(line)) == line


def test_a_line_is_written_as_it_is_read():
    assert str(parse_line("user:1001")) == "user:1001"


@pytest.mark.parametrize("text", ["", "1001", "user", "USER:1001", "phone:1001", ":1001"])
def test_a_line_of_no_known_kind_is_refused_with_the_kinds(text):
    with pytest.raises(ValueError, match="the kinds are user, gateway, ip, accountcode"):
        parse_line(text)


@pytest.mark.parametrize(
    "text", ["user:", "user:a b", "user:a\nb", "user:a\x00", "user:" + "a" * 129]
)
def test_a_value_that_no_switch_sends_is_refused(text):
    with pytest.raises(ValueError, match="1 to 128 characters without spaces"):
        parse_line(text)


@pytest.mark.parametrize("text", ["ip:", "ip:host", "ip:192.0.2.0/24", "ip:192.0.2.7:5060", "ip:1"])
def test_an_address_is_one_address(text):
    with pytest.raises(ValueError, match="is not one IP address"):
        parse_line(text)
