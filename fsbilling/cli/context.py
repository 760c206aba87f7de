"""What every command starts from: the configuration, the database, and how a refusal ends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from fsbilling.clock import SystemClock
from fsbilling.errors import Refused

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fsbilling.config import Config
    from fsbilling.credit.account import Account
    from fsbilling.store.engine import Database

T = TypeVar("T")


class Invocation:
    """One run of the command line.

    Attributes:
        config_path: Where `--config` or FSBILLING_CONFIG points; None: the usual places.
    """

    def __init__(self, config_path: Path | None) -> None:
        self.config_path = config_path

    @cached_property
    def config(self) -> Config:
        """The configuration, read once; raises ConfigError."""
        from fsbilling.config import load

        return load(self.config_path, os.environ)

    def warn(self) -> None:
        """Say on stderr what in the configuration works and should not stay so."""
        from fsbilling.config import warnings

        for warning in warnings(self.config):
            click.echo(f"warning: {warning}", err=True)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Open the database and close it after; raises SchemaError when its schema is not ours.

        What is logged meanwhile goes to stderr: stdout is the command's own.
        """
        from fsbilling import log
        from fsbilling.store import migrations
        from fsbilling.store.engine import Database

        log.configure(self.config.log)
        database = Database.open(self.config.database.url)
        try:
            migrations.check(database)
            yield database
        finally:
            database.close()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self.database() as database, database.write() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database."""
        with self.database() as database, database.read() as conn:
            yield conn


pass_invocation = click.make_pass_decorator(Invocation)


class Refusal(click.ClickException):
    """An understood and declined request ends the command with exit code 1."""

    exit_code = 1


def granted(answer: T | Refused) -> T:
    """Give the answer on, or end the command with the refusal's own sentence."""
    if isinstance(answer, Refused):
        raise Refusal(str(answer))
    return answer


def found(answer: T | None, what: str, where: str) -> T:
    """Give what was looked up, or end the command: no such thing, and where to look for it."""
    if answer is None:
        raise Refusal(f"there is no {what}; '{where}' shows what there is")
    return answer


def account(conn: Connection, code: str) -> Account:
    """Find one account, or end the command."""
    from fsbilling.store import accounts

    return found(accounts.find(conn, code), f"account {code!r}", "fsbilling account list")


def now_us() -> int:
    """The present moment of this machine."""
    return SystemClock().now_us()
