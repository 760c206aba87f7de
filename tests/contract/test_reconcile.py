"""What the switch's own records say is compared, named, and put right once."""

import json
import os
from pathlib import Path

import json_cdr
import pytest
from commands import Commands
from world import CENT_A_SECOND, SWITCH, S, World

from fsbilling.billing.reconcile import Kind, Reconciler
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import EndSource
from fsbilling.rating.plan import LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.sim.plan import Transfer
from fsbilling.store import entries, revisions
from fsbilling.switch.witness import read_path, record_paths

RECORDING = Path(__file__).parents[1] / "recordings" / "json_cdr-inbound.json"


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


def compared(world, folder, **options):
    reconciler = Reconciler(world.db, TariffBook(world.db), SWITCH, world.clock, **options)
    found = []
    for path in record_paths([folder]):
        found += reconciler.compare(path, read_path(path))
    return [*found, *reconciler.missing_there()], reconciler.legs


def posted(world):
    with world.db.read() as conn:
        newest_first = entries.entries(conn, "acme", 100)
    return [(str(entry.kind), entry.amount_micros) for entry in reversed(newest_first)][1:]


def test_calls_that_agree_are_no_difference(world, folder):
    for plan in ({}, {"hung_up_by": "callee"}, {"talk_us": 3 * S + 1}):
        world.call(**plan)
    world.call_400()
    world.run(60)
    assert compared(world, folder) == ([], 4)


def test_a_refused_call_is_not_a_billed_leg(world, folder):
    world.call(variables={})
    world.run(30)
    assert compared(world, folder) == ([], 0)


def test_a_transferred_call_is_compared_with_the_leg_that_ended_it(world, folder):
    world.call(talk_us=None, transfer=Transfer(after_us=5 * S, to="1002", talk_us=20 * S))
    world.run(90)
    assert compared(world, folder) == ([], 1)


def estimated(world):
    """A call that the daemon had to end by its last sign of life: it talked for 25 s."""
    uuid = world.call(talk_us=25 * S)
    world.run(18)
    world.link_is_up = False
    world.run(30)
    world.link_is_up = True
    world.daemon.sweep(take_up=True)
    world.run(3)
    world.daemon.sweep()
    world.run(20)
    record = world.cdr(uuid)
    assert record.end_source is EndSource.ESTIMATE
    return uuid, record


def test_an_estimate_is_named_and_left_as_it_is_without_apply(world, folder):
    uuid, before = estimated(world)
    (difference,), _ = compared(world, folder)
    assert (difference.kind, difference.uuid, difference.applied) == (Kind.ESTIMATE, uuid, False)
    assert difference.there == "25.000000 s"
    assert world.cdr(uuid) == before


def test_an_estimate_becomes_exact_by_linked_entries_and_keeps_what_it_was(world, folder):
    uuid, before = estimated(world)
    (difference,), _ = compared(world, folder, apply=True)
    assert difference.applied
    after = world.cdr(uuid)
    assert (after.end_source, after.ended_us) == (
        EndSource.WITNESS,
        after.answered_us + after.duration_us,
    )
    assert after.charge_micros > before.charge_micros
    with world.db.read() as conn:
        (kept,) = revisions.history(conn, SWITCH, uuid)
    assert (kept.billed_s, kept.explanation) == (before.billed_s, before.explanation)
    assert posted(world) == [
        ("charge", -before.charge_micros),
        ("reversal", before.charge_micros),
        ("charge", -after.charge_micros),
    ]
    assert world.account().balance_micros == 10_000_000 - after.charge_micros
    assert compared(world, folder, apply=True) == ([], 1), "a second time there is nothing to do"
    assert len(posted(world)) == 3
    assert world.ledger_faults() == []


def test_an_exact_end_counts_for_the_month_and_takes_no_more_of_the_package(world, folder):
    world.change_tariff((CENT_A_SECOND,), Plan(included_s=10))
    uuid, before = estimated(world)
    (difference,), _ = compared(world, folder, apply=True)
    assert difference.applied
    after, used = world.cdr(uuid), world.usage()
    assert (after.billed_s, after.included_s, after.charge_micros) == (25, 10, 150_000)
    assert after.billed_s > before.billed_s
    assert (used.billed_s, used.calls, used.included_s) == (25, 1, 10)
    assert world.ledger_faults() == []


def test_an_exact_end_is_counted_even_where_the_estimate_was_not(world, folder):
    uuid = world.call(talk_us=25 * S)
    world.run(1)
    world.link_is_up = False
    world.daemon.meter.lost(SWITCH)
    world.run(40)
    world.link_is_up = True
    world.daemon.sweep(take_up=True)
    world.run(3)
    world.daemon.sweep()
    assert (world.cdr(uuid).billed_s, world.usage().calls) == (0, 0)
    compared(world, folder, apply=True)
    world.run(20)
    compared(world, folder, apply=True)
    record, used = world.cdr(uuid), world.usage()
    assert (used.billed_s, used.calls) == (record.billed_s, 1)
    assert record.billed_s > 0


def a_level_from_one_minute(world, micros):
    """The estimate to come is billed below the level, its exact end above."""
    plan = Plan(levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME))
    world.change_tariff((CENT_A_SECOND, Rate(rate_micros_per_min=micros, level_from=1)), plan)
    world.call(talk_us=40 * S)
    world.run(50)


def test_an_exact_end_that_reaches_a_level_brings_the_month_to_it(world, folder):
    a_level_from_one_minute(world, 300_000)
    uuid, _ = estimated(world)
    (difference,), _ = compared(world, folder, apply=True)
    assert difference.applied
    assert world.cdr(uuid).billed_s == 25
    assert world.account().balance_micros == 10_000_000 - 65 * 5_000
    assert compared(world, folder, apply=True) == ([], 2)
    assert world.ledger_faults() == []


def test_a_month_that_had_to_wait_is_told_with_its_call(world, folder):
    a_level_from_one_minute(world, 60_000_000)
    uuid, _ = estimated(world)
    (difference,), _ = compared(world, folder, apply=True)
    assert not difference.applied
    assert "put right, but not its month: no_credit: 64.35 more is not free" in difference.there
    assert world.cdr(uuid).end_source is EndSource.WITNESS
    assert world.account().balance_micros == 10_000_000 - 65 * 10_000


def test_a_correction_never_charges_more_than_is_free(world, folder):
    uuid, before = estimated(world)
    with world.db.write() as conn:
        entries.adjust(
            conn,
            "acme",
            amount_micros=before.charge_micros + 5_000 - 10_000_000,
            ref="out",
            note="",
            at_us=world.clock.now_us(),
        )
    compared(world, folder, apply=True)
    after = world.cdr(uuid)
    assert after.charge_micros == before.charge_micros + 5_000
    assert after.waived_micros > 0
    assert world.account().balance_micros == 0


def test_a_call_that_ended_while_nobody_was_there_is_settled_by_its_file(world, folder):
    uuid = world.call(talk_us=12 * S)
    world.run(5)
    world.kill_daemon()
    world.run(60)
    (named,), _ = compared(world, folder)
    assert (named.kind, named.applied) == (Kind.UNSETTLED, False)
    compared(world, folder, apply=True)
    record = world.cdr(uuid)
    assert (record.billed_s, record.end_source) == (12, EndSource.WITNESS)
    assert world.holds() == []
    assert compared(world, folder, apply=True) == ([], 1)
    assert posted(world) == [("charge", -120_000)]


def test_a_carrier_leg_that_is_torn_down_after_the_paying_one_adds_nothing(world, folder):
    """As a timer of the switch's ends them: it sends both a BYE, one tick after the other."""
    uuid = world.call(talk_us=12 * S)
    world.run(5)
    world.kill_daemon()
    world.run(60)
    path = folder / f"{uuid}.cdr.json"
    record = json.loads(path.read_text())
    ended_us = int(record["variables"]["end_uepoch"])
    record["variables"]["sip_hangup_disposition"] = "send_bye"
    path.write_text(json.dumps(record))
    other_path = folder / f"{record['variables']['bridge_uuid']}.cdr.json"
    other = json.loads(other_path.read_text())
    other["variables"]["end_uepoch"] = str(ended_us + 20_000)
    other_path.write_text(json.dumps(other))
    compared(world, folder, apply=True)
    settled = world.cdr(uuid)
    assert (settled.ended_us, settled.billed_s, settled.last_leg_uuid) == (ended_us, 12, uuid)


def test_a_call_whose_carrier_leg_may_live_on_is_not_settled(world, folder):
    world.call(talk_us=None, transfer=Transfer(after_us=5 * S, to="1002", talk_us=400 * S))
    world.run(4)
    world.kill_daemon()
    world.run(30)
    for path in folder.iterdir():
        record = json.loads(path.read_text())
        if "fsbilling_verdict" not in record["variables"]:
            path.unlink()
    (difference,), _ = compared(world, folder, apply=True)
    assert (difference.kind, difference.applied) == (Kind.UNSETTLED, False)
    assert len(world.holds()) == 1


def test_what_only_one_of_the_two_has_is_named(world, folder):
    kept, lost = world.call(), world.call(talk_us=9 * S)
    world.run(1)
    last = world.call()
    world.run(60)
    (folder / f"{lost}.cdr.json").unlink()
    other = json.loads((folder / f"{kept}.cdr.json").read_text())
    stranger = "00000000-0000-4000-8000-000000000001"
    other["variables"] |= {"uuid": stranger, "fsbilling_call": stranger}
    (folder / f"{stranger}.cdr.json").write_text(json.dumps(other))
    found, legs = compared(world, folder)
    assert {(difference.kind, difference.uuid) for difference in found} == {
        (Kind.MISSING_HERE, stranger),
        (Kind.MISSING_THERE, lost),
    }
    assert legs == 3
    assert last not in {difference.uuid for difference in found}


def test_other_words_on_one_call_are_named_and_never_changed(world, folder):
    uuid = world.call()
    world.run(60)
    before = world.cdr(uuid)
    path = folder / f"{uuid}.cdr.json"
    record = json.loads(path.read_text())
    record["variables"] |= {
        "end_uepoch": str(before.ended_us + 1),
        "hangup_cause": "USER_BUSY",
        "fsbilling_account": "other",
    }
    path.write_text(json.dumps(record))
    found, _ = compared(world, folder, apply=True)
    assert {difference.kind for difference in found} == {Kind.ACCOUNT, Kind.DURATION, Kind.CAUSE}
    assert world.cdr(uuid) == before


def test_what_ended_just_now_is_left_alone(world, folder):
    world.call(talk_us=2 * S)
    world.run(2)
    world.kill_daemon()
    world.run(5)
    assert compared(world, folder)[0] == []


@pytest.fixture
def office(tmp_path, store_url):
    office = Commands(store_url)
    office.open_for_business(tmp_path)
    return office


def test_the_real_recording_is_read(office):
    """A leg that the laboratory's switch wrote before it was billed: nothing to compare."""
    channel = read_path(RECORDING)
    assert (channel.hungup_us, channel.sip_cause) == (1795282340912440, "sip:200")
    assert office.do("reconcile", RECORDING).startswith("OK: 0 billed legs of fs1")


def test_hostile_files_are_named_and_harm_nothing(office, folder):
    (folder / "a.cdr.json").write_bytes(b"\xff\x00{")
    (folder / "b.cdr.json").write_text("[" * 100_000)
    (folder / "c.cdr.json").write_text('{"variables": {"uuid": "\\u001b[2J; rm -rf /"}}')
    (folder / "d.cdr.json").symlink_to("/etc/passwd")
    os.mkfifo(folder / "e.cdr.json")
    (folder / "f.cdr.json").write_text('{"variables": []}')
    (folder / "g\x1b[2J.cdr.json").write_text("{}")
    (folder / "h.cdr.json").write_text(" " * 2_000_000)
    result = office.run("reconcile", folder)
    assert result.exit_code == 1
    assert result.stdout.count("unreadable") == 8
    assert "\x1b" not in result.output


def test_the_command_tells_programs_as_well(office, folder):
    leg = json.loads(RECORDING.read_text())
    leg["variables"]["fsbilling_account"] = "acme"
    (folder / "x.cdr.json").write_text(json.dumps(leg))
    result = office.run("reconcile", folder, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["legs"] == 1
    assert told["differences"][0]["kind"] == "missing_here"
    assert "1 differences among 1 billed legs of fs1" in result.stderr


def test_what_is_logged_is_no_part_of_what_programs_are_told(office, folder):
    leg = json.loads(RECORDING.read_text())
    asker = "00000000-0000-4000-8000-00000000000a"
    leg["variables"] |= {
        "fsbilling_account": "acme",
        "fsbilling_call": leg["variables"]["uuid"],
        "direction": "outbound",
        "originator": asker,
    }
    (folder / "x.cdr.json").write_text(json.dumps(leg))
    (folder / f"{asker}.cdr.json").write_text("[")
    result = office.run("reconcile", folder / "x.cdr.json", "--apply", "--json")
    assert "no_record" in json.loads(result.stdout)["differences"][0]["there"]
    assert "witness unreadable" in result.stderr


def test_a_source_that_is_not_there_is_misuse(office, tmp_path):
    assert "there is no such file" in office.misused("reconcile", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("nowhere", "no such file"),
        ("loop", "Too many levels of symbolic links"),
        ("n" * 300, "File name too long"),
        ("good.cdr.json/below", "Not a directory"),
    ],
)
def test_a_source_that_cannot_be_is_said_before_anything_is_done(
    office, folder, tmp_path, source, why
):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "good.cdr.json").write_text(billed_leg())
    assert why in office.misused("reconcile", folder, tmp_path / source, "--apply")


def test_one_bad_file_is_named_and_leaves_no_trace(office, folder):
    before = office.rows()
    whole = billed_leg()
    for content in (whole[: len(whole) // 2], "null", "[]", "{}", "uuid,billsec\n1,2\n"):
        path = folder / "one.cdr.json"
        path.write_text(content)
        result = office.run("reconcile", path, "--apply")
        assert (result.exit_code, result.stdout.count("\n")) == (1, 1), content
        assert result.stdout.startswith("unreadable")
        assert result.stderr == "fsbilling: 1 differences among 0 billed legs of fs1\n"
    assert office.rows() == before


def test_a_folder_that_cannot_be_listed_is_named(monkeypatch, tmp_path):
    """Root may list any: the refusal is the system's own, made here."""
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert list(record_paths([tmp_path])) == [tmp_path / "closed"]


def test_misspelt_options_are_misuse(office, folder):
    assert "'fs9' is not in the configuration" in office.misused(
        "reconcile", folder, "--switch", "fs9", "--apply"
    )
    office.misused("reconcile", folder, "--since", "yesterdayish")
    office.misused("reconcile")


TWO_SWITCHES = """
[database]
url = "{url}"
[[switch]]
name = "fs1"
password = "Clue-1"
json_cdr_dir = "{folder}/one"
[[switch]]
name = "fs2"
host = "127.0.0.2"
password = "Clue-2"
{second}
"""


@pytest.fixture
def two(office, folder, monkeypatch):
    """Two switches; of the second it may not be said where its files are."""
    for name in ("one", "two"):
        (folder / name).mkdir()
    monkeypatch.chdir(folder)

    def told(second=""):
        path = folder / "fsbilling.toml"
        path.write_text(TWO_SWITCHES.format(url=office.url, folder=folder, second=second))
        return Commands(office.url, FSBILLING_CONFIG=str(path))

    return told


def test_a_switch_without_a_folder_owns_no_files(two, folder):
    """With `json_cdr_dir` unset, the folder one stands in was taken for its own."""
    assert "say whose files" in two().misused("reconcile", folder / "two", "--apply")
    assert two().do("reconcile", folder / "one").startswith("OK: 0 billed legs of fs1")


def test_files_of_two_switches_are_not_compared_as_one_s(two, folder):
    both = two(f'json_cdr_dir = "{folder}/two"')
    assert both.do("reconcile", folder / "two").startswith("OK: 0 billed legs of fs2")
    assert "say whose files" in both.misused("reconcile", folder / "one", folder / "two")


def billed_leg(**variables):
    """The recorded leg, as the hook would have let it through for acme."""
    leg = json.loads(RECORDING.read_text())
    leg["variables"] |= {
        "fsbilling_verdict": "allowed",
        "fsbilling_account": "acme",
        "fsbilling_call": leg["variables"]["uuid"],
        "fsbilling_service": "outbound",
        "fsbilling_number": "13800138000",
    } | variables
    return json.dumps(leg)


def test_the_command_settles_what_was_missed_once(office, folder):
    (folder / "x.cdr.json").write_text(billed_leg())
    named = json.loads(office.run("reconcile", folder, "--json").stdout)
    assert named["differences"][0]["applied"] is False
    told = office.do("reconcile", folder, "--apply")
    assert "missing_here" in told
    assert "here: charged 0.03" in told
    assert "(put right)" in told
    before = office.rows()
    assert office.do("reconcile", folder, "--apply").startswith("OK: 1 billed legs")
    assert office.rows() == before
    office.do("ledger", "verify")
