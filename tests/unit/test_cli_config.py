"""`config` and `db`: what a newcomer types first."""

import pytest
from commands import Commands

from fsbilling import config


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A folder without configuration and without database."""
    monkeypatch.chdir(tmp_path)
    return Commands(f"sqlite:///{tmp_path / 'new.db'}")


def test_init_writes_what_check_accepts_and_warns_of_the_stock_password(empty):
    assert empty.do("config", "init", "mine.toml").startswith("wrote mine.toml")
    result = empty.run("--config", "mine.toml", "config", "check")
    assert result.exit_code == 0
    assert result.stdout.startswith("OK: mine.toml; database sqlite:///")
    assert "ClueCon" in result.stderr


def test_init_without_a_path_prints_the_configuration(empty):
    assert empty.do("config", "init") == config.template()


def test_init_never_writes_over_a_file(empty, tmp_path):
    (tmp_path / "mine.toml").write_text("precious")
    result = empty.run("config", "init", "mine.toml")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert (tmp_path / "mine.toml").read_text() == "precious"


@pytest.mark.parametrize("place", ["no/such/folder/x.toml", "/dev/null/x.toml"])
def test_init_names_a_place_it_cannot_write(empty, place):
    result = empty.run("config", "init", place)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "[hook]\nlissten = 'a'\n",
        "[metering]\nslice_s = 'long'\n",
        "[nosuch]\n",
        "not toml",
        "[database]\nurl = 'mysql://x'\n",
    ],
)
def test_a_wrong_configuration_is_misuse_and_named_with_its_place(empty, tmp_path, text):
    (tmp_path / "bad.toml").write_text(text)
    for words in (("config", "check"), ("account", "list")):
        result = Commands("").run("--config", "bad.toml", *words)
        assert result.exit_code == 2
        assert result.stderr.startswith("fsbilling: bad.toml: ")


def test_a_configuration_that_is_not_there_is_misuse(empty):
    result = empty.run("--config", "nosuch.toml", "account", "list")
    assert result.exit_code == 2
    assert "nosuch.toml" in result.stderr


def test_a_new_database_says_how_to_make_its_tables(empty):
    for words in (("account", "list"), ("ledger", "verify"), ("balance", "acme")):
        result = empty.run(*words)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "fsbilling db upgrade" in result.stderr


def test_upgrade_makes_the_tables_once(empty):
    before = empty.run("db", "status", "--json")
    assert before.exit_code == 1
    assert '"current": null' in before.stdout
    assert empty.do("db", "upgrade").startswith("upgraded the database from empty to ")
    assert "already" in empty.do("db", "upgrade")
    shown = empty.json("db", "status")
    assert shown["current"] == shown["head"]
    assert empty.json("account", "list") == []


def test_a_database_that_cannot_be_reached_is_one_line(empty):
    for url in ("postgresql://nobody@127.0.0.1:1/nothing", "sqlite:////no/such/folder/x.db"):
        for words in (("account", "list"), ("db", "status"), ("db", "upgrade")):
            result = Commands(url).run(*words)
            assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr


def test_a_database_of_a_newer_version_is_not_touched(empty):
    empty.do("db", "upgrade")
    import sqlalchemy

    engine = sqlalchemy.create_engine(empty.url)
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    for words in (("account", "list"), ("db", "upgrade"), ("db", "status")):
        result = empty.run(*words)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
