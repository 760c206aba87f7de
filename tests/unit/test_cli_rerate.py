"""`cdr rerate` and what `cdr show` tells after it, as a person types them."""

import json

import pytest
from call_records import record
from commands import Commands

from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.store import accounts, cdrs, entries, usages
from fsbilling.store.engine import Database

ALL = ("--since", "2025-12-31", "--until", "2026-02-01")


@pytest.fixture
def shell(sqlite_url, tmp_path):
    """Acme has 10.00 and paid 0.61 for 61 s, by version 1 of std."""
    shell = Commands(sqlite_url)
    shell.open_for_business(tmp_path)
    shell.do("rates", "import", "std", table(tmp_path, "0.60"), "--from", "2025-12-01")
    settle(shell, record(1, charge_micros=610_000, month="2026-01"))
    return shell


def settle(shell, cdr):
    database = Database.open(shell.url)
    with database.write() as conn:
        payer = accounts.lock(conn, cdr.account)
        assert cdrs.write(conn, cdr)
        entries.post(
            conn,
            payer.account_id,
            kind=EntryKind.CHARGE,
            amount_micros=-cdr.charge_micros,
            ref=call_ref(cdr.switch, cdr.uuid),
            note=cdr.explanation,
            at_us=1,
        )
    database.close()


def table(tmp_path, price):
    path = tmp_path / f"{price}.csv"
    path.write_text(f"price_per_min\n{price}\n")
    return path


def correct_table(shell, tmp_path, price="0.30"):
    shell.do("rates", "import", "std", table(tmp_path, price), "--from", "2025-12-01")


def test_a_correction_shows_in_balance_ledger_and_record(shell, tmp_path):
    correct_table(shell, tmp_path)
    said = shell.do("cdr", "rerate", *ALL)
    assert said.endswith("1 calls looked at, 1 corrected\n")
    for part in ("acme", "CNY", "0.61", "0.305", "-0.305"):
        assert part in said
    assert shell.json("account", "show", "acme")["balance"] == "9.695"
    kinds = [entry["kind"] for entry in shell.json("account", "entries", "acme")]
    assert kinds == ["charge", "reversal", "charge", "topup"]
    assert "OK" in shell.do("ledger", "verify")


def test_show_tells_the_earlier_price_and_until_when_it_stood(shell, tmp_path):
    correct_table(shell, tmp_path)
    shell.do("cdr", "rerate", *ALL)
    told = shell.do("cdr", "show", record(1).uuid)
    assert "std v3" in told
    assert any(
        line.startswith("earlier ")
        and "0.61 until 20" in line
        and line.endswith(": std v1 row 2: 61 s = 0.1525")
        for line in told.splitlines()
    )
    (shown,) = shell.json("cdr", "show", record(1).uuid)
    assert (shown["charge"], shown["revision"], shown["tariff_version"]) == ("0.305", 1, 3)
    (past,) = shown["earlier"]
    assert (past["revision"], past["charge"], past["tariff_version"]) == (0, "0.61", 1)
    assert past["replaced_us"] > 0


def test_the_same_run_again_corrects_nothing(shell, tmp_path):
    correct_table(shell, tmp_path)
    shell.do("cdr", "rerate", *ALL)
    before = shell.rows()
    assert shell.do("cdr", "rerate", *ALL) == "1 calls looked at, 0 corrected\n"
    assert shell.rows() == before


def test_a_dry_run_says_so_and_changes_nothing(shell, tmp_path):
    correct_table(shell, tmp_path)
    before = shell.rows()
    assert "1 would be corrected; nothing was changed" in shell.do(
        "cdr", "rerate", *ALL, "--dry-run"
    )
    assert shell.rows() == before


def test_programs_get_exact_amounts(shell, tmp_path):
    correct_table(shell, tmp_path)
    done = shell.json("cdr", "rerate", *ALL, "--account", "acme", "--tariff", "std")
    (line,) = done["accounts"]
    assert (line["calls"], line["corrected"], line["left"]) == (1, 1, 0)
    assert (line["before_micros"], line["after_micros"]) == (610_000, 305_000)
    assert line["difference"] == "-0.305"
    assert done["left"] == []


def test_calls_that_keep_a_wrong_price_are_listed_and_the_exit_code_says_so(shell, tmp_path):
    correct_table(shell, tmp_path, "60")
    before = shell.rows()
    result = shell.run("cdr", "rerate", *ALL)
    assert result.exit_code == 1
    assert f"left: call {record(1).uuid} of acme: 60.39 more is not free" in result.stdout
    assert result.stderr == "fsbilling: 1 calls have a wrong price and keep it\n"
    assert shell.rows() == before


LEVELLED = '[levels]\nof = "minutes"\nmode = "volume"\n'


def import_levels(shell, tmp_path, below, above):
    rows, plan = tmp_path / "levels.csv", tmp_path / "levels.toml"
    rows.write_text(f"level_from,price_per_min\n0,{below}\n1,{above}\n")
    plan.write_text(LEVELLED)
    shell.do("rates", "import", "std", rows, "--plan", plan, "--from", "2025-12-01")


def count_for_the_month(shell):
    database = Database.open(shell.url)
    with database.write() as conn:
        payer = accounts.lock(conn, "acme")
        month = (payer.account_id, "std", "2026-01")
        usages.count_call(conn, *month, billed_s=61, included_s=0)
    database.close()


def test_a_month_that_is_settled_anew_shows_in_the_line_and_adds_up(shell, tmp_path):
    count_for_the_month(shell)
    import_levels(shell, tmp_path, "0.30", "0.15")
    said = shell.do("cdr", "rerate", *ALL, "--dry-run")
    for part in ("0.61", "0.305", "ADJUSTED", "-0.1525", "-0.4575"):
        assert part in said
    (line,) = shell.json("cdr", "rerate", *ALL)["accounts"]
    assert (line["before"], line["after"], line["adjusted"]) == ("0.61", "0.305", "-0.1525")
    assert (line["difference"], line["months_left"]) == ("-0.4575", 0)
    newest, *_ = shell.json("account", "entries", "acme")
    assert (newest["kind"], newest["ref"]) == ("adjustment", "level/std/2026-01/v3/rerate/1")
    assert shell.json("account", "show", "acme")["balance"] == "9.8475"
    assert "OK" in shell.do("ledger", "verify")
    assert shell.do("cdr", "rerate", *ALL) == "1 calls looked at, 0 corrected\n"


def test_a_month_that_must_wait_is_listed_and_the_exit_code_says_so(shell, tmp_path):
    count_for_the_month(shell)
    import_levels(shell, tmp_path, "0.60", "60.60")
    result = shell.run("cdr", "rerate", *ALL)
    assert result.exit_code == 1
    assert "left: month 2026-01 of acme by std: 61.00 more is not free" in result.stdout
    assert result.stderr == "fsbilling: 1 months could not be settled anew\n"
    result = shell.run("cdr", "rerate", *ALL, "--json")
    (left,) = json.loads(result.stdout)["months_left"]
    assert (left["account"], left["tariff"], left["month"]) == ("acme", "std", "2026-01")
    assert left["reason"] == "no_credit"


@pytest.mark.parametrize("words", [(), ALL[:2], ALL[2:], (*ALL[:3], "noon")])
def test_wrong_usage_is_one_line_and_changes_nothing(shell, words):
    shell.misused("cdr", "rerate", *words)


@pytest.mark.parametrize("words", [("--account", "nobody"), ("--tariff", "nosuch")])
def test_a_refusal_is_one_line_and_changes_nothing(shell, words):
    shell.refused("cdr", "rerate", *ALL, *words)
