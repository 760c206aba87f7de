"""Packages, bands, fees and increments on a real switch, against what it recorded itself."""

from __future__ import annotations

import time

from patience import wait_for
from phones import Dial
from witness import US_PER_S

CENT = 10_000
CUT_TOLERANCE_US = 300_000
LONG_CALL_S = 80


def test_money_begins_at_the_second_at_which_a_package_ends(billing, lab, phones, measured):
    billing.tariff_of("package", "price_per_min\n0.60\n", "[package]\nminutes = 1\n")
    billing.customer("package", "0.05", user="1013", tariff="package")
    call = phones.place([Dial("13800000000", user="1013", mode="wait")])
    wait_for(lambda: billing.live("package"), "the call lives")
    (usage,) = billing.account("package")["usage"]
    assert 0 < usage["included_held_s"] <= 60 - usage["included_left_s"]
    call.done(LONG_CALL_S)
    (cdr,) = billing.wait_for_cdrs("package", 1)
    off_us = _leg(lab, cdr).duration_us - 65 * US_PER_S
    measured("package of 60 s, then 5 s of money: off the last paid second", f"{off_us // 1000} ms")
    assert abs(off_us) <= CUT_TOLERANCE_US
    assert (cdr["billed_s"], cdr["included_s"], cdr["charge_micros"]) == (65, 60, 5 * CENT)
    assert (cdr["hung_up_by"], cdr["waived_micros"]) == ("credit", 0)
    (usage,) = billing.account("package")["usage"]
    assert (usage["included_s"], usage["included_held_s"], usage["included_left_s"]) == (60, 0, 0)
    billing.assert_ledger_adds_up("package")


def test_a_call_changes_its_price_at_the_second_of_a_band_s_edge(billing, lab, phones, measured):
    edge_s = (int(time.time()) + 14) // 60 * 60 + 60
    hours = [time.strftime("%H:%M", time.gmtime(at_s)) for at_s in (edge_s, edge_s + 1_800)]
    plan = f'time_zone = "UTC"\n[[band]]\nname = "dear"\nhours = ["{hours[0]}-{hours[1]}"]\n'
    billing.tariff_of("bands", "band,price_per_min\n*,0.60\ndear,1.20\n", plan)
    billing.customer("bands", "1.00", user="1014", tariff="bands")
    time.sleep(edge_s - 5 - time.time())
    phones.place([Dial("13800003990", user="1014", mode="wait")]).done()
    (cdr,) = billing.wait_for_cdrs("bands", 1)
    leg = _leg(lab, cdr)
    cheap_s = -((leg.answered_us - edge_s * US_PER_S) // US_PER_S)
    dear_s = leg.whole_seconds - cheap_s
    measured("band edge: seconds before and after", f"{cheap_s} and {dear_s}")
    assert min(cheap_s, dear_s) >= 2
    assert cdr["duration_us"] == leg.duration_us
    assert cdr["charge_micros"] == (cheap_s + 2 * dear_s) * CENT
    assert f"usage {cheap_s} s at 0.60/min" in cdr["explanation"]
    assert f"usage dear {dear_s} s at 1.20/min" in cdr["explanation"]
    billing.assert_ledger_adds_up("bands")


def test_a_connected_call_has_one_price_and_an_unanswered_one_none(billing, lab, phones):
    billing.tariff_of("calls", "price_per_min,per_call\n0,2.00\n")
    billing.customer("calls", "5.00", user="1015", tariff="calls")
    # The busy one first: each call's price is held from its start, and three are too many.
    for numbers in (["13800001000"], ["13800003030", "13800003400"]):
        phones.place([Dial(number, user="1015", mode="wait") for number in numbers]).done()
    cdrs = billing.wait_for_cdrs("calls", 3)
    answered = {cdr["uuid"]: _leg(lab, cdr).answered_us for cdr in cdrs}
    assert sorted(cdr["charge_micros"] for cdr in cdrs) == [0, 200 * CENT, 200 * CENT]
    assert all(bool(cdr["charge_micros"]) == bool(answered[cdr["uuid"]]) for cdr in cdrs)
    billing.assert_ledger_adds_up("calls")
    phones.place([Dial("13800003030", user="1015", mode="wait")]).done()
    (refused,) = wait_for(lambda: billing.cdrs("calls", refused=True), "the refusal's CDR")
    assert refused["refusal"] == "no_credit"


def test_by_60_60_a_call_ends_with_its_last_whole_minute_at_zero_credit(
    billing, lab, phones, measured
):
    table = "price_per_min,first_increment_s,next_increment_s\n0.60,60,60\n"
    billing.tariff_of("minutes", table)
    billing.customer("minutes", "0.60", user="1016", tariff="minutes")
    call = phones.place([Dial("13800000000", user="1016", mode="wait")])
    wait_for(lambda: billing.live("minutes"), "the call lives")
    assert billing.account("minutes")["free_micros"] == 0
    call.done(LONG_CALL_S)
    (cdr,) = billing.wait_for_cdrs("minutes", 1)
    off_us = _leg(lab, cdr).duration_us - 60 * US_PER_S
    measured("60/60 at zero credit: off the last paid second", f"{off_us // 1000} ms")
    assert abs(off_us) <= CUT_TOLERANCE_US
    assert (cdr["billed_s"], cdr["charge_micros"]) == (60, 60 * CENT)
    assert cdr["hung_up_by"] == "credit"
    billing.assert_ledger_adds_up("minutes")


def _leg(lab, cdr):
    """What mod_json_cdr wrote of the call."""
    return wait_for(lambda: lab.witness.leg(cdr["uuid"]), "its JSON CDR")
