"""Run the migrations on the connection that `fsbilling db upgrade` opened.

Developers' `alembic` command names the database itself: `-x url=sqlite:///scratch.db`.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from fsbilling.store.engine import Database
from fsbilling.store.migrations import is_partition
from fsbilling.store.schema import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=lambda name, kind, _: kind != "table" or not is_partition(name),
        # SQLite can roll back DDL too, as we say BEGIN ourselves.
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with Database.open(context.get_x_argument(as_dictionary=True)["url"]).write() as opened:
        run(opened)
