import pytest
from commands import Commands

TABLE = """\
prefix,area_code,city,province
0755,0755,深圳,广东
1380013,010,北京,北京
"""


@pytest.fixture
def shell(sqlite_url):
    return Commands(sqlite_url)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "regions.csv"
    path.write_text(TABLE)
    return path


def test_an_import_replaces_all_and_status_tells_its_source(shell, table):
    said = shell.do("regions", "import", table)
    assert said.startswith("imported 1 area codes and 1 mobile segments from regions.csv")
    table.write_text(TABLE.replace("0755,0755,深圳,广东\n", ""))
    shell.do("regions", "import", table)
    status = shell.json("regions", "status")
    assert (status["landline_rows"], status["mobile_rows"]) == (0, 1)
    assert status["source"] == "regions.csv"
    assert status["imported"].startswith("20")
    assert "regions.csv" in shell.do("regions", "status")


def test_of_tells_what_a_number_is_and_where(shell, table):
    shell.do("regions", "import", table)
    known = shell.json("regions", "of", "0755-83765566")
    assert (known["kind"], known["digits"]) == ("landline", "8675583765566")
    assert (known["area_code"], known["city"], known["province"]) == ("0755", "深圳", "广东")
    assert "北京" in shell.do("regions", "of", "013800138000")
    assert "unknown" in shell.do("regions", "of", "13900139000")


def test_a_faulty_file_changes_nothing(shell, table):
    shell.do("regions", "import", table)
    before = shell.rows()
    table.write_text("prefix,area_code,city,province\nabc,0755,深圳,广东\n")
    result = shell.run("regions", "import", table)
    assert result.exit_code == 2
    assert "line 2" in result.stderr
    assert shell.rows() == before


@pytest.mark.parametrize("words", [(), ("no-such-file.csv",), ("x.csv", "--from-package")])
def test_wrong_usage_is_one_line_and_changes_nothing(shell, words):
    shell.misused("regions", "import", *words)


@pytest.mark.parametrize("words", [("status",), ("of", "13800138000")])
def test_before_the_first_import_it_says_how_to_import(shell, words):
    assert "fsbilling regions import" in shell.refused("regions", *words)
