"""The core's simulation: a fixed number of runs, and whether it finds what it is there to find.

A failure names its seed: `python -m tests.simulation --kind core --seed N` replays it.
"""

from __future__ import annotations

import pytest
import structlog
from simulation import planted
from simulation.kind import CORE

BATCHES, SEEDS_A_BATCH = 5, 4
MOST_SEEDS = 30
"""A planted bug must be found within so many runs."""


@pytest.fixture(scope="module")
def shop():
    known = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield CORE.open_shop()
    structlog.configure(**known)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_rule_holds_at_full_speed(shop, batch):
    with CORE.at_work():
        for seed in range(batch * SEEDS_A_BATCH, (batch + 1) * SEEDS_A_BATCH):
            try:
                played = CORE.play(seed, shop)
            except Exception as fault:  # noqa: BLE001 -- whatever broke, the seed is what matters
                pytest.fail(f"{fault}\n\nreplay: {CORE.replay(seed)}")
            assert played.commits


def test_the_same_seed_is_the_same_core_run(shop):
    with CORE.at_work():
        first, again = CORE.play(7, shop), CORE.play(7, shop)
    assert (first.calls, first.commits) == (again.calls, again.commits)
    assert first.diary.troubles == again.diary.troubles


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found_and_its_rule_named(shop, monkeypatch, bug):
    with CORE.at_work():
        bug(monkeypatch)
        with pytest.raises(planted.RuleBrokenError, match=rf"^rule {planted.BUGS[bug]}:"):
            play_on(shop)


def play_on(shop):
    for seed in range(MOST_SEEDS):
        CORE.play(seed, shop)
