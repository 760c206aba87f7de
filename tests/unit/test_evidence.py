"""What the switch's record proves of a leg, and what it does not."""

import json

import pytest

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.evidence import read_evidence
from fsbilling.errors import Refused
from fsbilling.switch.witness import Witness, read_path

S = 1_000_000
T0 = 1_795_299_000 * S
A = "00000000-0000-4000-8000-00000000000a"
B = "00000000-0000-4000-8000-00000000000b"
PLAN = NumberPlan(emergency=frozenset({"110"}))


def answer(at_us, verdict="allowed"):
    data = f"^^|fsbilling_verdict={verdict}|fsbilling_account=acme"
    return {"app_name": "multiset", "app_data": data, "app_stamp": str(at_us)}


def leg(folder, uuid=A, *, answers=(), caller="1001", callee="13800138000", **variables):
    record = {
        "core-uuid": "c",
        "variables": {
            "uuid": uuid,
            "direction": "inbound",
            "start_uepoch": str(T0),
            "answer_uepoch": str(T0 + 2 * S),
            "end_uepoch": str(T0 + 20 * S),
            "fsbilling_verdict": "allowed",
            "fsbilling_account": "acme",
            "fsbilling_call": uuid,
            "fsbilling_service": "outbound",
            "fsbilling_number": "13800138000",
        }
        | variables,
        "app_log": {"applications": list(answers)},
        "callflow": [
            {"caller_profile": {"caller_id_number": caller, "destination_number": callee}}
        ],
    }
    path = folder / f"{uuid}.cdr.json"
    path.write_text(json.dumps(record))
    return path


def carrier_leg(folder, **variables):
    """A leg that the dialplan billed by itself: the channel before it had been answered."""
    own = {"direction": "outbound", "fsbilling_verdict": "", "fsbilling_number": ""}
    return leg(folder, B, caller="02088888888", originator=A, **(own | variables))


def read(folder, path):
    return read_evidence(read_path(path), Witness(folder), switch="fs1", plan=PLAN)


def test_a_leg_is_read_as_the_hook_read_it(tmp_path):
    path = leg(tmp_path, answers=[answer(T0 + S)], effective_caller_id_number="02012345678")
    attempt = read(tmp_path, path)
    assert (attempt.account, attempt.service, attempt.uuid) == ("acme", "outbound", A)
    assert (attempt.caller.dialled, attempt.callee.digits) == ("1001", "8613800138000")
    assert attempt.rated_caller.dialled == "02012345678"
    assert attempt.talks_since_us == 0


def test_a_leg_that_a_menu_had_answered_is_paid_for_from_the_hook_s_answer_on(tmp_path):
    path = leg(tmp_path, answers=[answer(T0 + 7 * S)])
    assert read(tmp_path, path).talks_since_us == T0 + 7 * S


def test_an_answer_that_only_seems_to_come_before_the_hook_s_is_the_answer(tmp_path):
    """Of a real record: the clock of channel times lags that of applications by some ms."""
    path = leg(tmp_path, answers=[answer(T0 + 2 * S + 16_000)])
    assert read(tmp_path, path).talks_since_us == 0


def test_a_refusal_before_the_yes_changes_nothing(tmp_path):
    path = leg(tmp_path, answers=[answer(T0, "refused"), answer(T0 + S)])
    assert read(tmp_path, path).account == "acme"


@pytest.mark.parametrize(
    "answers",
    [
        [answer(T0), answer(T0 + 9 * S)],
        [answer(T0), answer(T0 + 9 * S, "refused")],
    ],
)
def test_a_leg_that_asked_again_shows_the_last_call_only(tmp_path, answers):
    refused = read(tmp_path, leg(tmp_path, answers=answers))
    assert isinstance(refused, Refused)
    assert refused.reason == "asked_twice"


def test_a_carrier_leg_is_priced_by_what_the_channel_before_it_asked_for(tmp_path):
    leg(tmp_path, fsbilling_leg=B, effective_caller_id_number="02012345678", fsbilling_account="")
    attempt = read(tmp_path, carrier_leg(tmp_path))
    assert (attempt.uuid, attempt.direction, attempt.account) == (B, "outbound", "acme")
    assert (attempt.caller.dialled, attempt.callee.digits) == ("1001", "8613800138000")
    assert attempt.rated_caller.dialled == "02012345678", "not what the carrier was shown"


def test_a_carrier_leg_whose_asker_has_no_record_is_left(tmp_path):
    refused = read(tmp_path, carrier_leg(tmp_path))
    assert isinstance(refused, Refused)
    assert refused.reason == "no_record"


@pytest.mark.parametrize(
    "variables",
    [
        {"fsbilling_account": ""},
        {"fsbilling_verdict": ""},
        {"fsbilling_verdict": "unavailable"},
        {"fsbilling_account": "", "sip_h_X-fsbilling_account": "acme"},
        {"fsbilling_verdict": "", "sip_h_fsbilling_verdict": "allowed"},
        {"fsbilling_verdict": "", "direction": "outbound", "fsbilling_call": ""},
        {"fsbilling_verdict": "", "direction": "outbound", "fsbilling_call": B},
    ],
)
def test_without_the_daemon_s_own_yes_nobody_pays(tmp_path, variables):
    refused = read(tmp_path, leg(tmp_path, **variables))
    assert isinstance(refused, Refused)
    assert refused.reason == "not_let_through"
