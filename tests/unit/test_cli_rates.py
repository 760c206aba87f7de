import pytest
from commands import Commands

TABLE = """\
origin,destination,price_per_min,first_increment_s,next_increment_s,note
*,*,0.20,1,1,其他
province:广东,*,0.15,6,6,广东
"""


@pytest.fixture
def shell(sqlite_url):
    return Commands(sqlite_url)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def test_an_import_says_what_came_in_and_from_when(shell, table):
    said = shell.do("rates", "import", "std", table, "--from", "2026-01-01T00:00:00+08:00")
    assert said.startswith("imported 2 rates of tariff std, in force from ")
    assert said.endswith(", as version 1\n")
    (version,) = shell.json("rates", "list")
    assert version["valid_from_us"] == 1_767_196_800_000_000
    assert (version["version"], version["rates"], version["in_force"]) == (1, 2, True)


def test_a_dry_run_changes_nothing(shell, table):
    before = shell.rows()
    assert "nothing was changed" in shell.do("rates", "import", "std", table, "--dry-run")
    assert shell.rows() == before


def test_faults_are_listed_all_and_nothing_is_imported(shell, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("origin,price_per_min\nfoo,0.10\n*,x\n*,0.10\n")
    before = shell.rows()
    result = shell.run("rates", "import", "std", bad)
    assert result.exit_code == 2
    first, *faults = result.stderr.splitlines()
    assert first == f"fsbilling: {bad}: 2 faults; nothing was changed"
    assert [fault.split(":")[0] for fault in faults] == [
        "line 2, column origin",
        "line 3, column price_per_min",
    ]
    assert shell.rows() == before


def test_the_version_in_force_is_marked_and_a_later_one_waits(shell, table):
    shell.do("rates", "import", "std", table, "--from", "2026-01-01")
    shell.do("rates", "import", "std", table, "--from", "2999-01-01")
    assert [one["in_force"] for one in shell.json("rates", "list", "std")] == [True, False]


def test_an_export_imports_as_the_same_table(shell, table, tmp_path):
    shell.do("rates", "import", "std", table)
    exported = shell.do("rates", "export", "std")
    again = tmp_path / "again.csv"
    again.write_text(exported)
    shell.do("rates", "import", "std", again)
    assert shell.do("rates", "export", "std", "--version", "2") == exported
    assert "province:广东,*,0.15" in exported


def test_export_at_a_moment_gives_the_version_then_in_force(shell, table, tmp_path):
    shell.do("rates", "import", "std", table, "--from", "2026-01-01")
    dearer = tmp_path / "dearer.csv"
    dearer.write_text("price_per_min\n0.99\n")
    shell.do("rates", "import", "std", dearer, "--from", "2026-02-01")
    assert "0.99" not in shell.do("rates", "export", "std", "--at", "2026-01-31T23:59:59")
    assert "0.99" in shell.do("rates", "export", "std", "--at", "2026-02-01")


@pytest.fixture
def priced(shell, table, tmp_path):
    shell.do("rates", "import", "std", table, "--from", "2026-01-01")
    regions = tmp_path / "regions.csv"
    regions.write_text("prefix,area_code,city,province\n0755,0755,深圳,广东\n")
    shell.do("regions", "import", regions)
    return shell


def test_price_tells_charge_row_version_and_why(priced):
    words = ("rates", "price", "--tariff", "std", "--callee", "4001234567", "--seconds", "61")
    shown = priced.json(*words, "--caller", "0755-83765566", "--at", "2026-03-01")
    assert (shown["charge_micros"], shown["charge"]) == (165_000, "0.165")
    assert (shown["billed_s"], shown["tariff_version"]) == (66, 1)
    assert shown["caller_province"] == "广东"
    assert "61 s -> 66 s = 0.165" in shown["explanation"]
    elsewhere = priced.json(*words, "--caller", "02088889999", "--at", "2026-03-01")
    assert elsewhere["rate_id"] != shown["rate_id"]
    assert "0.165" in priced.do(*words, "--caller", "0755-83765566", "--at", "2026-03-01")


def test_price_before_the_first_version_is_refused(priced):
    words = ("rates", "price", "--tariff", "std", "--caller", "1", "--callee", "4001234567")
    assert "std" in priced.refused(*words, "--at", "2025-12-31")


@pytest.mark.parametrize(
    "words",
    [
        ("import", "std"),
        ("import", "std", "no-such-file.csv"),
        ("import", "std", "."),
        ("import", "", "no-such-file.csv"),
        ("import", "std", "no-such-file.csv", "--from", "tomorrow"),
        ("export", "std", "--version", "1", "--at", "2026-01-01"),
        ("export", "std", "--version", "one"),
        ("price", "--tariff", "std", "--caller", "1"),
        ("price", "--tariff", "std", "--caller", "1", "--callee", "2", "--seconds", "-1"),
        ("price", "--tariff", "std", "--caller", "1", "--callee", "2", "--at", "noon"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(shell, words):
    shell.misused("rates", *words)


@pytest.mark.parametrize(
    "words",
    [
        ("list", "nosuch"),
        ("export", "nosuch"),
        ("export", "std", "--version", "7"),
        ("price", "--tariff", "nosuch", "--caller", "1", "--callee", "2"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(shell, table, words):
    shell.do("rates", "import", "std", table)
    shell.refused("rates", *words)
