"""What the benches measure with: databases that commit to disk, a daemon, a laboratory switch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import Postgres

HERE = Path(__file__).parent
# The daemon, the telephones and the real switch are those of the live tests.
sys.path.insert(0, str(HERE.parent / "live"))
sys.path.insert(0, str(HERE.parent / "contract"))

from billing import Billing  # noqa: E402
from lab import Lab  # noqa: E402
from phones import Phones  # noqa: E402
from programs import missing  # noqa: E402
from recorded_switch import RecordedSwitch  # noqa: E402

from fsbilling.store import migrations  # noqa: E402

ACCOUNTS = 20
CREDIT = "900000"


@pytest.fixture(scope="session")
def disk_postgres() -> Iterator[Postgres]:
    """A PostgreSQL as in production: on the disk, and a commit is on it when it returns."""
    cluster = Postgres.start_new(durable=True)
    yield cluster
    cluster.remove()


@pytest.fixture
def disk_url(disk_postgres: Postgres) -> Iterator[str]:
    """A new, migrated database whose commits are on the disk."""
    name = disk_postgres.create()
    migrations.upgrade(disk_postgres.url(name))
    yield disk_postgres.url(name)
    disk_postgres.drop(name)


@pytest.fixture
def switch() -> Iterator[RecordedSwitch]:
    """A peer that says what a real FreeSWITCH said, and costs next to nothing."""
    peer = RecordedSwitch()
    yield peer
    peer.close()


@pytest.fixture
def serve(switch: RecordedSwitch, tmp_path: Path) -> Iterator[object]:
    """Start `fsbilling serve` on a database, for the recorded switch's calls."""
    daemons: list[Billing] = []

    def start(url: str) -> Billing:
        folder = tmp_path / str(len(daemons))
        folder.mkdir()
        daemon = Billing(switch, folder, url)
        daemons.append(daemon)
        daemon.tariff("std")
        for index in range(ACCOUNTS):
            code = f"bench{index}"
            daemon.customer(code, CREDIT)
            daemon.number(switch.number(index), code, "user/1001")
        switch.run(daemon.start)
        return daemon

    yield start
    for daemon in daemons:
        switch.run(daemon.stop)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The laboratory FreeSWITCH, as quiet as in production; skips where there is none."""
    if reason := missing():
        pytest.skip(reason)
    lab = Lab(tmp_path_factory.mktemp("lab"))
    try:
        lab.start()
        # At its level in the lab, writing the log is a good part of what a call costs.
        lab.api("fsctl loglevel warning")
        yield lab
    finally:
        lab.stop()


@pytest.fixture
def lab_billing(lab: Lab, disk_url: str, tmp_path: Path) -> Iterator[Billing]:
    """Billing for the laboratory switch, not yet started."""
    billing = Billing(lab, tmp_path, disk_url)
    billing.tariff("std")
    billing.customer("bench", CREDIT)
    yield billing
    billing.stop()


@pytest.fixture
def phones(lab: Lab, tmp_path: Path) -> Iterator[Phones]:
    """Callers, and the carrier's callees on the other side."""
    phones = Phones(lab, tmp_path / "sipp")
    phones.carrier()
    yield phones
    lab.api("hupall")
    phones.stop()
    lab.wait_until_idle()
