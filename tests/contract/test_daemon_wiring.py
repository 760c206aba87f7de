"""A daemon does what it is told to: its parts, wired as `serve` wires them.

The daemon is made and not started: nothing listens, and nothing is linked. What it would do is
asked of its own doors.
"""

import os
import threading
import uuid

import gevent
import msgspec
import pytest
from commands import Commands
from daemons import listens

from fsbilling.billing.renewal import renew
from fsbilling.billing.settler import CALL_ROOM_BYTES
from fsbilling.calls.cdr import HungUpBy
from fsbilling.config import Config, Database, Hook, Metering, Numbering, Switch
from fsbilling.config import Journal as JournalSettings
from fsbilling.daemon import status
from fsbilling.daemon.daemon import Daemon
from fsbilling.errors import SwitchError
from fsbilling.sim.switch import SimSwitch
from fsbilling.sim.virtual_clock import VirtualClock
from fsbilling.store import holds
from fsbilling.switch.channel import Channel
from fsbilling.switch.link import Link

ANY_PORT = Hook(listen="127.0.0.1:0")
UUID = "42a1d4a0-bf75-4287-ab9c-614e30a2479f"


@pytest.fixture
def shell(sqlite_url, tmp_path):
    shell = Commands(sqlite_url)
    shell.open_for_business(tmp_path)
    shell.do("line", "add", "user:1001", "--account", "acme")
    return shell


@pytest.fixture
def made(shell, tmp_path):
    """Make a daemon of a configuration."""
    daemons = []

    def make(**sections):
        settings = {
            "database": Database(url=shell.url),
            "switches": (Switch(name="fs1"),),
            "journal": JournalSettings(path=str(tmp_path / "journal"), max_mb=1),
        }
        daemon = Daemon(Config(**(settings | sections)))
        daemon.billing.tables.refresh_tariffs()
        daemons.append(daemon)
        return daemon

    yield make
    for daemon in daemons:
        daemon._journal.close()
        daemon.db.close()


def asks(daemon, callee="13800138000", call_uuid=""):
    """Let a call of acme's ask; what the dialplan is told."""
    channel = Channel(
        {
            "Unique-ID": call_uuid or str(uuid.uuid4()),
            "Call-Direction": "inbound",
            "Caller-Destination-Number": callee,
            "Caller-Channel-Created-Time": "1795281711064551",
            "variable_sip_auth_username": "1001",
        }
    )
    return daemon._decide(channel).variables


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
    daemon = made()
    daemon.billing.outage.read_trust()
    daemon.billing.settler.is_out = True
    return daemon


def test_without_sql_a_channel_that_asks_again_is_told_the_same(without_sql):
    first, again = (asks(without_sql, call_uuid=UUID) for _ in range(2))
    assert first == again
    assert first["fsbilling_verdict"] == "allowed"


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


def link_to(switch, monkeypatch):
    """Let the daemon's link reach this switch; what it is told."""
    said = []

    def api(_link, command, *_timeout_s):
        said.append(command)
        return switch.execute(command)

    def stream(link, command, take, *_timeout_s):
        take(api(link, command).encode())

    monkeypatch.setattr(Link, "api", api)
    monkeypatch.setattr(Link, "stream", stream)
    return said


def test_a_link_that_comes_up_ends_the_calls_of_a_core_that_is_gone(made, shell, monkeypatch):
    link_to(SimSwitch(VirtualClock()), monkeypatch)
    daemon = made()
    asks(daemon)
    daemon._on_up("fs1")
    gevent.sleep(0.05)
    (record,) = shell.json("cdr", "list")
    assert (record["end_source"], record["charge_micros"]) == ("estimate", 0)


def test_off_duty_the_switch_is_asked_and_told_nothing(made, monkeypatch):
    """A daemon that does not know that it works may be beside one that does."""
    switch = SimSwitch(VirtualClock())
    said = link_to(switch, monkeypatch)
    node = made()._nodes["fs1"]
    assert node.core_uuid() == switch.core_uuid
    assert node.live_uuids() == frozenset()
    assert node.dump(UUID) is None
    questions, said[:] = len(said), []
    for tell in (
        lambda: node.kill(UUID, "ALLOTTED_TIMEOUT"),
        lambda: node.reject("all", "CALL_REJECTED"),
        lambda: node.mark(UUID, {"fsbilling_call": UUID}),
        lambda: node.add_timer(UUID, 1, 1_795_281_711_064_551),
        lambda: node.replace_timer(UUID, 1, 1_795_281_711_064_551),
        lambda: node.remove_timer(UUID, 0),
        lambda: node.warn(UUID, "tone_stream://%(200,100,950)", "aleg"),
    ):
        with pytest.raises(SwitchError, match="not on duty"):
            tell()
    assert (questions, said) == (3, [])


def test_a_refusal_that_sql_could_not_take_is_recorded_later(made, shell):
    daemon = made()
    daemon.billing.settler.is_out = True
    assert asks(daemon)["fsbilling_reason"] == "unavailable"
    go_round(daemon)
    (record,) = shell.json("cdr", "list", "--refused")
    assert record["refusal"] == "unavailable"


@pytest.fixture
def on_duty():
    """Let a daemon go on duty, its hook at a free port."""
    posts = []

    def take(daemon):
        posts.append(daemon._post)
        daemon._post.take()

    yield take
    for post in posts:
        post.close()
        post.leave()


def test_on_duty_again_it_goes_on_from_the_holds_that_another_renewed(made, on_duty):
    daemon = made(hook=ANY_PORT)
    asks(daemon)
    (known,) = daemon.meter.calls.all()
    renewed = renew(daemon.db, known, slice_s=30, now_us=0, seen_us=0)
    on_duty(daemon)
    (session,) = daemon.meter.calls.all()
    assert (session.granted_s, session.timer_seq) == (renewed.granted_s, known.timer_seq + 1)
    assert session.held_micros == renewed.held_micros > known.held_micros


def test_on_duty_again_it_tells_the_switch_and_looks_for_the_calls_that_another_let_in(
    made, on_duty, shell, monkeypatch, tmp_path
):
    said = link_to(SimSwitch(VirtualClock()), monkeypatch)
    asks(made())
    daemon = made(hook=ANY_PORT, journal=JournalSettings(path=str(tmp_path / "second")))
    monkeypatch.setattr(Link, "is_up", True)
    on_duty(daemon)
    gevent.sleep(0.05)
    assert any(command.startswith("global_setvar fsbilling_on_duty=") for command in said)
    (record,) = shell.json("cdr", "list")
    assert record["end_source"] == "estimate", "of a core that is gone"


def test_replaced_it_lets_nobody_in_and_forgets_its_calls(made, on_duty, tmp_path):
    daemon = made(hook=ANY_PORT)
    on_duty(daemon)
    asks(daemon)
    port = daemon._post._doors._hook.port
    assert listens(port)
    daemon._post.leave()
    on_duty(made(hook=ANY_PORT, journal=JournalSettings(path=str(tmp_path / "second"))))
    assert not daemon._post._duty.try_now()
    assert not daemon.meter.calls
    assert not listens(port)


def test_the_disk_is_waited_for_beside_the_loop(made, monkeypatch):
    """A disk that takes a second for a sync would hold up every call."""
    journal, waited_in = made()._journal, []
    for sync in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, sync, lambda _fd: waited_in.append(threading.get_ident()))
    journal.append(b"a finished call")
    assert waited_in
    assert threading.get_ident() not in waited_in
