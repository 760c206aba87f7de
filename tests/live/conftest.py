"""One FreeSWITCH, one PostgreSQL database and one daemon for the whole live suite.

Each test has accounts, SIP users and 400 numbers of its own, so what it counts is its own too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from billing import Billing
from lab import Lab
from phones import Phones
from programs import missing

HERE = Path(__file__).parent
MEASURED = pytest.StashKey[list[tuple[str, str]]]()
SKIPPED = missing()

Measured = Callable[[str, object], None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASURED] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.live)
            if SKIPPED:
                item.add_marker(pytest.mark.skip(reason=SKIPPED))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if SKIPPED and "live" in str(config.getoption("markexpr")).replace("not live", ""):
        terminalreporter.write_line(SKIPPED)
    if figures := config.stash[MEASURED]:
        width = max(len(name) for name, _ in figures)
        terminalreporter.section("measured")
        for name, value in figures:
            terminalreporter.write_line(f"{name:<{width}}  {value}")


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Note a figure; all of them are printed when the suite ends."""

    def note(name: str, value: object) -> None:
        request.config.stash[MEASURED].append((name, str(value)))

    return note


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The laboratory FreeSWITCH."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="session")
def installation(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, postgres, postgres_template
) -> Iterator[Billing]:
    """Billing beside the lab, with its own PostgreSQL database."""
    folder = tmp_path_factory.mktemp("billing")
    billing = Billing(lab, folder, postgres.url(postgres.create(postgres_template)))
    billing.tariff("std")
    try:
        billing.start()
        yield billing
    finally:
        billing.stop()


@pytest.fixture
def billing(installation: Billing) -> Iterator[Billing]:
    """Billing, running when the test begins and when it ends."""
    yield installation
    if not installation.is_running:
        installation.start()


@pytest.fixture
def phones(lab: Lab, tmp_path: Path) -> Iterator[Phones]:
    """Telephones, and the carrier's callees on the other side."""
    phones = Phones(lab, tmp_path / "sipp")
    phones.carrier()
    yield phones
    lab.api("hupall")
    phones.stop()
    lab.wait_until_idle()
