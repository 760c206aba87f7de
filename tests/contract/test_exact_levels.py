"""An estimate made exact changes its month's volume: a level is reached by it, or no longer."""

import msgspec
import pytest
from world import CENT_A_SECOND, S, World

from fsbilling.billing.exact import Exact, make_exact
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import EndSource
from fsbilling.calls.settlement import ending_of
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.plan import LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.store import entries
from fsbilling.store.schema import cdr

LEVELLED = Plan(levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME))
CHEAPER = (CENT_A_SECOND, Rate(rate_micros_per_min=300_000, level_from=2))
DEARER = (CENT_A_SECOND, Rate(rate_micros_per_min=1_200_000, level_from=2))


def a_month(db, rates, *seconds):
    """Calls of so many seconds; the last one was estimated."""
    world = World(db)
    world.open_for_business(rates=rates, plan=LEVELLED, credit="9")
    for talk_s in seconds:
        uuid = world.call(talk_us=talk_s * S)
        world.run(talk_s + 5)
    with db.write() as conn:
        estimate = cdr.update().where(cdr.c.uuid == uuid)
        conn.execute(estimate.values(end_source=EndSource.ESTIMATE))
    return world, world.cdr(uuid)


def ends(world, estimate, talked_s):
    """Let the estimate's end be known."""
    ending = msgspec.structs.replace(
        ending_of(estimate),
        ended_us=estimate.answered_us + talked_s * S,
        source=EndSource.WITNESS,
    )
    book = TariffBook(world.db)
    return make_exact(world.db, book, estimate, ending, now_us=world.clock.now_us())


def paid_micros(world):
    assert world.ledger_faults() == []
    return 9_000_000 - world.account().balance_micros


@pytest.mark.parametrize(
    ("rates", "estimated_s", "exact_s", "micros"),
    [
        (CHEAPER, 25, 35, 125 * 5_000),
        (CHEAPER, 35, 25, 115 * 10_000),
        (CHEAPER, 35, 45, 135 * 5_000),
        (CHEAPER, 15, 25, 115 * 10_000),
        (DEARER, 25, 35, 125 * 20_000),
        (DEARER, 35, 25, 115 * 10_000),
    ],
)
def test_a_month_comes_to_what_its_level_asks_after_an_exact_end(
    db, rates, estimated_s, exact_s, micros
):
    world, estimate = a_month(db, rates, 50, 40, estimated_s)
    exact = ends(world, estimate, exact_s)
    assert exact == Exact(world.cdr(estimate.uuid))
    assert (exact.cdr.billed_s, exact.cdr.end_source) == (exact_s, EndSource.WITNESS)
    assert (world.usage().billed_s, world.usage().calls) == (90 + exact_s, 3)
    assert paid_micros(world) == micros
    before = paid_micros(world)
    assert ends(world, estimate, exact_s) is None
    assert paid_micros(world) == before


def test_what_a_dearer_level_asks_beyond_the_credit_waits_and_is_told(db):
    world, estimate = a_month(db, DEARER, 50, 40, 25)
    with db.write() as conn:
        out_micros = 300_000 - world.account().free_micros
        entries.adjust(conn, "acme", amount_micros=out_micros, ref="out", note="", at_us=1)
    exact = ends(world, estimate, 35)
    assert exact.cdr.charge_micros == 350_000
    assert exact.month_left.reason == "no_credit"
    assert "1.25 more is not free" in exact.month_left.detail
    assert len(world.entries(EntryKind.ADJUSTMENT)) == 1
    assert world.account().balance_micros == 200_000
    assert world.ledger_faults() == []


def test_an_estimate_whose_version_is_not_here_stays(db):
    world, estimate = a_month(db, CHEAPER, 50, 40, 25)
    with db.write() as conn:
        conn.execute(cdr.update().values(tariff_version=9))
    refused = ends(world, estimate, 35)
    assert (refused.reason, refused.detail) == ("no_tariff", "tariff std has no version 9")
    assert world.cdr(estimate.uuid).end_source is EndSource.ESTIMATE


def test_a_month_with_an_earlier_version_that_is_not_here_is_left_and_told(db):
    world, estimate = a_month(db, CHEAPER, 50, 40, 25)
    with db.write() as conn:
        conn.execute(cdr.update().where(cdr.c.billed_s == 50).values(tariff_version=9))
    exact = ends(world, estimate, 35)
    assert exact.cdr.billed_s == 35
    assert exact.month_left.reason == "no_tariff"
    assert world.entries(EntryKind.ADJUSTMENT) == []
