"""Fifty equal calls on one account, by one real switch and by two: they share to the last second."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from billing import Billing
from fair_share import fair_talks_us
from lab import Lab
from patience import wait_for
from phones import Dial, Phones
from witness import US_PER_S, Leg

CENT = 10_000
CALLS = 50
CREDIT_S = 1_500
PER_S = 10
AS_SHIPPED = ""
NODES = {"fs1": (28_000, 29_998), "fs2": (30_000, 31_998)}


@dataclass(frozen=True)
class Node:
    """A switch, and the daemon beside it."""

    lab: Lab
    billing: Billing

    def start(self) -> None:
        self.lab.start()
        self.billing.start()

    def stop(self) -> None:
        self.billing.stop()
        self.lab.stop()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory, postgres, postgres_template):
    """Two nodes on one database, metering as shipped: 30 s a slice, 15 s before the answer."""
    url, nodes = postgres.url(postgres.create(postgres_template)), []
    for name, rtp_ports in NODES.items():
        folder = tmp_path_factory.mktemp(name)
        lab = Lab(folder / "lab", name, rtp_ports)
        nodes.append(Node(lab, Billing(lab, folder, url, AS_SHIPPED)))
    nodes[0].billing.tariff("std")
    try:
        for node in nodes:
            node.start()
        yield nodes
    finally:
        for node in nodes:
            node.stop()


@pytest.mark.parametrize(
    ("used", "user"), [(1, "1005"), (2, "1006")], ids=["one switch", "two switches"]
)
def test_fifty_equal_calls_end_together_and_use_the_credit_up(
    nodes, tmp_path, measured, used, user
):
    """At most 2 % unused, no call more than 2 s from its share, by the switches' own stamps."""
    nodes, code, books = nodes[:used], f"fair-{used}", nodes[0].billing
    books.customer(code, f"{CREDIT_S / 100}", user=user)
    _talk_until_credit_ends(nodes, tmp_path, user)
    cdrs = {cdr["uuid"]: cdr for cdr in books.wait_for_cdrs(code, CALLS)}
    legs = _answered(nodes, code)
    assert len(legs) == CALLS, books.log()[-2_000:]
    assert {uuid: cdr["duration_us"] for uuid, cdr in cdrs.items()} == {
        leg.uuid: leg.duration_us for leg in legs
    }

    talked_us = sum(leg.duration_us for leg in legs)
    shares_us = fair_talks_us(legs, CREDIT_S * US_PER_S)
    off_us = [leg.duration_us - fair for leg, fair in zip(legs, shares_us, strict=True)]
    charged_micros = sum(cdr["charge_micros"] for cdr in cdrs.values())
    what = f"fifty calls, {used} switch{'es' * (used > 1)}"
    measured(f"{what}: talked", f"{talked_us / US_PER_S:.2f} of {CREDIT_S} s")
    measured(f"{what}: charged", f"{charged_micros / 1e6:.2f} of {CREDIT_S / 100:.2f}")
    measured(f"{what}: off the fair share", f"{_ms(min(off_us))} to {_ms(max(off_us))} ms")
    measured(f"{what}: from the first end to the last", f"{_ms(_spread_us(legs))} ms")

    assert 0.98 * CREDIT_S * US_PER_S <= talked_us <= CREDIT_S * US_PER_S
    assert max(map(abs, off_us)) <= 2 * US_PER_S
    assert charged_micros <= CREDIT_S * CENT
    assert {cdr["hung_up_by"] for cdr in cdrs.values()} == {"credit"}
    assert all(cdr["charge_micros"] == cdr["billed_s"] * CENT for cdr in cdrs.values())
    books.assert_ledger_adds_up(code)


def _talk_until_credit_ends(nodes: list[Node], tmp_path, user: str) -> None:
    """All calls, shared out among the nodes, each rings for up to 3 s; nobody hangs up."""
    every = [Phones(node.lab, tmp_path / node.lab.name) for node in nodes]
    dials = [Dial(f"138{n:04}0{37 * n % 300:03}", user=user, mode="wait") for n in range(CALLS)]
    try:
        for phones in every:
            phones.carrier()
        calls = [
            phones.place(dials[n :: len(nodes)], per_s=PER_S // len(nodes))
            for n, phones in enumerate(every)
        ]
        for call in calls:
            call.done()
        for node in nodes:
            node.lab.wait_until_idle()
    finally:
        for phones in every:
            phones.stop()


def _answered(nodes: list[Node], code: str) -> list[Leg]:
    """The account's legs as the switches recorded them, when all records are written."""

    def legs() -> list[Leg]:
        every = [leg for node in nodes for leg in node.lab.witness.legs()]
        return [leg for leg in every if leg.account == code and leg.call == leg.uuid]

    wait_for(lambda: len(legs()) >= CALLS, "the switches' records")
    return [leg for leg in legs() if leg.answered_us]


def _spread_us(legs: list[Leg]) -> int:
    return max(leg.ended_us for leg in legs) - min(leg.ended_us for leg in legs)


def _ms(us: int) -> str:
    return f"{us // 1_000:+d}"
