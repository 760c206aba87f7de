"""Scenarios run on SQLite; the contract suite holds the rules over every store."""

import pytest
from world import World

from fsbilling.store.engine import Database


@pytest.fixture
def world(sqlite_url):
    database = Database.open(sqlite_url)
    yield World(database)
    database.close()
