"""Scenarios run on SQLite; the contract suite holds the rules over every store."""

import pytest
from commands import Commands
from switch_room import SwitchRoom
from world import World

from fsbilling.store.engine import Database


@pytest.fixture
def world(sqlite_url):
    database = Database.open(sqlite_url)
    yield World(database)
    database.close()


@pytest.fixture
def office(tmp_path, sqlite_url):
    office = Commands(sqlite_url)
    office.open_for_business(tmp_path)
    office.do("line", "add", "user:1001", "--account", "acme")
    return office


@pytest.fixture
def build(office, tmp_path):
    """Make the switches; with no names, one."""
    rooms = []

    def build(*names):
        rooms.append(SwitchRoom(tmp_path, office.url, names or ("fs1",)))
        return rooms[-1]

    yield build
    for room in rooms:
        room.end()


@pytest.fixture
def room(build):
    return build()
