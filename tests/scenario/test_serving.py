"""What `fsbilling serve` goes on doing by itself, while its switches and SQL are well or not.

The process of production on real TCP; each test fails when the daemon drops the one thing.
"""

import socket

import gevent
import pytest
from commands import Commands
from daemons import wait_until
from fuzz.hostile import connection, introduce
from switch_room import SwitchRoom, kill, unreachable

from fsbilling.calls.cdr import EndSource, HungUpBy
from fsbilling.clock import US_PER_S
from fsbilling.sim.plan import CallPlan, Service

LEG = "11111111-1111-4111-8111-111111111111"
SHANGHAI = "02161234567"
REGIONS = "prefix,area_code,city,province\n"
RATES = "origin,destination,price_per_min\n"


@pytest.fixture
def office(tmp_path, sqlite_url):
    office = Commands(sqlite_url)
    office.open_for_business(tmp_path)
    office.do("line", "add", "user:1001", "--account", "acme")
    return office


@pytest.fixture
def build(office, tmp_path):
    """Make the switches; with no names, one."""
    rooms = []

    def build(*names):
        rooms.append(SwitchRoom(tmp_path, office.url, names or ("fs1",)))
        return rooms[-1]

    yield build
    for room in rooms:
        room.end()


@pytest.fixture
def room(build):
    return build()


def talked_us(hangup):
    return int(hangup["Caller-Channel-Hangup-Time"]) - int(hangup["Caller-Channel-Answered-Time"])


def test_a_hangup_that_was_lost_is_found_by_the_next_round_and_billed_by_the_switchs_record(room):
    room.serve(poll_s=5)
    uuid = room.call()
    room.wait_for_answer(uuid)
    gevent.sleep(1.5)
    hangup = room.hang_up_unheard(uuid)
    room.record("fs1", hangup)
    cdr = room.cdr(uuid)
    assert (cdr.end_source, cdr.duration_us) == (EndSource.WITNESS, talked_us(hangup))


def test_what_ends_while_the_link_is_down_is_found_when_it_is_up_and_no_silence_is_billed(room):
    """Each renewal notes the last sign of life: none after the link was lost is this call's."""
    daemon = room.serve(slice_s=2, first_slice_s=4, renew_lead_s=1)
    uuid = room.call()
    room.wait_for_answer(uuid)
    gevent.sleep(1)
    with unreachable(room.switch):
        hangup = room.hang_up_unheard(uuid)
        gevent.sleep(3)
    room.wait_for_links(daemon, times=2)
    cdr = room.cdr(uuid)
    assert cdr.end_source is EndSource.ESTIMATE
    assert cdr.duration_us <= talked_us(hangup)


def test_a_call_that_was_renewed_while_the_link_was_down_keeps_its_seconds(room):
    """SQL had paid for them; the switch, which was not told, would end the call at 8 s."""
    daemon = room.serve(first_slice_s=8, slice_s=20, renew_lead_s=4)
    uuid = room.call()
    room.wait_for_answer(uuid)
    gevent.sleep(2.5)
    with unreachable(room.switch):
        wait_until(lambda: room.hold(uuid).granted_s > 8, "the renewal", 3)
    room.wait_for_links(daemon, times=2)
    gevent.sleep(5)
    assert uuid in room.switch.switch.channels


def test_what_ended_while_no_daemon_was_there_is_found_at_its_start(room):
    daemon = room.serve()
    uuid = room.call()
    room.wait_for_answer(uuid)
    kill(daemon)
    room.hang_up_unheard(uuid)
    room.serve()
    assert room.cdr(uuid).end_source is EndSource.ESTIMATE


def test_a_quiet_switch_is_asked_for_a_sign_of_life_that_an_estimate_goes_by(room):
    """The renewal 8 s into the call notes the pulse of at most 5 s before."""
    daemon = room.serve(first_slice_s=10)
    uuid = room.call()
    room.wait_for_answer(uuid)
    wait_until(lambda: room.hold(uuid).granted_s > 10, "the renewal", 12)
    kill(daemon)
    room.switch.restart()
    room.serve()
    cdr = room.cdr(uuid)
    assert cdr.end_source is EndSource.ESTIMATE
    assert cdr.duration_us >= 2 * US_PER_S


def test_a_diallers_call_that_began_while_nobody_listened_is_held_when_the_link_is_up(room):
    daemon = room.serve()
    plan = CallPlan(
        caller="1001",
        callee="13800138000",
        service=Service.ORIGINATED,
        ring_us=0,
        talk_us=None,
        variables={"fsbilling_account": "acme"},
    )
    with unreachable(room.switch):
        uuid = room.switch.place(plan)
        gevent.sleep(1)
        assert room.hold(uuid) is None
    room.wait_for_links(daemon, times=2)
    wait_until(lambda: room.hold(uuid), "its hold", 5)


def test_a_channel_that_lives_and_did_not_take_its_answer_is_looked_at_soon(room, office):
    """Else its hold sets credit aside until the next regular round."""
    office.do("number", "add", "4001234567", "--account", "acme", "--target", "user/1001")
    room.serve()
    room.switch.execute(f"originate {{origination_uuid={LEG}}}loopback/1000/public &park()")
    with connection(room.hook_port) as sock:
        introduce(sock, LEG)
        wait_until(lambda: room.hold(LEG), "its hold")
    assert room.cdr(LEG, within_s=8).charge_micros == 0
    assert LEG in room.switch.switch.channels


def test_each_switch_has_its_own_link_rounds_and_calls(build):
    room = build("fs1", "fs2")
    room.serve(poll_s=5)
    gevent.sleep(0.5)  # by then each is known by its core
    first, second = room.call("fs1"), room.call("fs2", talk_s=3)
    room.wait_for_answer(first)
    room.wait_for_answer(second)
    hangup = room.hang_up_unheard(first)
    room.record("fs1", hangup)
    heard, found = room.cdr(second), room.cdr(first)
    assert (heard.switch, heard.end_source, heard.billed_s) == ("fs2", EndSource.EVENT, 3)
    assert (found.switch, found.end_source) == ("fs1", EndSource.WITNESS)
    assert found.duration_us == talked_us(hangup)


def test_prices_by_region_are_known_from_the_start_and_reread_at_sighup(room, office, tmp_path):
    table = tmp_path / "regions.csv"
    table.write_text(f"{REGIONS}021,021,上海,上海\n")
    office.do("regions", "import", table)
    rates = tmp_path / "near.csv"
    rates.write_text(f"{RATES}*,area:021,0.30\n*,*,0.60\n")
    office.do("rates", "import", "std", rates, "--from", "2026-01-02")
    daemon = room.serve()
    assert price_per_min(room, SHANGHAI) == 300_000
    table.write_text(f"{REGIONS}010,010,北京,北京\n")
    office.do("regions", "import", table)
    room.reconfigure(daemon)
    assert price_per_min(room, SHANGHAI) == 600_000


def test_slices_are_as_long_as_it_says_and_another_length_is_taken_over_at_sighup(room):
    daemon = room.serve(first_slice_s=3, slice_s=4, renew_lead_s=1)
    uuid = room.call()
    wait_until(lambda: room.hold(uuid), "the hold")
    assert room.hold(uuid).granted_s == 3
    wait_until(lambda: room.hold(uuid).granted_s > 3, "a renewal")
    assert room.hold(uuid).granted_s == 3 + 4
    room.reconfigure(daemon, first_slice_s=5, slice_s=60, renew_lead_s=1)
    wait_until(lambda: room.hold(uuid).granted_s > 3 + 4, "another renewal")
    assert room.hold(uuid).granted_s == 3 + 4 + 60
    begun_since = room.call()
    wait_until(lambda: room.hold(begun_since), "its hold")
    assert room.hold(begun_since).granted_s == 5


def test_the_switch_is_told_who_works_by_each_daemon_and_anew_when_it_has_restarted(room):
    """Without SQL it is the only one to know (docs/adr/0017)."""
    first = room.serve()
    told = who_works(room)
    room.switch.restart()
    room.wait_for_links(first, times=2)
    assert who_works(room) == told
    kill(first)
    room.serve()
    wait_until(lambda: who_works(room) != told, "the second daemon's word", 5)


def who_works(room):
    known = room.switch.switch.globals
    wait_until(lambda: "fsbilling_on_duty" in known, "who works", 5)
    return known["fsbilling_on_duty"]


def test_a_new_price_reaches_the_next_call_within_seconds(room, office, tmp_path):
    room.serve()
    assert price_per_min(room) == 600_000
    rates = tmp_path / "dear.csv"
    rates.write_text(f"{RATES}*,*,0.90\n")
    office.do("rates", "import", "std", rates, "--from", "2026-01-02")
    wait_until(lambda: price_per_min(room) == 900_000, "the new price", 8)


def test_a_suspension_ends_a_live_call_within_seconds(room, office):
    room.serve()
    uuid = room.call()
    room.wait_for_answer(uuid)
    office.do("account", "suspend", "acme")
    assert room.cdr(uuid, within_s=4).hung_up_by is HungUpBy.OPERATOR


def test_the_payer_hears_the_sound_of_this_site_before_the_credit_ends(room, office, tmp_path):
    rates = tmp_path / "dear.csv"
    rates.write_text(f"{RATES}*,*,120\n")
    office.do("rates", "import", "std", rates, "--from", "2026-01-02")
    heard = []
    room.switch.switch.execute = overhear(room.switch.switch, heard)
    room.serve(warn_before_s=3, warn_sound="ding.wav")
    uuid = room.call()
    assert room.cdr(uuid).hung_up_by is HungUpBy.CREDIT
    (played,) = [said for said in heard if said.startswith("uuid_displace")]
    assert played.startswith(f"uuid_displace {uuid} start ding.wav ")


def overhear(model, heard):
    """Note each command that the switch is told."""
    execute = model.execute

    def executed(command):
        heard.append(command)
        return execute(command)

    return executed


def test_a_service_manager_is_told_that_it_started_works_and_lives(room, tmp_path, monkeypatch):
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        room.serve()
        told = [manager.recv(100) for _ in range(6)]
    assert {b"READY=1", b"STATUS=on duty"} < set(told)
    assert told.count(b"WATCHDOG=1") > 1


def price_per_min(room, callee="13800138000"):
    """What a call that begins now is priced at."""
    return room.cdr(room.call(callee=callee, talk_s=0)).price_micros_per_min
