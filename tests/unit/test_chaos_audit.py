"""The auditor of `make live-chaos` finds what it is there to find: each fault planted alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chaos.audit import Audit
from chaos.books import Books
from chaos.storm import Kind, forecast
from witness import Leg

S = 1_000_000
CENT = 10_000


def leg(**changes) -> Leg:
    """Four and a half seconds of acme's."""
    whole = Leg(
        uuid="a",
        direction="inbound",
        account="acme",
        call="a",
        called="13800138000",
        answered_us=100 * S,
        ended_us=104 * S + 500_000,
        cause="NORMAL_CLEARING",
        sip_cause="",
        variables={},
    )
    return replace(whole, **changes)


PAYING_LEG = leg()
CARRIER_LEG = leg(uuid="b", direction="outbound", account="")
CDR = {
    "uuid": "a",
    "core_uuid": "living",
    "account": "acme",
    "duration_us": 4_500_000,
    "billed_s": 5,
    "charge_micros": 5 * CENT,
    "waived_micros": 0,
    "hangup_cause": "NORMAL_CLEARING",
    "end_source": "event",
    "last_leg_uuid": "a",
}
PAID = {"code": "acme", "kind": "topup", "amount_micros": S, "ref": "first"}
CHARGED = {"code": "acme", "kind": "charge", "amount_micros": -5 * CENT, "ref": "lab/a"}
ACCOUNT = {
    "code": "acme",
    "balance_micros": S - 5 * CENT,
    "credit_limit_micros": 0,
    "held_micros": 0,
}


def breaches(
    *,
    estimated=(),
    legs=(PAYING_LEG, CARRIER_LEG),
    cdrs=(CDR,),
    entries=(PAID, CHARGED),
    account=ACCOUNT,
    holds=(),
):
    books = Books(
        accounts={"acme": account},
        cdrs=list(cdrs),
        refusals=[],
        entries=list(entries),
        holds=list(holds),
    )
    audit = Audit(
        books,
        {leg.uuid: leg for leg in legs},
        "living",
        {("acme", "first"): S},
        frozenset(estimated),
    )
    return [breach.partition(":")[0] for breach in audit.breaches()]


def test_books_that_are_as_the_switch_has_them_are_no_breach():
    assert breaches() == []


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ({"legs": (PAYING_LEG, CARRIER_LEG, leg(uuid="c", call="c"))}, "lost"),
        (
            {"legs": (PAYING_LEG, leg(uuid="d", direction="outbound", account="", call=""))},
            "free of charge",
        ),
        ({"legs": ()}, "made up"),
        ({"legs": (leg(ended_us=104 * S + 500_001), CARRIER_LEG)}, "different"),
        ({"legs": (leg(cause="USER_BUSY"), CARRIER_LEG)}, "different"),
        ({"legs": (leg(account="other"), CARRIER_LEG)}, "different"),
        ({"legs": (leg(account=""), CARRIER_LEG)}, "charged for nothing"),
        ({"cdrs": (CDR, CDR)}, "doubled"),
        ({"cdrs": (CDR | {"end_source": "estimate"},)}, "still an estimate"),
        ({"cdrs": (CDR | {"waived_micros": CENT},)}, "mispriced"),
        ({"cdrs": ()}, "charge without a CDR"),
        ({"entries": (PAID, CHARGED, CHARGED)}, "doubled"),
        ({"entries": (PAID,)}, "ledger"),
        ({"entries": (CHARGED,)}, "payment first"),
        ({"entries": (PAID, PAID, CHARGED)}, "payment first"),
        ({"holds": ({"uuid": "a"},)}, "hold left"),
        ({"account": ACCOUNT | {"held_micros": 1}}, "held"),
        ({"account": ACCOUNT | {"balance_micros": -1}}, "overspent"),
    ],
)
def test_each_planted_fault_is_found(planted, found):
    assert found in breaches(**planted)


def test_talk_of_more_than_a_second_beyond_what_was_paid_is_overspent():
    paid = {"charge_micros": 3 * CENT, "waived_micros": 2 * CENT}
    assert "overspent" in breaches(cdrs=(CDR | paid,))
    within = {"charge_micros": 4 * CENT, "waived_micros": CENT}
    assert "overspent" not in breaches(cdrs=(CDR | within,))


def test_a_call_that_was_estimated_first_may_be_waived_a_slice():
    waived = {"charge_micros": 0, "waived_micros": 5 * CENT}
    assert "overspent" not in breaches(estimated=("a",), cdrs=(CDR | waived,))


def test_a_call_that_was_transferred_ends_with_the_leg_that_its_cdr_names():
    followed = CDR | {"duration_us": 6_000_000, "billed_s": 6, "last_leg_uuid": "b"}
    last = leg(uuid="b", direction="outbound", account="", ended_us=106 * S)
    assert "different" not in breaches(legs=(PAYING_LEG, last), cdrs=(followed,))
    of_another = leg(uuid="b", direction="outbound", account="", call="c", ended_us=106 * S)
    assert "different" in breaches(legs=(PAYING_LEG, of_another), cdrs=(followed,))


def test_only_a_switch_that_was_killed_may_have_no_record_of_a_call():
    assert "made up" not in breaches(legs=(), cdrs=(CDR | {"core_uuid": "killed"},))


def test_the_same_seed_gives_the_same_blows_and_each_kind_comes_once_at_first():
    blows = forecast(17, 600)
    assert blows == forecast(17, 600)
    assert blows != forecast(18, 600)
    assert {blow.kind for blow in blows[: len(Kind)]} == set(Kind)
    assert max(blow.at_s for blow in blows) < 600
