"""A daemon does what it is told to: its parts, wired as `serve` wires them.

The daemon is made and not started: nothing listens, and nothing is linked. What it would do is
asked of its own doors.
"""

import os
import threading

import gevent
import msgspec
import pytest
from made_daemon import asks, link_to

from fsbilling.billing.settler import CALL_ROOM_BYTES
from fsbilling.calls.cdr import HungUpBy
from fsbilling.config import Hook, Metering, Numbering
from fsbilling.daemon import status
from fsbilling.sim.switch import SimSwitch
from fsbilling.sim.virtual_clock import VirtualClock
from fsbilling.store import holds

UUID = "42a1d4a0-bf75-4287-ab9c-614e30a2479f"


def test_more_calls_a_second_than_the_hook_admits_are_refused_as_busy(made):
    daemon = made(hook=Hook(max_cps=2))
    told = [asks(daemon) for _ in range(3)]
    assert [each["fsbilling_verdict"] for each in told] == ["allowed", "allowed", "refused"]
    assert told[2] == {
        "fsbilling_verdict": "refused",
        "fsbilling_reason": "busy",
        "fsbilling_cause": "SWITCH_CONGESTION",
    }
    assert asks(daemon, "110") == {"fsbilling_verdict": "emergency"}


def test_a_journal_without_room_for_one_more_call_refuses_it(made):
    daemon = made()
    assert asks(daemon)["fsbilling_verdict"] == "allowed"
    daemon._journal.append(b"x" * (1_000_000 - 1_000))
    told = asks(daemon)
    assert (told["fsbilling_reason"], told["fsbilling_cause"]) == (
        "journal_full",
        "NORMAL_TEMPORARY_FAILURE",
    )


def test_the_journal_keeps_room_for_each_call_that_lives(made):
    daemon = made()
    daemon._journal.append(b"x" * (1_000_000 - 2 * CALL_ROOM_BYTES))
    assert "fsbilling_reason" not in asks(daemon)
    assert asks(daemon)["fsbilling_reason"] == "journal_full"


def test_emergencies_are_those_of_this_site(made):
    daemon = made(numbering=Numbering(emergency=frozenset({"999"})))
    assert asks(daemon, "999")["fsbilling_verdict"] == "emergency"
    assert asks(daemon, "110")["fsbilling_verdict"] != "emergency"


def test_the_first_slice_is_as_long_as_it_says(made):
    daemon = made(metering=Metering(first_slice_s=12))
    assert asks(daemon)["fsbilling_granted_s"] == "12"
    with daemon.db.read() as conn:
        assert [hold.granted_s for hold in holds.live(conn)] == [12]


def test_a_call_keeps_the_pace_it_began_with_and_the_next_has_the_new_one(made):
    first = Metering(renew_lead_s=4, cut_lead_ms=120, warn_before_s=17)
    daemon = made(metering=first)
    asks(daemon)
    daemon.apply(msgspec.structs.replace(daemon.config, metering=Metering(warn_payer=False)))
    asks(daemon)
    before, after = (session.pace for session in daemon.meter.calls.all())
    assert (before.renew_lead_us, before.cut_lead_us) == (4_000_000, 120_000)
    assert (before.warn_before_us, after.warn_before_us) == (17_000_000, 0)


def go_round(daemon, *only):
    """Run each errand once, as all are run every so often; or those that say so when they fail."""
    for errand in daemon._errands():
        if not only or errand.undone in only:
            errand.run()
    gevent.sleep(0.05)  # what is posted to a call is done in a greenlet of its own


def test_who_is_trusted_in_an_outage_and_with_how_much_is_told_in_the_status(made, shell):
    shell.do("account", "set", "acme", "--outage-limit", "5")
    daemon = made()
    go_round(daemon)
    daemon.billing.settler.is_out = True
    assert asks(daemon)["fsbilling_verdict"] == "allowed"
    go_round(daemon, "status not written")
    said = status.read(daemon.config.journal_path({}))
    (risked,) = said.risked
    assert (risked.account, risked.limit_micros) == ("acme", 5_000_000)
    assert 0 < risked.at_risk_micros <= 5_000_000
    assert (said.database_answers, said.journal_bytes > 0) == (False, True)


@pytest.fixture
def without_sql(made, shell):
    """Make a daemon in an outage that acme may call in."""
    shell.do("account", "set", "acme", "--outage-limit", "5")
    daemon = made(metering=Metering(renew_lead_s=4))
    daemon.billing.outage.read_trust()
    daemon.billing.settler.is_out = True
    return daemon


def test_without_sql_a_channel_that_asks_again_is_told_the_same(without_sql):
    first, again = (asks(without_sql, call_uuid=UUID) for _ in range(2))
    assert first == again
    assert first["fsbilling_verdict"] == "allowed"
    (session,) = without_sql.meter.calls.all()
    assert session.pace.renew_lead_us == 4_000_000


def test_without_sql_a_journal_without_room_refuses_too(without_sql):
    without_sql._journal.append(b"x" * (1_000_000 - CALL_ROOM_BYTES))
    assert asks(without_sql)["fsbilling_reason"] == "journal_full"


def test_a_suspension_reaches_a_call_that_lives(made, shell):
    daemon = made()
    asks(daemon)
    shell.do("account", "suspend", "acme")
    go_round(daemon)
    (session,) = daemon.meter.calls.all()
    assert (session.cut, session.bound) == (True, HungUpBy.OPERATOR)


def test_a_link_that_comes_up_ends_the_calls_of_a_core_that_is_gone(made, shell, monkeypatch):
    link_to(SimSwitch(VirtualClock()), monkeypatch)
    daemon = made()
    asks(daemon)
    daemon._on_up("fs1")
    gevent.sleep(0.05)
    (record,) = shell.json("cdr", "list")
    assert (record["end_source"], record["charge_micros"]) == ("estimate", 0)


def test_a_refusal_that_sql_could_not_take_is_recorded_later(made, shell):
    daemon = made()
    daemon.billing.settler.is_out = True
    assert asks(daemon)["fsbilling_reason"] == "unavailable"
    go_round(daemon)
    (record,) = shell.json("cdr", "list", "--refused")
    assert record["refusal"] == "unavailable"


def test_the_disk_is_waited_for_beside_the_loop(made, monkeypatch):
    """A disk that takes a second for a sync would hold up every call."""
    journal, waited_in = made()._journal, []
    for sync in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, sync, lambda _fd: waited_in.append(threading.get_ident()))
    journal.append(b"a finished call")
    assert waited_in
    assert threading.get_ident() not in waited_in
