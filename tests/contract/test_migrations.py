"""Migrations, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

import fsbilling
from fsbilling.errors import SchemaError, StoreError
from fsbilling.store import migrations
from fsbilling.store.engine import Database
from fsbilling.store.schema import metadata

CHECKOUT = Path(fsbilling.__file__).parent.parent
NEXT_REVISION = """
from alembic import op
revision, down_revision = "9999", "0001"
def upgrade():
    op.execute("CREATE TABLE later (id INTEGER)")
    if {fails}:
        op.execute("this is not SQL")
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """A database nobody has migrated."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    cluster = request.getfixturevalue("postgres")
    name = cluster.create()
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def empty_db(empty_url):
    database = Database.open(empty_url)
    yield database
    database.close()


def add_revision(monkeypatch, tmp_path, *, fails=False):
    """Make this version one that knows a later revision."""
    folder = tmp_path / "later 100% alembic"
    shutil.copytree(migrations.scripts(), folder)
    script = folder / "versions" / "9999_later.py"
    script.write_text(NEXT_REVISION.format(fails=fails))
    monkeypatch.setattr(migrations, "scripts", lambda: folder)


def described(conn):
    """Everything the database itself knows of the tables, without alembic's own."""
    inspector = inspect(conn)
    return {
        name: (
            [{**column, "type": str(column["type"])} for column in inspector.get_columns(name)],
            inspector.get_pk_constraint(name),
            _by_name(inspector.get_foreign_keys(name)),
            _by_name(inspector.get_unique_constraints(name)),
            _by_name(inspector.get_check_constraints(name)),
            _by_name(inspector.get_indexes(name)),
        )
        for name in inspector.get_table_names()
        if name != "alembic_version" and not migrations.is_partition(name)
    }


def _by_name(things):
    """Sorted, and as text: two equal SQL expressions are not `==`."""
    return sorted(str(_as_text(thing)) for thing in things)


def _as_text(value):
    if isinstance(value, dict):
        return {key: _as_text(each) for key, each in sorted(value.items())}
    return str(value)


def test_the_migrated_schema_is_the_one_the_code_knows(db):
    def is_ours(name, kind, _parents):
        return kind != "table" or not migrations.is_partition(name)

    with db.read() as conn:
        context = MigrationContext.configure(conn, opts={"include_name": is_ours})
        assert compare_metadata(context, metadata) == []


def test_migrated_and_created_tables_are_the_same_in_every_constraint(db):
    with db.write() as conn:
        migrated = described(conn)
        metadata.drop_all(conn)
        metadata.create_all(conn)
        assert described(conn) == migrated


def test_an_empty_database_is_upgraded_once(empty_url):
    assert migrations.status(empty_url) == migrations.SchemaStatus(None, "0001", known=True)
    for _ in range(2):
        migrations.upgrade(empty_url)
        assert migrations.status(empty_url) == migrations.SchemaStatus("0001", "0001", known=True)


def test_an_empty_database_is_refused_with_what_to_do(empty_db):
    with pytest.raises(SchemaError, match=r"is empty; run: fsbilling db upgrade$"):
        migrations.check(empty_db)


def test_a_database_of_this_version_is_accepted(db):
    migrations.check(db)


def test_an_older_database_is_refused_and_can_be_upgraded(db, store_url, monkeypatch, tmp_path):
    add_revision(monkeypatch, tmp_path)
    with pytest.raises(SchemaError, match=r"0001 .* needs 9999; run: fsbilling db upgrade$"):
        migrations.check(db)
    migrations.upgrade(store_url)
    migrations.check(db)


def test_a_newer_database_is_refused_and_left_alone(db, store_url):
    with db.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=r"9999, which this version does not know; install"):
        migrations.check(db)
    with pytest.raises(SchemaError, match="9999"):
        migrations.upgrade(store_url)
    assert migrations.status(store_url) == migrations.SchemaStatus("9999", "0001", known=False)


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(db, store_url, monkeypatch, tmp_path):
    add_revision(monkeypatch, tmp_path, fails=True)
    with pytest.raises(StoreError):
        migrations.upgrade(store_url)
    assert migrations.status(store_url).current == "0001"
    with db.read() as conn:
        assert not inspect(conn).has_table("later")


def test_a_wheel_carries_its_migrations(tmp_path):
    """The package as the wheel lays it out, away from the checkout."""
    site = tmp_path / "site"
    shutil.copytree(CHECKOUT / "fsbilling", site / "fsbilling")
    shutil.copytree(CHECKOUT / "alembic", site / "fsbilling" / "_data" / "alembic")
    url = f"sqlite:///{tmp_path / 'wheel.db'}"
    python(
        f"from fsbilling.store import migrations as m; m.upgrade({url!r}); print(m.scripts())",
        path=site,
    )
    assert migrations.status(url).current == "0001"


def test_the_checkouts_alembic_folder_does_not_hide_the_package():
    printed = python("import alembic.command; print(alembic.__file__)", path=CHECKOUT)
    assert not printed.startswith(str(CHECKOUT / "alembic"))


def python(code, *, path):
    """Run code in a new interpreter, in a folder of modules that come before all others."""
    modules = os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=path,
        env={**os.environ, "PYTHONPATH": modules},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
