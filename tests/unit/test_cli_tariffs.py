"""Plans, packages and levels, as commands show them."""

import io

import openpyxl
import pytest
from commands import Commands

TABLE = """\
destination,band,level_from,price_per_min,note
prefix:86,*,0,0.60,国内
prefix:86,*,2,0.30,国内
prefix:86,peak,0,1.20,国内
"""
PLAN = """\
calendar = "CN"

[[band]]
name = "peak"
hours = ["08:00-20:00"]

[levels]
of = "minutes"
mode = "volume"

[package]
minutes = 100
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


@pytest.fixture
def shell(sqlite_url, files):
    shell = Commands(sqlite_url)
    words = ("std", files / "table.csv", "--plan", files / "plan.toml", "--from", "2026-01-01")
    assert shell.do("rates", "import", *words).endswith(", plan plan.toml, as version 1\n")
    return shell


def test_list_tells_the_plan_in_a_few_words(shell):
    (version,) = shell.json("rates", "list", "std")
    assert version["plan"] == "100 min included, volume levels of minutes, 1 bands"
    assert version["plan"] in shell.do("rates", "list")


def test_table_and_plan_are_exported_and_imported_again_without_a_change(shell, files):
    table, plan = shell.do("rates", "export", "std"), shell.do("rates", "export", "std", "--plan")
    (files / "table.csv").write_text(table)
    (files / "plan.toml").write_text(plan)
    shell.do("rates", "import", "std", files / "table.csv", "--plan", files / "plan.toml")
    assert shell.do("rates", "export", "std", "--version", "2") == table
    assert shell.do("rates", "export", "std", "--version", "2", "--plan") == plan


def test_a_tariff_keeps_its_plan_until_another_is_given(shell, files):
    said = shell.do("rates", "import", "std", files / "table.csv")
    assert said.endswith(", plan of version 1, as version 2\n")
    first, second = shell.json("rates", "list", "std")
    assert first["plan"] == second["plan"]
    (files / "none.toml").write_text("")
    (files / "flat.csv").write_text("price_per_min\n0.10\n")
    shell.do("rates", "import", "std", files / "flat.csv", "--plan", files / "none.toml")
    assert shell.json("rates", "list", "std")[2]["plan"] == ""


def test_a_workbook_is_read_as_its_csv_would_be(shell, files):
    book = openpyxl.Workbook()
    for line in TABLE.splitlines():
        book.active.append(line.split(","))
    data = io.BytesIO()
    book.save(data)
    (files / "table.xlsx").write_bytes(data.getvalue())
    shell.do("rates", "import", "std", files / "table.xlsx")
    version_1, version_2 = (shell.do("rates", "export", "std", "--version", n) for n in (1, 2))
    assert version_1 == version_2


def test_faults_of_a_plan_are_named_and_change_nothing(shell, files):
    (files / "bad.toml").write_text('calendar = "XX"\n')
    words = ("rates", "import", "std", files / "table.csv", "--plan", files / "bad.toml")
    before = shell.rows()
    result = shell.run(*words)
    assert result.exit_code == 2
    assert "bad.toml: nothing was changed" in result.stderr
    assert "no official calendar of 'XX'" in result.stderr
    assert shell.rows() == before
    shell.misused("rates", "import", "std", files / "table.csv", "--plan", files / "no-such.toml")


def price(shell, *words):
    ends = ("--caller", "1001", "--callee", "13800138000")
    return shell.json("rates", "price", "--tariff", "std", *ends, *words)


def test_price_shows_match_rule_and_the_bands_a_call_goes_through(shell):
    shown = price(shell, "--at", "2026-03-02T07:59:30+08:00")
    assert shown["charge"] == "0.90"
    assert shown["match"] == "caller *, callee prefix:86"
    assert shown["rule"].startswith("The callee's match decides first")
    assert [band["band"] for band in shown["bands"]] == ["*", "peak"]
    assert shown["bands"][1]["from_us"] == 1_772_409_600_000_000


def test_price_heeds_what_was_used_before(shell):
    night = ("--at", "2026-03-02T22:00:00+08:00")
    assert price(shell, *night)["charge"] == "0.60"
    assert price(shell, *night, "--used-minutes", "2")["charge"] == "0.30"
    assert price(shell, *night, "--used-calls", "9")["charge"] == "0.60"
    included = price(shell, *night, "--included-s", "50")
    assert (included["charge"], included["included_s"]) == ("0.10", 50)


def test_an_account_shows_what_its_packages_have_left_this_month(shell, files):
    (files / "all.toml").write_text("[package]\nunlimited = true\n")
    (files / "flat.csv").write_text("price_per_min\n0.10\n")
    shell.do("rates", "import", "flat", files / "flat.csv", "--plan", files / "all.toml")
    tariffs = ("--tariff", "outbound=std", "--tariff", "400=flat")
    shell.do("account", "add", "acme", "--mode", "prepaid", *tariffs)
    flat, std = shell.json("account", "show", "acme")["usage"]
    assert (flat["tariff"], flat["package_s"], flat["included_left_s"]) == ("flat", None, None)
    assert (std["tariff"], std["package_s"], std["included_left_s"]) == ("std", 6_000, 6_000)
    shown = shell.do("account", "show", "acme")
    assert "0 calls, 0 s billed; package: 0 s held, 6000 of 6000 s left" in shown
    assert "package: unlimited" in shown


def test_balance_counts_the_package(shell):
    shell.do("account", "add", "acme", "--mode", "prepaid", "--tariff", "outbound=std")
    shown = shell.json("balance", "acme", "--callee", "13800138000")
    assert (shown["verdict"], shown["seconds"], shown["included_s"]) == ("allowed", 6_000, 6_000)
