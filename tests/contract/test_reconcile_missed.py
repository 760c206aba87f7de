"""A call of which nothing is left here is settled by the switch's own record, once."""

import json
from threading import Thread

import json_cdr
import msgspec
import pytest
from backup import Backup
from sqlalchemy import delete
from world import CENT_A_SECOND, REGIONS, SWITCH, S, World

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.reconcile import Kind, Reconciler
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import EndSource
from fsbilling.credit.limits import Limits
from fsbilling.rating.plan import LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.sim.plan import Outcome, Service, Transfer
from fsbilling.store import cdrs, entries, limits, regions
from fsbilling.store.schema import metadata
from fsbilling.switch.witness import Witness, read_path, record_paths

PLAN = NumberPlan(emergency=frozenset({"110", "119", "120", "122"}))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "json_cdr"
    folder.mkdir()
    return folder


@pytest.fixture
def world(db, folder):
    """A switch that writes what mod_json_cdr would."""
    world = World(db)
    json_cdr.record_legs(world, folder)
    world.open_for_business(credit="10.00")
    return world


def reconciler(world, *, apply=True, switch=SWITCH):
    book = TariffBook(world.db)
    book.refresh()
    return Reconciler(world.db, book, switch, world.clock, apply=apply, plan=PLAN)


def compared(world, folder, **options):
    comparison, found = reconciler(world, **options), []
    for path in record_paths([folder]):
        found += comparison.compare(path, read_path(path))
    return [*found, *comparison.missing_there()]


def forgotten(world, **plan):
    """A call that was let through, metered and settled, before SQL went back to a backup."""
    backup = Backup(world.db)
    uuid = world.call(**plan)
    world.run(60)
    (before,) = world.cdrs(uuid) or [None]
    backup.restore()
    return uuid, before


def change(folder, uuid, **variables):
    path = folder / f"{uuid}.cdr.json"
    record = json.loads(path.read_text())
    record["variables"] |= variables
    path.write_text(json.dumps(record))


def posted(world):
    with world.db.read() as conn:
        newest_first = entries.entries(conn, "acme", 100)
    return [(str(entry.kind), entry.amount_micros) for entry in reversed(newest_first)][1:]


def same(after, before):
    """Whether a call reads as it did before it was forgotten, but for how its end is known."""
    ours = {"end_source", "explanation", "used_s", "used_calls"}
    names = [name for name in before.__struct_fields__ if name not in ours]
    return {n: getattr(after, n) for n in names} == {n: getattr(before, n) for n in names}


@pytest.mark.parametrize("service", ["outbound", "400"])
def test_after_a_restored_backup_a_call_reads_as_it_did_and_is_charged_once(world, folder, service):
    with world.db.write() as conn:
        regions.replace_all(conn, REGIONS, source="test", as_of="2026", at_us=0)
    plan = {"talk_us": 12_345_678}
    if service == "400":
        plan |= {"caller": "075583765566", "callee": "4001234567", "variables": {}}
        plan |= {"service": Service.CALLED_PAYS}
    uuid, before = forgotten(world, **plan)
    (named,) = compared(world, folder, apply=False)
    assert (named.kind, named.applied, world.cdrs(uuid)) == (Kind.MISSING_HERE, False, [])
    (settled,) = compared(world, folder)
    assert (settled.kind, settled.applied, settled.here) == (
        Kind.MISSING_HERE,
        True,
        "charged 0.13",
    )
    after = world.cdr(uuid)
    assert same(after, before)
    assert after.end_source is EndSource.WITNESS
    assert after.explanation.startswith(before.explanation)
    assert "settled later from the switch's record" in after.explanation
    assert posted(world) == [("charge", -130_000)]
    assert compared(world, folder) == [], "a second time there is nothing to do"
    assert posted(world) == [("charge", -130_000)]
    assert (world.account().held_micros, world.account().live_calls) == (0, 0)
    assert world.ledger_faults() == []


def test_an_unanswered_call_gets_its_record_and_costs_nothing(world, folder):
    uuid, before = forgotten(world, outcome=Outcome.BUSY)
    (settled,) = compared(world, folder)
    assert settled.applied
    assert same(world.cdr(uuid), before)
    assert posted(world) == []


def test_never_more_is_charged_than_is_free_and_the_rest_is_waived_and_shown(world, folder):
    uuid, _ = forgotten(world, talk_us=20 * S)
    with world.db.write() as conn:
        entries.adjust(conn, "acme", amount_micros=-9_950_000, ref="out", note="", at_us=1)
    (settled,) = compared(world, folder)
    record = world.cdr(uuid)
    assert (record.charge_micros, record.waived_micros) == (50_000, 150_000)
    assert settled.here == "charged 0.05, waived 0.15"
    assert world.account().balance_micros == 0


def test_what_live_calls_hold_is_not_free(world, folder):
    uuid, _ = forgotten(world, talk_us=20 * S)
    with world.db.write() as conn:
        entries.adjust(conn, "acme", amount_micros=-9_800_000, ref="out", note="", at_us=1)
    world.call(talk_us=None)
    world.run(3)
    free_micros = world.account().free_micros
    assert 0 <= free_micros < 200_000
    compared(world, folder)
    assert world.cdr(uuid).charge_micros == free_micros
    assert world.account().free_micros == 0


def test_a_cap_counts_it_and_bounds_it(world, folder):
    with world.db.write() as conn:
        capped = Limits(daily_cap_micros=150_000)
        limits.set_limits(conn, "acme", capped, at_us=world.clock.now_us())
    uuid, _ = forgotten(world, talk_us=10 * S)
    second, _ = forgotten(world, talk_us=10 * S)
    compared(world, folder)
    records = [world.cdr(uuid), world.cdr(second)]
    assert sum(record.charge_micros for record in records) == 150_000
    assert sum(record.waived_micros for record in records) == 50_000


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"fsbilling_account": "nobody"}, "unknown_payer"),
        ({"fsbilling_account": "a%00"}, "unknown_payer"),
        ({"fsbilling_verdict": "refused"}, "not_let_through"),
        ({"fsbilling_verdict": ""}, "not_let_through"),
        ({"fsbilling_leg": "00000000-0000-4000-8000-000000000001"}, "asked_twice"),
        ({"start_uepoch": "0"}, "no_stamps"),
        ({"start_uepoch": "999999999999999999"}, "no_stamps"),
        ({"answer_uepoch": "999999999999999999"}, "no_stamps"),
        ({"fsbilling_number": "sip:evil", "fsbilling_service": "outbound"}, "bad_number"),
        ({"fsbilling_number": "120"}, "not_let_through"),
    ],
)
def test_what_cannot_be_charged_is_named_with_its_reason(world, folder, spoilt, reason):
    uuid, _ = forgotten(world)
    change(folder, uuid, **spoilt)
    (left,) = compared(world, folder)
    assert (left.kind, left.applied) == (Kind.MISSING_HERE, False)
    assert f"({reason}: " in left.there
    assert (world.cdrs(uuid), posted(world)) == ([], [])


def test_a_tariff_that_had_no_version_then_and_one_without_a_row_are_named(world, folder):
    uuid, _ = forgotten(world)
    change(folder, uuid, start_uepoch="1000000")
    with world.db.write() as conn:
        conn.execute(tariff_version().update().values(valid_from_us=2_000_000))
    (left,) = compared(world, folder)
    assert "(no_tariff: " in left.there
    world.change_tariff((Rate(destination="0755", rate_micros_per_min=1),))
    change(folder, uuid, start_uepoch=str(world.clock.now_us() - 60 * S))
    with world.db.write() as conn:
        conn.execute(tariff_version().update().values(valid_from_us=0))
    (left,) = compared(world, folder)
    assert "(no_rate: " in left.there
    assert (world.cdrs(uuid), posted(world)) == ([], [])


def tariff_version():
    return metadata.tables["tariff_version"]


def test_the_version_in_force_when_it_began_prices_it(world, folder):
    uuid, before = forgotten(world)
    with world.db.write() as conn:
        world.add_tariff(
            conn, (Rate(rate_micros_per_min=6_000_000),), valid_from_us=world.clock.now_us()
        )
    compared(world, folder)
    assert same(world.cdr(uuid), before)


def test_the_record_of_a_refused_attempt_gives_way_to_the_real_one(world, folder):
    refused = world.call(variables={})
    world.run(1)
    (attempt,) = world.cdrs(refused)
    assert attempt.refusal == "unknown_payer"
    assert compared(world, folder) == []
    uuid, before = forgotten(world)
    with world.db.write() as conn:
        assert cdrs.write(conn, msgspec.structs.replace(attempt, uuid=uuid))
    (named,) = compared(world, folder, apply=False)
    assert named.here == "refused: unknown_payer"
    (settled,) = compared(world, folder)
    assert settled.applied
    assert same(world.cdr(uuid), before)
    assert compared(world, folder) == []


def test_a_refused_attempt_that_was_never_let_through_stays(world, folder):
    """A dialler's call names its payer; the daemon refused it, and ended it before an answer."""
    uuid = world.call(variables={})
    world.run(20)
    change(folder, uuid, fsbilling_account="acme")
    assert compared(world, folder) == []
    assert world.cdr(uuid).refusal == "unknown_payer"


def test_package_and_level_count_it_like_a_new_call(world, folder):
    world.change_tariff((CENT_A_SECOND,), Plan(included_s=15))
    uuid, _ = forgotten(world, talk_us=10 * S)
    other = world.call(talk_us=8 * S)
    world.run(30)
    assert world.cdr(other).included_s == 8
    compared(world, folder)
    record, used = world.cdr(uuid), world.usage()
    assert (record.included_s, record.billed_s, record.charge_micros) == (7, 10, 30_000)
    assert (used.included_s, used.billed_s, used.calls) == (15, 18, 2)


def test_a_level_that_it_reaches_changes_the_calls_before(world, folder):
    rates = (CENT_A_SECOND, Rate(rate_micros_per_min=300_000, level_from=1))
    plan = Plan(levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME))
    world.change_tariff(rates, plan)
    first = world.call(talk_us=40 * S)
    world.run(60)
    uuid, _ = forgotten(world, talk_us=40 * S)
    compared(world, folder)
    assert world.cdr(uuid).used_s == 40
    assert posted(world) == [
        ("charge", -400_000),
        ("charge", -400_000),
        ("adjustment", 400_000),
    ]
    assert world.usage().billed_s == 80
    assert compared(world, folder) == []
    assert world.cdr(first).charge_micros == 400_000


def test_a_transferred_call_is_charged_to_the_end_of_the_leg_it_left_behind(world, folder):
    transfer = Transfer(after_us=5 * S, to="1002", talk_us=20 * S)
    uuid, before = forgotten(world, talk_us=None, transfer=transfer)
    assert before.last_leg_uuid != uuid
    compared(world, folder)
    after = world.cdr(uuid)
    assert same(after, before)
    assert after.billed_s == 25


def test_a_transferred_call_whose_other_leg_has_no_record_is_named(world, folder):
    transfer = Transfer(after_us=5 * S, to="1002", talk_us=20 * S)
    uuid, before = forgotten(world, talk_us=None, transfer=transfer)
    (folder / f"{before.last_leg_uuid}.cdr.json").unlink()
    (left,) = compared(world, folder)
    assert (left.applied, "(no_record: " in left.there) == (False, True)
    assert world.cdrs(uuid) == []


def test_a_dialler_s_own_leg_is_charged_to_the_account_it_named(world, folder):
    backup = Backup(world.db)
    variables = {"fsbilling_account": "acme"}
    uuid = world.call(service=Service.ORIGINATED, variables=variables)
    world.run(40)
    before = world.cdr(uuid)
    assert (before.direction, before.billed_s) == ("outbound", 10)
    backup.restore()
    (settled,) = compared(world, folder)
    assert settled.applied
    assert same(world.cdr(uuid), before)


def test_files_of_another_switch_charge_nobody_twice(world, folder):
    uuid = world.call()
    world.run(40)
    (left,) = compared(world, folder, switch="fs2")
    assert (left.applied, "(other_switch: " in left.there) == (False, True)
    assert "fs1" in left.there
    assert len(world.cdrs(uuid)) == 1


def test_a_call_that_another_switch_holds_credit_for_is_left(world, folder):
    uuid = world.call(talk_us=None)
    world.run(5)
    world.kill_daemon()
    world.sim.execute(f"uuid_kill {uuid} NORMAL_CLEARING")
    world.run(20)
    (left,) = compared(world, folder, switch="fs2")
    assert (left.applied, "(other_switch: " in left.there) == (False, True)
    assert len(world.holds()) == 1


def test_an_archived_record_is_not_settled_again(world, folder):
    """Its month was taken out of the table; its key stays (docs/sql-tables.md)."""
    uuid = world.call()
    world.run(40)
    with world.db.write() as conn:
        conn.execute(delete(metadata.tables["cdr"]))
    (left,) = compared(world, folder)
    assert (left.kind, left.applied) == (Kind.MISSING_HERE, False)
    assert "other_switch" not in left.there
    assert (world.cdrs(uuid), len(posted(world))) == ([], 1)


def test_a_call_that_a_menu_had_answered_is_charged_from_the_hook_s_answer_on(world, folder):
    uuid, before = forgotten(world, talk_us=10 * S)
    path = folder / f"{uuid}.cdr.json"
    said = {"app_name": "multiset", "app_data": "^^|fsbilling_verdict=allowed"}
    said["app_stamp"] = str(before.answered_us + 4 * S)
    record = json.loads(path.read_text()) | {"app_log": {"applications": [said]}}
    path.write_text(json.dumps(record))
    compared(world, folder)
    after = world.cdr(uuid)
    assert (after.answered_us, after.billed_s) == (before.answered_us + 4 * S, 6)
    assert compared(world, folder) == []


def test_a_call_that_a_menu_forwarded_is_charged_as_the_400_call_it_was(world, folder):
    """It asked the hook again, for a leg of its own; its record shows that one."""
    with world.db.write() as conn:
        regions.replace_all(conn, REGIONS, source="test", as_of="2026", at_us=0)
    uuid, before = forgotten(
        world,
        caller="075583765566",
        callee="4001234567",
        variables={},
        service=Service.CALLED_PAYS,
    )
    other = "00000000-0000-4000-8000-000000000001"
    runs = [
        ("set", "fsbilling_service=400"),
        ("set", "fsbilling_number=4001234567"),
        ("multiset", f"^^|fsbilling_verdict=allowed|fsbilling_account=acme|fsbilling_call={uuid}"),
        ("set", "fsbilling_service=outbound"),
        ("set", "fsbilling_number=13800138000"),
        ("set", f"fsbilling_leg={other}"),
        ("multiset", "^^|fsbilling_verdict=refused|fsbilling_reason=no_credit"),
    ]
    stamp = str(before.created_us + 1)
    applications = [{"app_name": a, "app_data": data, "app_stamp": stamp} for a, data in runs]
    path = folder / f"{uuid}.cdr.json"
    record = json.loads(path.read_text()) | {"app_log": {"applications": applications}}
    path.write_text(json.dumps(record))
    last = {"number": "13800138000", "service": "outbound", "leg": other, "verdict": "refused"}
    change(folder, uuid, **{f"fsbilling_{name}": value for name, value in last.items()})
    (settled,) = compared(world, folder)
    assert settled.applied, settled.there
    assert same(world.cdr(uuid), before)
    assert compared(world, folder) == []
    assert posted(world) == [("charge", -before.charge_micros)]


def test_of_two_that_settle_it_at_once_one_does(world, folder):
    uuid, _ = forgotten(world)
    path = folder / f"{uuid}.cdr.json"
    found = []
    both = [reconciler(world) for _ in range(2)]
    threads = [
        Thread(target=lambda one=one: found.extend(one.compare(path, read_path(path))))
        for one in both
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(difference.applied for difference in found) == 1
    assert posted(world) == [("charge", -100_000)]


def test_what_a_caller_can_write_picks_no_payer(world, folder):
    """A SIP header is another variable, whatever is in it."""
    uuid = world.call(variables={"sip_h_X-fsbilling_account": "acme"})
    world.run(20)
    change(folder, uuid, **{"sip_h_X-fsbilling_verdict": "allowed", "answer_uepoch": "1"})
    assert compared(world, folder) == []
    assert posted(world) == []


def test_who_was_called_first_and_when_the_hook_said_yes_is_read_from_the_record(folder):
    uuid = "00000000-0000-4000-8000-000000000001"
    record = {
        "variables": {"uuid": uuid},
        "callflow": [
            {"caller_profile": {"caller_id_number": "2", "destination_number": "menu"}},
            {"caller_profile": {"caller_id_number": "1", "destination_number": "4001234567"}},
        ],
        "app_log": {
            "applications": [
                {"app_name": "set", "app_data": "fsbilling_verdict=allowed", "app_stamp": "1"},
                {
                    "app_name": "multiset",
                    "app_data": "^^|fsbilling_verdict=allowed|fsbilling_account=acme",
                    "app_stamp": "1795299026879165",
                },
            ]
        },
    }
    (folder / f"{uuid}.cdr.json").write_text(json.dumps(record))
    leg = Witness(folder).find(uuid)
    assert (leg.caller_number, leg.destination_number) == ("1", "4001234567")
    (answer,) = leg.hook_answers
    assert (answer.at_us, answer.verdict) == (1795299026879165, "allowed")
    assert answer.variables["fsbilling_account"] == "acme"
