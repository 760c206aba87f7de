"""Two daemons for one switch, as real processes: one works, the other takes over; never both."""

import re
import signal
import time

import pytest
from commands import Commands
from daemons import Site, Wire, wait_until

from fsbilling.store import accounts, cdrs, entries, holds
from fsbilling.store.engine import Database

TAKEOVER_S = 5.0
LET_THROUGH = re.compile(r"let through without a hold.*call_uuid='?([0-9a-f-]{36})")


@pytest.fixture
def site(tmp_path, store_url):
    office = Commands(store_url)
    office.open_for_business(tmp_path)
    office.do("line", "add", "user:1001", "--account", "acme")
    site = Site(tmp_path, store_url)
    yield site
    site.end()


@pytest.fixture
def pair(site):
    """A works, B waits."""
    first = site.serve("a")
    wait_until(lambda: site.listens("a"), "A's hook")
    second = site.serve("b")
    wait_until(lambda: "standing by" in second.log, "B stands by")
    assert not site.listens("b")
    return first, second


@pytest.fixture
def sql(store_url):
    db = Database.open(store_url)
    yield db
    db.close()


def live(db):
    with db.read() as conn:
        return holds.live(conn)


def written(db):
    with db.read() as conn:
        return [cdr for _, cdr in cdrs.page(conn)]


def at_risk_micros(site):
    """What `fsbilling status` would show of acme."""
    (risked,) = site.status("a").risked
    assert (risked.account, risked.limit_micros) == ("acme", 5_000_000)
    return risked.at_risk_micros


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_daemon_has_its_connections_to_postgresql_before_the_first_call(site, sql):
    """`docs/settings.md` says how many."""
    site.serve("a")
    wait_until(lambda: site.listens("a"), "A's hook")
    with sql.read() as conn:
        count = conn.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'fsbilling' AND pid <> pg_backend_pid()"
        ).scalar_one()
    assert count == 9


def test_when_the_working_daemon_is_killed_the_other_takes_over_and_meters_its_calls(
    site, pair, sql
):
    first, _ = pair
    site.simulate("--calls", 1, "--callee", "13800138000", "--talk", 14)
    wait_until(lambda: [hold for hold in live(sql) if hold.answered_us], "the call is answered")
    first.signal(signal.SIGKILL)
    took_s = wait_until(lambda: site.listens("b"), "B's hook", TAKEOVER_S)
    print(f"takeover after kill -9 ({sql.dialect}): {took_s:.2f} s")
    wait_until(lambda: written(sql), "the call's record", 20)
    (record,) = written(sql)
    assert (record.billed_s, record.end_source) == (14, "event")
    with sql.read() as conn:
        assert entries.verify(conn) == []


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_stopped_daemon_loses_its_switch_and_does_no_harm_when_it_goes_on(site, pair, sql):
    """Its hook still accepts, so it must be killed; but its calls are metered meanwhile."""
    first, second = pair
    site.simulate("--calls", 1, "--callee", "13800138000", "--talk", 20)
    wait_until(lambda: [hold for hold in live(sql) if hold.answered_us], "the call is answered")
    first.signal(signal.SIGSTOP)
    took_s = wait_until(lambda: "event='on duty'" in second.log, "B on duty", TAKEOVER_S)
    print(f"takeover from a stopped daemon: {took_s:.2f} s")
    wait_until(lambda: live(sql)[0].granted_s > 6, "B renews", 8)
    first.signal(signal.SIGCONT)
    wait_until(lambda: not site.listens("a"), "A's hook closes", TAKEOVER_S)
    wait_until(lambda: written(sql), "the call's record", 25)
    (record,) = written(sql)
    assert record.billed_s == 20, "neither daemon cut it short"
    assert "another daemon has taken over" in first.log
    with sql.read() as conn:
        assert entries.verify(conn) == []


def test_a_daemon_that_ends_in_order_is_followed_at_once(site, pair, sql):
    first, _ = pair
    wait_until(lambda: site.status("a").on_duty, "A's own word")
    assert not site.status("b").on_duty
    first.signal(signal.SIGTERM)
    wait_until(lambda: first.exit_code == 0, "A ends")
    assert wait_until(lambda: site.listens("b"), "B's hook", TAKEOVER_S) < TAKEOVER_S


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_call_that_is_being_settled_when_the_daemon_is_told_to_stop_is_settled(site, sql):
    """Else the next start would have to estimate it."""
    daemon = site.serve("a")
    wait_until(lambda: site.listens("a"), "A's hook")
    site.simulate("--calls", 1, "--callee", "13800138000", "--talk", 3)
    wait_until(lambda: [hold for hold in live(sql) if hold.answered_us], "the call is answered")
    with sql.write() as conn:
        accounts.lock(conn, "acme")
        time.sleep(3.5)
        daemon.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert daemon.exit_code is None
    wait_until(lambda: daemon.exit_code == 0, "A ends")
    assert [(record.billed_s, record.end_source) for record in written(sql)] == [(3, "event")]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_calls_that_end_while_postgresql_is_away_are_settled_when_it_is_back(site, sql, postgres):
    """The whole of PostgreSQL stops: the calls end by the journal, and it is played after."""
    daemon = site.serve("a")
    wait_until(lambda: site.listens("a"), "A's hook")
    site.simulate("--calls", 3, "--rate", 10, "--callee", "13800138000", "--talk", 4)
    wait_until(lambda: len([h for h in live(sql) if h.answered_us]) == 3, "the calls are answered")
    sql.close()
    postgres.stop()
    try:
        wait_until(lambda: daemon.log.count("settling into the journal") >= 1, "the journal", 10)
        time.sleep(1.5)
    finally:
        postgres.start()
    wait_until(lambda: len(written(sql)) == 3, "the records", 15)
    assert [record.billed_s for record in written(sql)] == [4, 4, 4]
    assert live(sql) == []
    wait_until(lambda: daemon.log.count("event='on duty'") == 2, "on duty again", 10)
    with sql.read() as conn:
        assert entries.verify(conn) == []


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_with_postgresql_away_the_trusted_call_though_a_second_daemon_waits(
    site, sql, postgres, tmp_path, store_url
):
    """The hook closes, as the other may take over, and opens when the switch knows of no other."""
    Commands(store_url).do("account", "set", "acme", "--outage-limit", "5")
    first = site.serve("a")
    wait_until(lambda: site.listens("a"), "A's hook")
    second = site.serve("b")
    wait_until(lambda: "standing by" in second.log, "B stands by")
    switch = site.simulate("--calls", 45, "--callee", "13800138000", "--talk", 2)
    wait_until(lambda: written(sql), "a call as ever", 20)
    sql.close()
    postgres.stop()
    try:
        wait_until(lambda: not site.listens("a"), "A's hook closes", 10)
        wait_until(lambda: site.listens("a"), "and opens again", 20)
        assert not site.listens("b")
        wait_until(lambda: LET_THROUGH.search(first.log), "a call is let through", 20)
        wait_until(lambda: at_risk_micros(site) > 0, "what is at risk is told", 5)
        assert not site.status("a").database_answers
    finally:
        postgres.start()
    wait_until(lambda: switch.exit_code == 0, "the last call", 90)
    wait_until(lambda: live(sql) == [], "nothing held", 20)
    wait_until(lambda: at_risk_micros(site) == 0, "nothing at risk", 5)
    assert site.status("a").database_answers
    trusted = LET_THROUGH.findall(first.log)
    records = {record.uuid: record for record in written(sql)}
    assert [records[uuid].billed_s for uuid in trusted] == [2] * len(trusted)
    talked = [record for record in records.values() if not record.refusal]
    # A hold that SQL took and did not live to confirm is of a call that was refused: it is swept.
    assert {(record.billed_s, record.end_source) for record in talked if record.answered_us} == {
        (2, "event")
    }
    assert {record.charge_micros for record in talked if not record.answered_us} <= {0}
    with sql.read() as conn:
        assert entries.verify(conn) == []


@pytest.mark.parametrize("talked_s", [0.0, 2.6])
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_an_sql_that_never_answers_holds_nothing_up(tmp_path, store_url, postgres, sql, talked_s):
    """No error, no end: PostgreSQL just says nothing more. The daemon keeps its own bounds.

    Cut at once, no new connection comes about; cut when half of the calls have ended, the next
    are being settled on connections that were good a moment ago.
    """
    office = Commands(store_url)
    office.open_for_business(tmp_path)
    office.do("line", "add", "user:1001", "--account", "acme")
    wire = Wire(postgres.url("x").partition("host=")[2] + "/.s.PGSQL.5432")
    database = store_url.partition("@/")[2].partition("?")[0]
    calls = 8
    site = Site(tmp_path, f"postgresql://postgres@127.0.0.1:{wire.port}/{database}")
    try:
        daemon = site.serve("a")
        wait_until(lambda: site.listens("a"), "A's hook")
        site.simulate("--calls", calls, "--rate", 10, "--callee", "13800138000", "--talk", 3)
        wait_until(lambda: len([h for h in live(sql) if h.answered_us]) == calls, "the answers")
        time.sleep(talked_s)
        wire.cut()
        wait_until(lambda: daemon.log.count("event='settled'") == calls, "all in the journal", 15)
        assert daemon.exit_code is None
        wire.mend()
        wait_until(lambda: len(written(sql)) == calls, "the records", 15)
        assert [record.billed_s for record in written(sql)] == [3] * calls
    finally:
        site.end()
        wire.close()
