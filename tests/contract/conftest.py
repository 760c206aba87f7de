"""Daemons that are made and not started: nothing listens, and nothing is linked."""

import pytest
from commands import Commands

from fsbilling.config import Config, Database, Switch
from fsbilling.config import Journal as JournalSettings
from fsbilling.daemon.daemon import Daemon


@pytest.fixture
def shell(sqlite_url, tmp_path):
    shell = Commands(sqlite_url)
    shell.open_for_business(tmp_path)
    shell.do("line", "add", "user:1001", "--account", "acme")
    return shell


@pytest.fixture
def made(shell, tmp_path):
    """Make a daemon of a configuration."""
    daemons = []

    def make(**sections):
        settings = {
            "database": Database(url=shell.url),
            "switches": (Switch(name="fs1"),),
            "journal": JournalSettings(path=str(tmp_path / "journal"), max_mb=1),
        }
        daemon = Daemon(Config(**(settings | sections)))
        daemon.billing.tables.refresh_tariffs()
        daemons.append(daemon)
        return daemon

    yield make
    for daemon in daemons:
        daemon._journal.close()
        daemon.db.close()
