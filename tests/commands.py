"""Runs `fsbilling` commands in a test, on the test's own database."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result
from sqlalchemy import select

from fsbilling.cli.main import fsbilling
from fsbilling.store.engine import Database
from fsbilling.store.schema import metadata


class Commands:
    """One person at a shell: what was printed, how it exited, what is in SQL now."""

    def __init__(self, url: str, **environment: str) -> None:
        self.url = url
        self._environment = {"FSBILLING_DATABASE_URL": url, **environment}

    def run(self, *words: object) -> Result:
        result = CliRunner().invoke(
            fsbilling, [str(word) for word in words], prog_name="fsbilling", env=self._environment
        )
        assert "Traceback" not in result.output
        return result

    def do(self, *words: object) -> str:
        """Run a command that works, and give what it printed."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: object):
        return json.loads(self.do(*words, "--json"))

    def refused(self, *words: object) -> str:
        """Run a command that is declined: one line, exit code 1, and SQL as it was."""
        return self._fails(1, *words)

    def misused(self, *words: object) -> str:
        """Run a command that was typed wrongly: one line, exit code 2, and SQL as it was."""
        return self._fails(2, *words)

    def _fails(self, code: int, *words: object) -> str:
        before = self.rows()
        result = self.run(*words)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("fsbilling: ")
        assert result.stderr.count("\n") == 1
        assert self.rows() == before
        return result.stderr

    def rows(self) -> dict[str, list[tuple]]:
        """Everything in the database."""
        database = Database.open(self.url)
        try:
            with database.read() as conn:
                return {
                    table.name: [tuple(row) for row in conn.execute(select(table))]
                    for table in metadata.sorted_tables
                }
        finally:
            database.close()

    def open_for_business(self, tmp_path) -> None:
        """A tariff for both services, and the prepaid account acme with 10.00."""
        table = tmp_path / "std.csv"
        table.write_text("origin,destination,price_per_min,note\n*,*,0.60,一分一秒\n")
        self.do("rates", "import", "std", table, "--from", "2026-01-01")
        tariffs = ("--tariff", "400=std", "--tariff", "outbound=std")
        self.do("account", "add", "acme", "--mode", "prepaid", *tariffs)
        self.do("account", "topup", "acme", "10", "--ref", "pay-1")
