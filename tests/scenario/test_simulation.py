"""A fixed number of simulated runs under faults; `make soak` goes on for as long as asked.

A failure names its seed: `python -m tests.simulation --seed N` replays it, line by line.
"""

import pytest
import structlog
from simulation.play import play
from simulation.shop import Shop

BATCHES, SEEDS_A_BATCH = 10, 12


@pytest.fixture(scope="module")
def shop():
    known = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    stocked = Shop()
    yield stocked
    stocked.close()
    structlog.configure(**known)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_rule_holds_whatever_goes_wrong(shop, batch):
    for seed in range(batch * SEEDS_A_BATCH, (batch + 1) * SEEDS_A_BATCH):
        try:
            played = play(seed, shop)
        except Exception as fault:  # noqa: BLE001 -- whatever broke, the seed is what matters
            pytest.fail(f"{fault}\n\nreplay: python -m tests.simulation --seed {seed}")
        assert played.commits


def test_the_same_seed_is_the_same_run(shop):
    assert play(7, shop).diary.troubles == play(7, shop).diary.troubles
