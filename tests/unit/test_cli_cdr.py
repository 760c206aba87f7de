import csv
import io

import pytest
from call_records import BEGAN_US, S, record
from commands import Commands

from fsbilling.calls.cdr import Cdr
from fsbilling.cli.cdr_fields import CSV_COLUMNS, fields
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.store import cdrs
from fsbilling.store.engine import Database


@pytest.fixture
def shell(sqlite_url):
    return Commands(sqlite_url)


@pytest.fixture
def written(shell):
    def write(*records: Cdr) -> None:
        database = Database.open(shell.url)
        with database.write() as conn:
            for cdr in records:
                assert cdrs.write(conn, cdr)
        database.close()

    return write


def exported(shell, *words) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(shell.do("cdr", "export", *words))))


def test_the_exports_columns_are_the_fields_of_a_record():
    assert tuple(fields(record())) == CSV_COLUMNS


def test_show_tells_the_whole_story(shell, written):
    written(record(1))
    told = shell.do("cdr", "show", record(1).uuid)
    for part in ("0.1525", "std v1 row 2: 61 s = 0.1525", "60.500 s", "深圳", "caller", "sip:200"):
        assert part in told
    (shown,) = shell.json("cdr", "show", record(1).uuid)
    assert shown["charge_micros"] == 152_500
    assert shown["charge"] == "0.1525"
    assert shown["answered_us"] == BEGAN_US + 2 * S
    assert shown["progress"] is None


def test_show_tells_why_a_call_was_refused(shell, written):
    written(record(1, refusal="no_credit", explanation="top it up", answered_us=0, duration_us=0))
    told = shell.do("cdr", "show", record(1).uuid)
    assert "no_credit" in told
    assert "top it up" in told


def test_show_names_what_was_waived(shell, written):
    written(record(1, waived_micros=10_000))
    assert "0.01" in shell.do("cdr", "show", record(1).uuid)


def test_list_shows_the_newest_first(shell, written):
    written(*(record(n) for n in range(1, 6)))
    uuids = [one["uuid"] for one in shell.json("cdr", "list", "--limit", "2")]
    assert uuids == [record(5).uuid, record(4).uuid]
    assert shell.do("cdr", "list", "--limit", "2").count("acme") == 2


def test_list_and_export_choose_by_account_and_moment(shell, written):
    shell.do("account", "add", "acme", "--mode", "prepaid")
    written(record(1), record(2, account="other"), record(3))
    since, until = (
        ("--since", "2025-12-31T16:00:02.5+00:00"),
        ("--until", "2025-12-31T16:00:02.5+00:00"),
    )
    assert {one["uuid"] for one in exported(shell, "--account", "acme")} == {
        record(1).uuid,
        record(3).uuid,
    }
    assert [row["uuid"] for row in exported(shell, *since)] == [record(3).uuid]
    assert [row["uuid"] for row in exported(shell, *until)] == [record(n).uuid for n in (1, 2)]
    assert [one["uuid"] for one in shell.json("cdr", "list", *since)] == [record(3).uuid]


def test_list_can_show_refused_attempts_only(shell, written):
    written(record(1), record(2, refusal="no_credit"))
    assert [one["uuid"] for one in shell.json("cdr", "list", "--refused")] == [record(2).uuid]


@pytest.mark.parametrize("start", list("=+-@\t＝"))
def test_what_a_caller_wrote_never_becomes_a_formula(shell, written, start):
    evil = f"{start}HYPERLINK(1)"
    written(record(1, caller=Number(evil, NumberKind.UNKNOWN, "")))
    (row,) = exported(shell)
    assert row["caller_dialled"] == f"'{evil}"


def test_quotes_and_commas_survive_the_export(shell, written):
    odd = 'a,"b"\n深圳'
    written(record(1, explanation=odd))
    assert exported(shell)[0]["explanation"] == odd


def test_an_export_of_many_pages_has_every_row_once(shell, written, monkeypatch):
    monkeypatch.setattr("fsbilling.store.cdr_pages.PAGE_ROWS", 2)
    for count in (4, 5):
        written(*(record(n) for n in range(1 if count == 4 else 5, count + 1)))
        uuids = [row["uuid"] for row in exported(shell)]
        assert uuids == [record(n).uuid for n in range(1, count + 1)]


def test_an_export_of_nothing_has_its_header(shell):
    assert shell.do("cdr", "export") == ",".join(CSV_COLUMNS) + "\n"


def test_excel_is_told_of_utf8_when_asked(shell, written):
    written(record(1))
    plain = shell.run("cdr", "export").stdout_bytes
    assert shell.run("cdr", "export", "--bom").stdout_bytes == b"\xef\xbb\xbf" + plain
    assert "深圳".encode() in plain


def test_a_terminal_obeys_nothing_that_a_caller_dialled(shell, written):
    written(record(1, caller=Number("\x1b[2J\x07", NumberKind.UNKNOWN, "")))
    for words in (("list",), ("show", record(1).uuid)):
        assert "\x1b" not in shell.do("cdr", *words)
        assert "\x07" not in shell.do("cdr", *words)


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--limit", "0"),
        ("list", "--since", "yesterday"),
        ("show",),
        ("export", "--until", "1e9"),
        ("export", "--json"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(shell, words):
    shell.misused("cdr", *words)


@pytest.mark.parametrize(
    "words",
    [("show", "nosuch"), ("list", "--account", "nobody"), ("export", "--account", "nobody")],
)
def test_a_refusal_is_one_line_and_changes_nothing(shell, words):
    shell.refused("cdr", *words)
