"""`rates diff`, `rates whatif`, `advise`: comparing tables, by rows and by real calls."""

import pytest
from call_records import SHENZHEN, record
from commands import Commands

from fsbilling.ledger.entry import EntryKind
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.store import accounts, cdrs, entries
from fsbilling.store.engine import Database

ALL = ("--since", "2025-12-31", "--until", "2026-02-01")
OLD = "origin,price_per_min,note\n*,0.20,其他\nprovince:广东,0.15,广东\narea:010,0.10,北京\n"
NEW = "price_per_min,origin,note\n0.12,province:广东,广东\n0.30,area:021,上海\n0.20,*,其他地区\n"


@pytest.fixture
def shell(sqlite_url):
    return Commands(sqlite_url)


@pytest.fixture
def tables(shell, tmp_path):
    """Version 1 of std is the old table, version 2 the new one."""
    paths = {}
    for name, text in (("old", OLD), ("new", NEW)):
        paths[name] = tmp_path / f"{name}.csv"
        paths[name].write_text(text)
        shell.do("rates", "import", "std", paths[name], "--from", "2026-01-01")
    return paths


@pytest.fixture
def calls(shell, tables):
    """Two calls of acme and one of umbrella, 61 s at 0.15; one refused, one unanswered."""
    for code, currency in (("acme", "CNY"), ("umbrella", "USD")):
        words = ("--mode", "prepaid", "--currency", currency, "--tariff", "400=std")
        shell.do("account", "add", code, *words)
    foreign = Number("0085212345678", NumberKind.INTERNATIONAL, "85212345678")
    database = Database.open(shell.url)
    with database.write() as conn:
        for cdr in (
            record(1),
            record(2, service="outbound", callee=foreign),
            record(3, account="umbrella"),
            record(4, refusal="no_credit", charge_micros=0),
            record(5, answered_us=0, duration_us=0, charge_micros=0),
        ):
            assert cdrs.write(conn, cdr)
    database.close()


def test_diff_names_rows_that_came_went_and_changed(shell, tables):
    told = shell.json("rates", "diff", "std@1", "std@2")
    assert [row["origin"] for row in told["added"]] == ["area:021"]
    assert [row["origin"] for row in told["removed"]] == ["area:010"]
    assert told["changed"] == [
        {
            "origin": "province:广东",
            "destination": "*",
            "columns": {"price_per_min": {"old": "0.15", "new": "0.12", "change": "-20.0 %"}},
        },
        {
            "origin": "*",
            "destination": "*",
            "columns": {"note": {"old": "其他", "new": "其他地区", "change": None}},
        },
    ]
    assert told["unchanged"] == 0


def test_diff_ends_with_a_line_that_sums_up(shell, tables):
    *_, last = shell.do("rates", "diff", "std@1", "std").splitlines()
    assert last == (
        "std v1 -> std v2: 1 rows added, 1 removed, 2 changed, 0 unchanged; "
        "1 prices moved by -20.0 %"
    )


def test_diff_reads_files_and_needs_no_database_for_them(tables):
    nowhere = Commands("sqlite:////nowhere/at/all.db")
    same = nowhere.do("rates", "diff", tables["old"], tables["old"])
    assert same == "old.csv -> old.csv: 0 rows added, 0 removed, 0 changed, 3 unchanged\n"
    assert "1 rows added" in nowhere.do("rates", "diff", tables["old"], tables["new"])


def test_a_file_and_the_version_imported_from_it_do_not_differ(shell, tables):
    assert shell.json("rates", "diff", tables["new"], "std@2")["unchanged"] == 3


def test_whatif_shows_the_difference_by_account_and_by_currency(shell, calls):
    before = shell.rows()
    told = shell.json("rates", "whatif", "std", *ALL)
    assert told["table"] == "std v2"
    acme, umbrella = told["accounts"]
    assert (acme["account"], acme["calls"], acme["unpriced_calls"]) == ("acme", 2, 0)
    assert (acme["paid_micros"], acme["would_cost_micros"]) == (305_000, 244_000)
    assert (acme["difference"], acme["change"]) == ("-0.061", "-20.0 %")
    assert umbrella["would_cost_micros"] == 122_000
    totals = {total["currency"]: total["difference_micros"] for total in told["totals"]}
    assert totals == {"CNY": -61_000, "USD": -30_500}
    assert shell.rows() == before


def test_whatif_takes_a_file_an_account_and_a_span(shell, calls, tmp_path):
    only_400 = tmp_path / "only400.CSV"
    only_400.write_text("destination,price_per_min\nprefix:400,0.30\n")
    told = shell.json("rates", "whatif", only_400, *ALL, "--account", "acme")
    (acme,) = told["accounts"]
    assert (acme["calls"], acme["unpriced_calls"]) == (1, 1)
    assert (acme["paid_micros"], acme["would_cost_micros"]) == (152_500, 305_000)
    assert "+100.0 %" in shell.do("rates", "whatif", only_400, *ALL)
    assert shell.json("rates", "whatif", "std", *ALL[:3], "2025-12-31T01")["accounts"] == []


def test_whatif_is_what_the_calls_were_charged_when_nothing_changed(shell, calls):
    told = shell.json("rates", "whatif", "std@1", *ALL)
    assert {line["difference_micros"] for line in told["accounts"]} == {0}


def test_advise_puts_the_cheapest_tariff_that_prices_every_call_first(shell, calls, tmp_path):
    for name, text in (
        ("flat", "price_per_min\n0.10\n"),
        ("part", "origin,price_per_min\narea:0755,0.01\n"),
        ("none", "destination,price_per_min\nprefix:1,0.01\n"),
    ):
        path = tmp_path / f"{name}.csv"
        path.write_text(text)
        shell.do("rates", "import", name, path, "--from", "2026-01-01")
    assert record(1).caller_region == SHENZHEN
    before = shell.rows()
    services = shell.json("advise", "acme", *ALL)["services"]
    assert list(services) == ["400", "outbound"]
    offers = [(each["tariff"], each["difference_micros"]) for each in services["400"]]
    assert offers == [
        ("part", 10_167 - 152_500),
        ("flat", 101_667 - 152_500),
        ("std", 122_000 - 152_500),
        ("none", 0),
    ]
    assert [each["has_it"] for each in services["400"]] == [False, False, True, False]
    assert services["400"][-1]["unpriced_calls"] == 1
    assert "yes" in shell.do("advise", "acme", *ALL)
    assert shell.rows() == before


def test_advise_says_when_there_were_no_calls(shell, tables):
    shell.do("account", "add", "acme", "--mode", "prepaid")
    assert "no answered calls" in shell.do("advise", "acme", *ALL)


@pytest.mark.parametrize(
    "words",
    [
        ("rates", "diff", "std"),
        ("rates", "diff", "std@x", "std"),
        ("rates", "diff", "@1", "std"),
        ("rates", "diff", "no-such.csv", "std"),
        ("rates", "whatif", "std"),
        ("rates", "whatif", "no-such.csv", *ALL),
        ("rates", "whatif", "std", *ALL[:3], "noon"),
        ("rates", "whatif", "std", "--until", "2025-12-31", "--since", "2026-02-01"),
        ("rates", "whatif", "std", "--since", "0001-01-01", *ALL[2:]),
        ("rates", "whatif", "std", *ALL[:3], "9999-12-31T23:59:59-23:59"),
        ("advise", "acme", *ALL[:3], ALL[1]),
        ("cdr", "rerate", *ALL[:3], ALL[1]),
        ("cdr", "list", *ALL[:3], ALL[1]),
        ("advise", "acme"),
        ("advise", *ALL),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(shell, tables, words):
    shell.misused(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("rates", "diff", "nosuch", "std"),
        ("rates", "diff", "std@7", "std"),
        ("rates", "whatif", "nosuch", *ALL),
        ("rates", "whatif", "std", *ALL, "--account", "nobody"),
        ("advise", "nobody", *ALL),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(shell, tables, words):
    shell.refused(*words)


PACKAGE = '[package]\nminutes = 1\n\n[month]\nfee = "0.05"\nminimum_spend = "0.30"\n'
LEVELLED = '[levels]\nof = "calls"\nmode = "volume"\n\n[month]\nfee = "1"\n'


@pytest.fixture
def packaged(shell, tmp_path):
    """A tariff of 0.60 a minute, the first minute of a month included, and its two files."""
    table, plan = tmp_path / "packaged.csv", tmp_path / "packaged.toml"
    table.write_text("price_per_min\n0.60\n")
    plan.write_text(PACKAGE)
    shell.do("rates", "import", "packaged", table, "--plan", plan, "--from", "2026-01-01")
    return table, plan


def test_whatif_bills_months_with_package_fees_and_minimum(shell, calls, packaged):
    """Acme's calls of 61 s in January, Shanghai time: 60 s are included once, 62 s are paid."""
    told = shell.json("rates", "whatif", "packaged", *ALL, "--account", "acme")
    (acme,) = told["accounts"]
    assert (acme["months"], acme["paid"], acme["paid_fees"]) == (1, "0.305", "0.00")
    assert (acme["would_cost"], acme["would_cost_fees"]) == ("0.62", "0.05")
    assert acme["would_cost_in_all"] == "0.67"
    assert (acme["difference"], acme["change"]) == ("0.365", "+119.7 %")


def test_whatif_takes_the_plan_of_a_file(shell, calls, packaged):
    table, plan = packaged
    asked = [
        shell.json("rates", "whatif", *words, *ALL)["accounts"]
        for words in (("packaged",), (table, "--plan", plan))
    ]
    assert asked[0] == asked[1]
    (acme, _) = shell.json("rates", "whatif", table, *ALL)["accounts"]
    assert (acme["would_cost"], acme["would_cost_fees"]) == ("1.22", "0.00")


def test_a_minimum_spend_is_billed_for_each_month_between(shell, calls, packaged):
    database = Database.open(shell.url)
    with database.write() as conn:
        assert cdrs.write(conn, record(59 * 86_400, duration_us=1_000_000, charge_micros=1))
    database.close()
    words = ("--since", "2025-12-31", "--until", "2026-12-01", "--account", "umbrella")
    (umbrella,) = shell.json("rates", "whatif", "packaged", *words)["accounts"]
    # 1 s of 61 is paid for: 0.01, the fee 0.05, and 0.24 to the minimum.
    assert (umbrella["would_cost"], umbrella["would_cost_fees"]) == ("0.01", "0.29")
    (acme,) = shell.json("rates", "whatif", "packaged", *words[:4], "--account", "acme")["accounts"]
    # January 0.67; February nothing; the second of March is included: 0.30 each.
    assert (acme["months"], acme["would_cost_in_all"]) == (3, "1.27")


def test_whatif_counts_the_fees_of_the_tariffs_that_the_account_has(shell, calls, packaged):
    shell.do("account", "set", "acme", "--tariff", "400=packaged")
    (acme,) = shell.json("rates", "whatif", "std@1", *ALL, "--account", "acme")["accounts"]
    # The 400 call was charged 0.1525: 0.05, and 0.0975 to the minimum of 0.30.
    assert (acme["paid"], acme["paid_fees"], acme["paid_in_all"]) == ("0.305", "0.1475", "0.4525")
    assert acme["difference"] == "-0.1475"


def test_whatif_brings_a_months_calls_to_the_level_they_reach(shell, calls, tmp_path):
    table, plan = tmp_path / "levels.csv", tmp_path / "levels.toml"
    table.write_text("level_from,price_per_min\n0,0.60\n2,0.30\n")
    plan.write_text(LEVELLED)
    told = shell.json("rates", "whatif", table, "--plan", plan, *ALL)
    asked = [(line["would_cost"], line["would_cost_fees"]) for line in told["accounts"]]
    assert asked == [("0.61", "1.00"), ("0.61", "1.00")]


def test_what_was_paid_has_the_adjustments_to_levels_in_it(shell, calls):
    database = Database.open(shell.url)
    with database.write() as conn:
        payer = accounts.lock(conn, "acme")
        for call, micros in ((record(1), 50_000), (record(9), 7)):
            entries.post(
                conn,
                payer.account_id,
                kind=EntryKind.ADJUSTMENT,
                amount_micros=micros,
                ref=f"level/std/2026-01/v1/{call.switch}/{call.uuid}",
                note="",
                at_us=1,
            )
    database.close()
    (acme,) = shell.json("rates", "whatif", "std@1", *ALL, "--account", "acme")["accounts"]
    assert (acme["paid"], acme["difference"]) == ("0.255", "0.05")


def test_what_settling_a_month_anew_has_changed_is_paid_with_its_first_call(shell, calls):
    database = Database.open(shell.url)
    with database.write() as conn:
        payer = accounts.lock(conn, "acme")
        assert cdrs.write(conn, record(6, month="2026-01"))
        assert cdrs.write(conn, record(7, month="2026-01"))
        for month, number, micros in (
            ("2026-01", 1, 50_000),
            ("2026-01", 2, -8),
            ("2026-02", 1, 7),
        ):
            entries.post(
                conn,
                payer.account_id,
                kind=EntryKind.ADJUSTMENT,
                amount_micros=micros,
                ref=f"level/std/{month}/v1/rerate/{number}",
                note="",
                at_us=1,
            )
    database.close()
    (acme,) = shell.json("rates", "whatif", "std@1", *ALL, "--account", "acme")["accounts"]
    assert acme["paid"] == "0.560008"


def test_advise_counts_fees_and_packages(shell, calls, packaged):
    services = shell.json("advise", "acme", *ALL)["services"]
    told = {each["tariff"]: each for each in services["400"]}
    assert [each["tariff"] for each in services["400"]] == ["std", "packaged"]
    # One call of 61 s: 1 s is paid for, and the month comes to its minimum.
    assert (told["packaged"]["would_cost"], told["packaged"]["would_cost_fees"]) == ("0.01", "0.29")
    assert told["packaged"]["difference"] == "0.1475"


def test_a_plan_is_for_a_file_only(shell, tables, packaged):
    _, plan = packaged
    assert "--plan goes with a file" in shell.misused(
        "rates", "whatif", "std", *ALL, "--plan", plan
    )
    shell.misused("rates", "whatif", tables["old"], *ALL, "--plan", "no-such.toml")
