"""Transfers: billing follows the carrier leg; whoever transfers pays for what it starts."""

from __future__ import annotations

import pytest
from patience import wait_for
from phones import CARRIER_HOST, Dial
from witness import US_PER_S

USER = "1010"


@pytest.fixture
def payer(billing, request):
    """A customer of this test alone; for its time the line of user 1010 is his."""
    code = f"transfers-{request.node.name.removeprefix('test_')[:40]}"
    billing.customer(code, "5", user=USER)
    yield code
    billing.commands.do("line", "remove", f"user:{USER}")


def _leg(lab, uuid: str):
    return wait_for(lambda: lab.witness.leg(uuid), f"the JSON CDR of {uuid}")


def _carrier_leg(lab, cdr: dict):
    """The carrier leg that a call paid for."""
    return wait_for(
        lambda: [
            leg
            for leg in lab.witness.called(cdr["callee_dialled"])
            if leg.call == cdr["uuid"] != leg.uuid
        ],
        "the carrier leg's JSON CDR",
    )[0]


def _transfers(phones, number: str, refer_to: str, **more):
    return phones.place(
        [Dial(number, user=USER, mode=refer_to, ms=600)],
        scenario="caller-transfers.xml",
        **more,
    )


def test_a_customer_s_blind_transfer_is_billed_to_the_end_of_the_carrier_leg(
    billing, lab, phones, payer, measured
):
    _transfers(phones, "13400003250", "sip:agent0000@127.0.0.1").done()
    lab.wait_until_idle()
    (cdr,) = billing.wait_for_cdrs(payer, 1)
    carrier = _carrier_leg(lab, cdr)
    assert cdr["last_leg_uuid"] == carrier.uuid
    assert cdr["ended_us"] == carrier.ended_us
    assert cdr["duration_us"] > 2 * US_PER_S > _leg(lab, cdr["uuid"]).duration_us
    measured(
        "blind transfer: billed / the payer's own leg",
        f"{cdr['duration_us'] / US_PER_S:.2f} s / "
        f"{_leg(lab, cdr['uuid']).duration_us / US_PER_S:.2f} s",
    )
    billing.assert_ledger_adds_up(payer)


def test_a_blind_transfer_to_an_outside_number_is_two_billed_legs(billing, lab, phones, payer):
    _transfers(phones, "13400003250", "sip:13500000000@127.0.0.1").done()
    lab.wait_until_idle()
    cdrs = {cdr["callee_dialled"]: cdr for cdr in billing.wait_for_cdrs(payer, 2)}
    first, second = cdrs["13400003250"], cdrs["13500000000"]
    assert first["last_leg_uuid"] == _carrier_leg(lab, first).uuid
    leg = _leg(lab, second["uuid"])
    assert (leg.called, leg.direction) == ("13500000000", "outbound")
    assert (second["duration_us"], second["billed_s"]) == (leg.duration_us, leg.whole_seconds)
    assert first["duration_us"] > second["duration_us"] > US_PER_S
    billing.assert_ledger_adds_up(payer)


def test_an_attended_transfer_bills_both_carrier_legs_to_their_end(
    billing, lab, phones, payer, measured
):
    consult = phones.place(
        [Dial("13400000010", user=USER, mode="wait")], call_id="consult-1@127.0.0.1"
    )
    wait_for(lambda: billing.live(payer), "the consultation call")
    refer_to = (
        "sip:13400000010@127.0.0.1?Replaces=consult-1%40127.0.0.1%3Bto-tag%3Dx%3Bfrom-tag%3Dy"
    )
    main = _transfers(phones, "13400003300", refer_to)
    main.done()
    consult.done()
    lab.wait_until_idle()
    cdrs = billing.wait_for_cdrs(payer, 2)
    for cdr in cdrs:
        carrier = _carrier_leg(lab, cdr)
        own = _leg(lab, cdr["uuid"])
        assert (cdr["last_leg_uuid"], cdr["ended_us"]) == (carrier.uuid, carrier.ended_us)
        assert cdr["duration_us"] > own.duration_us + US_PER_S
        measured(
            "attended transfer: billed / the payer's own leg",
            f"{cdr['duration_us'] / US_PER_S:.2f} s / {own.duration_us / US_PER_S:.2f} s",
        )
    billing.assert_ledger_adds_up(payer)


def test_a_transfer_while_it_rings_bills_the_carrier_leg_from_its_answer(
    billing, lab, phones, payer
):
    consult = phones.place(
        [Dial("13400000150", user=USER, mode="wait")], call_id="consult-2@127.0.0.1"
    )
    wait_for(lambda: billing.live(payer), "the consultation call")
    refer_to = (
        "sip:13400000150@127.0.0.1?Replaces=consult-2%40127.0.0.1%3Bto-tag%3Dx%3Bfrom-tag%3Dy"
    )
    _transfers(phones, "13400003400", refer_to).done()
    lab.wait_until_idle()
    consult.stop()
    cdrs = {cdr["callee_dialled"]: cdr for cdr in billing.wait_for_cdrs(payer, 2)}
    late = cdrs["13400000150"]
    carrier = _carrier_leg(lab, late)
    assert _leg(lab, late["uuid"]).answered_us == 0
    assert (late["last_leg_uuid"], late["duration_us"]) == (carrier.uuid, carrier.duration_us)
    assert late["billed_s"] == carrier.whole_seconds > 1
    billing.assert_ledger_adds_up(payer)


def test_an_agent_s_blind_transfer_keeps_billing_the_caller_s_leg(billing, lab, phones, payer):
    cdr = _agent_transfers(
        billing, lab, phones, payer=payer, number="4004000001", refer_to="sip:agent0000@127.0.0.1"
    )
    leg = _leg(lab, cdr["uuid"])
    assert (cdr["service"], cdr["duration_us"]) == ("400", leg.duration_us)
    assert leg.duration_us > 2 * US_PER_S
    assert len(billing.cdrs(payer)) == 1
    billing.assert_ledger_adds_up(payer)


def test_an_agent_s_transfer_to_a_mobile_is_paid_by_the_company(billing, lab, phones, payer):
    mobile = "sip:13500000000@127.0.0.1"
    _agent_transfers(
        billing, lab, phones, payer=payer, number="4004000002", refer_to=mobile, legs=2
    )
    cdrs = {cdr["service"]: cdr for cdr in billing.cdrs(payer)}
    assert cdrs["outbound"]["callee_dialled"] == "13500000000"
    leg = _leg(lab, cdrs["outbound"]["uuid"])
    assert cdrs["outbound"]["duration_us"] == leg.duration_us > US_PER_S
    assert cdrs["400"]["duration_us"] > leg.duration_us
    billing.assert_ledger_adds_up(payer)


def _agent_transfers(billing, lab, phones, *, payer, number, refer_to, legs=1) -> dict:
    agent = phones.transferring_agent(refer_to, 600)
    billing.number(number, payer, f"sofia/lab/agent@{CARRIER_HOST}:{agent.port}")
    phones.place([Dial(number, shown="13900000001", ms=2_500)], host=CARRIER_HOST).done()
    agent.done()
    lab.wait_until_idle()
    return billing.wait_for_cdrs(payer, legs)[0]


def test_a_caller_to_a_400_number_cannot_transfer_the_company_s_leg(billing, lab, phones, payer):
    target = f"sofia/lab/agent0000@{CARRIER_HOST}:{lab.carrier_port}"
    billing.number("4004000003", payer, target)
    before = len(lab.witness.called("13500000000"))
    phones.place(
        [Dial("4004000003", shown="139", mode="sip:13500000000@127.0.0.1", ms=500)],
        host=CARRIER_HOST,
        scenario="caller-transfers.xml",
    ).done()
    lab.wait_until_idle()
    (cdr,) = billing.wait_for_cdrs(payer, 1)
    assert cdr["service"] == "400"
    assert len(lab.witness.called("13500000000")) == before


def test_a_refer_around_the_dialplan_buys_no_free_leg(billing, lab, phones, payer):
    stray = f"sip:13500000100@{CARRIER_HOST}:{lab.carrier_port}"
    refer_to = f"{stray}?Replaces=nobody%40127.0.0.1%3Bto-tag%3Dx%3Bfrom-tag%3Dy"
    before = len(lab.witness.called("13500000100"))
    call = _transfers(phones, "13400003300", refer_to)
    wait_for(lambda: len(lab.witness.called("13500000100")) > before, "the stray leg's JSON CDR")
    assert lab.witness.called("13500000100")[-1].answered_us == 0
    call.stop()
