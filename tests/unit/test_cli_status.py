"""How a daemon is, as it said last: what is at risk is shown, most of all while SQL is out."""

import msgspec
import pytest
from commands import Commands

from fsbilling.clock import US_PER_S, SystemClock
from fsbilling.daemon import status
from fsbilling.daemon.status import Risked, Status


@pytest.fixture
def says(tmp_path):
    """Let a daemon have said something of itself, so many seconds ago."""

    def say(silent_s=0, **said):
        well = Status(
            at_us=SystemClock().now_us() - silent_s * US_PER_S,
            pid=4711,
            on_duty=True,
            database_answers=True,
            switches={"fs1": True},
            live_calls=3,
            journal_bytes=0,
            journal_max_bytes=64_000_000,
            risked=(Risked("acme", 1_250_000, 5_000_000), Risked("trusted", 0, 2_000_000)),
        )
        journal = tmp_path / "fsbilling.journal"
        status.write(status.status_path(journal), msgspec.structs.replace(well, **said))

    return say


@pytest.fixture
def shell(sqlite_url, tmp_path):
    return Commands(sqlite_url, STATE_DIRECTORY=str(tmp_path))


@pytest.fixture
def shell_without_sql(tmp_path):
    return Commands(f"sqlite:///{tmp_path}/gone/x.db", STATE_DIRECTORY=str(tmp_path))


def test_a_daemon_that_is_well_is_exit_code_0(shell, says):
    says()
    shown = shell.do("status")
    assert "working" in shown
    assert "answers" in shown
    assert shell.json("status")["live_calls"] == 3


def test_the_amount_at_risk_is_shown_for_each_account_with_its_limit(shell, says):
    says()
    rows = [line.split() for line in shell.do("status").splitlines()]
    assert ["acme", "1.25", "5.00"] in rows
    assert ["trusted", "0.00", "2.00"] in rows
    first, second = shell.json("status")["risked"]
    assert (first["account"], first["at_risk_micros"], first["outage_limit"]) == (
        "acme",
        1_250_000,
        "5.00",
    )
    assert (second["account"], second["at_risk_micros"]) == ("trusted", 0)


def test_with_the_database_out_what_is_at_risk_is_shown_and_monitoring_told(
    shell_without_sql, says
):
    says(database_answers=False, journal_bytes=812)
    told = shell_without_sql.run("status")
    assert told.exit_code == 1
    assert "1.25" in told.stdout
    assert "OUT" in told.stdout
    assert "812 of 64000000 bytes" in told.stdout
    assert told.stderr == (
        "fsbilling: the database does not answer; what is at risk is shown above\n"
    )


def test_a_switch_that_is_not_linked_and_a_daemon_that_waits_are_named(shell, says):
    says(on_duty=False, switches={"fs1": True, "fs2": False})
    shown = shell.do("status")
    assert "standing by" in shown
    assert "NOT LINKED" in shown


def test_a_daemon_that_says_nothing_any_more_is_exit_code_1(shell, says):
    says(silent_s=60)
    told = shell.run("status")
    assert told.exit_code == 1
    assert "(process 4711) has said nothing for 6" in told.stderr


def test_where_no_daemon_has_run_that_is_said(shell):
    assert "no daemon has run here" in shell.refused("status")


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff\xfe", b'{"at_us": "now"}'])
def test_a_file_of_another_version_is_named(shell, tmp_path, junk):
    status.status_path(tmp_path / "fsbilling.journal").write_bytes(junk)
    assert "is another version's" in shell.refused("status")
