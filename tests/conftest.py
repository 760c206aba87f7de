"""Databases for every suite: a new one for each test, already migrated."""

from __future__ import annotations

import logging
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import Phase, settings
from postgres import Postgres, PostgresMissingError

from fsbilling.store import migrations
from fsbilling.store.engine import Database

# For `make mutants`: every run draws the same examples, and the first that fails is enough.
settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """What a command or a daemon of one test configured is not left to the next."""
    handlers = logging.root.handlers[:]
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let processes be interrupted though the tests run in the background (`nohup make test &`).

    A shell makes those ignore SIGINT, and their children too.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server of this test run."""
    try:
        cluster = Postgres.start_new()
    except PostgresMissingError as missing:
        pytest.fail(str(missing), pytrace=False)
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """A migrated PostgreSQL database, to copy."""
    name = postgres.create()
    migrations.upgrade(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def postgres_url(postgres: Postgres, postgres_template: str) -> Iterator[str]:
    """A new, migrated PostgreSQL database."""
    name = postgres.create(postgres_template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A new, migrated SQLite database."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'fsbilling.db')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A new, migrated database: the test runs once on each kind."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def db(store_url: str) -> Iterator[Database]:
    """A new, migrated database, opened: the test runs once on each kind."""
    database = Database.open(store_url)
    yield database
    database.close()
