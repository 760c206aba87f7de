"""What `fsbilling serve` tells and takes over while it runs: settings, prices, its own state.

The process of production on real TCP; each test fails when the daemon drops the one thing.
"""

import socket

from daemons import wait_until
from switch_room import kill, unreachable

from fsbilling.calls.cdr import HungUpBy

SHANGHAI = "02161234567"
REGIONS = "prefix,area_code,city,province\n"
RATES = "origin,destination,price_per_min\n"


def test_its_status_tells_who_works_what_is_linked_and_how_many_calls_live(room):
    room.serve()

    def tells(**facts):
        wait_until(
            lambda: all(getattr(room.status(), name, None) == fact for name, fact in facts.items()),
            str(facts),
            5,
        )

    tells(on_duty=True, switches={"fs1": True}, live_calls=0)
    room.call()
    tells(live_calls=1)
    with unreachable(room.switch):
        tells(on_duty=True, switches={"fs1": False}, live_calls=1)


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
