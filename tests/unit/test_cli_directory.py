"""Numbers and lines: who pays for a call."""

import pytest
from commands import Commands


@pytest.fixture
def acme(sqlite_url, tmp_path):
    shell = Commands(sqlite_url)
    shell.open_for_business(tmp_path)
    return shell


def test_a_number_is_kept_in_one_form_however_it_is_written(acme):
    acme.do("number", "add", "+86 400-123-4567", "--account", "acme", "--target", "user/1001")
    expected = {"number": "4001234567", "account": "acme", "target": "user/1001"}
    assert acme.json("number", "show", "4001234567") == expected
    assert acme.json("number", "show", "400-123-4567") == expected
    assert acme.json("number", "list") == [expected]
    assert acme.json("number", "list", "--account", "acme") == [expected]


def test_a_removed_number_can_be_given_again(acme):
    add = ("number", "add", "4001234567", "--account", "acme", "--target", "user/1001")
    acme.do(*add)
    acme.refused(*add)
    assert "account acme" in acme.do("number", "remove", "4001234567")
    assert acme.json("number", "list") == []
    acme.do(*add)


def test_lines_are_listed_with_their_account(acme):
    for line in ("user:1001", "gateway:carrier", "ip:192.0.2.7", "accountcode:acme"):
        assert line in acme.do("line", "add", line, "--account", "acme")
    listed = acme.json("line", "list", "--account", "acme")
    assert {"kind": "user", "value": "1001", "account": "acme"} in listed
    assert len(listed) == 4


def test_a_line_pays_from_one_account_only(acme):
    acme.do("account", "add", "other", "--mode", "prepaid")
    acme.do("line", "add", "user:1001", "--account", "acme")
    acme.refused("line", "add", "user:1001", "--account", "other")
    acme.do("line", "remove", "user:1001")
    acme.do("line", "add", "user:1001", "--account", "other")


@pytest.mark.parametrize(
    "words",
    [
        ("number", "add", "13800138000", "--account", "acme", "--target", "user/1"),
        ("number", "add", "4001234567", "--account", "acme"),
        ("number", "add", "4001234567", "--target", "user/1"),
        ("number", "show", "=cmd"),
        ("number", "remove", "110"),
        ("line", "add", "1001", "--account", "acme"),
        ("line", "add", "name:1001", "--account", "acme"),
        ("line", "add", "ip:300.1.1.1", "--account", "acme"),
        ("line", "add", "user:", "--account", "acme"),
        ("line", "add", "user:1001"),
        ("line", "remove", "nonsense"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(acme, words):
    acme.misused(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("number", "add", "4001234567", "--account", "nobody", "--target", "user/1"),
        ("number", "add", "4001234567", "--account", "acme", "--target", ""),
        ("number", "show", "4001234567"),
        ("number", "remove", "4001234567"),
        ("number", "list", "--account", "nobody"),
        ("line", "add", "user:1001", "--account", "nobody"),
        ("line", "remove", "user:1001"),
        ("line", "list", "--account", "nobody"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(acme, words):
    acme.refused(*words)
