import pytest
import sqlalchemy
from commands import Commands


@pytest.fixture
def acme(sqlite_url, tmp_path):
    shell = Commands(sqlite_url)
    shell.open_for_business(tmp_path)
    shell.do("account", "topup", "acme", "5", "--ref", "pay-2")
    return shell


def tamper(shell, *statements: str) -> None:
    """Edit the database the way somebody with its file could."""
    engine = sqlalchemy.create_engine(shell.url)
    with engine.begin() as conn:
        names = conn.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.all():
            conn.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            conn.exec_driver_sql(statement)
    engine.dispose()


def test_a_sound_ledger_is_one_line_with_counts(acme):
    said = acme.do("ledger", "verify")
    assert said.startswith("OK: 1 accounts, 2 entries")
    shown = acme.json("ledger", "verify")
    assert (shown["accounts"], shown["entries"], shown["faults"]) == (1, 2, [])
    newest = acme.json("account", "entries", "acme")[0]
    assert shown["last_hashes"] == {"acme": newest["hash"]}


def test_each_fault_is_one_line_and_the_exit_code_is_1(acme):
    acme.do("account", "add", "other", "--mode", "prepaid")
    tamper(
        acme,
        "UPDATE entry SET amount_micros = 1 WHERE seq = 1",
        "UPDATE account SET balance_micros = 7 WHERE code = 'other'",
    )
    result = acme.run("ledger", "verify")
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "account acme",
        "account other",
    ]
    assert result.stderr.startswith("fsbilling: 2 faults")
    faults = acme.run("ledger", "verify", "--json")
    assert faults.exit_code == 1
    assert '"kind": "edited"' in faults.stdout


def test_one_account_can_be_verified_alone(acme):
    acme.do("account", "add", "other", "--mode", "prepaid")
    tamper(acme, "UPDATE account SET balance_micros = 7 WHERE code = 'other'")
    assert acme.do("ledger", "verify", "--account", "acme").startswith("OK: 1 accounts")
    assert acme.run("ledger", "verify", "--account", "other").exit_code == 1


def test_an_unknown_account_is_refused(acme):
    acme.refused("ledger", "verify", "--account", "nobody")


def test_a_word_too_many_is_misuse(acme):
    acme.misused("ledger", "verify", "acme")
