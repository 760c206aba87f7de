"""Compare what SQL holds with what the switch carries, and mend the difference.

Runs after every time the link came up (a restart of the daemon among them) and every so often
in between. An answer that did not come changes nothing (DESIGN rule 5): the switch must say
itself, twice, that there is no such channel before its call counts as ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain

import msgspec
import structlog

from fsbilling.billing.breath import unhurried
from fsbilling.billing.ending import read_ending
from fsbilling.billing.held import read_holds
from fsbilling.billing.meter import Meter
from fsbilling.calls.call import CallKey
from fsbilling.calls.cdr import EndSource
from fsbilling.calls.event import HungUp, Settled
from fsbilling.calls.session import Phase, Session
from fsbilling.clock import Clock
from fsbilling.store import holds
from fsbilling.store.batches import in_batches
from fsbilling.store.engine import BULK_BOUND_S, Database
from fsbilling.store.hold_rows import Hold
from fsbilling.switch.channel import Channel
from fsbilling.switch.node import Node
from fsbilling.switch.witness import Witness

log = structlog.get_logger(__name__)

GONE_FOR_US = 2_000_000
"""A hang-up event may still be under way when its channel is gone: it gets this long."""

LIVE = (Phase.RINGING, Phase.TALKING)
"""What a call is in while nobody ends it."""

MAX_STRAYS = 500
"""How many unknown channels are looked at when a paying leg is missed."""


class Recovery:
    """Finds calls that the daemon lost sight of, and calls that the switch did."""

    def __init__(
        self,
        db: Database,
        meter: Meter,
        nodes: Mapping[str, Node],
        *,
        witnesses: Mapping[str, Witness],
        clock: Clock,
        on_unheld: Callable[[str, Channel], None],
        breathe: Callable[[], object] = lambda: None,
    ) -> None:
        self._breathe = breathe
        self._db = db
        self._meter = meter
        self._nodes = nodes
        self._witnesses = witnesses
        self._clock = clock
        self._on_unheld = on_unheld
        self._missed_us: dict[str, dict[CallKey, int]] = {name: {} for name in nodes}
        self._looked_at: dict[str, set[str]] = {name: set() for name in nodes}

    def sweep(self, switch: str, *, take_up: bool) -> int:
        """Look at every held call of one node; `take_up` after the link was away.

        Returns how many calls are missed and await a second look. Raises SwitchError or
        StoreError when one of the two did not answer; then nothing was concluded.
        """
        node = self._nodes[switch]
        # Before SQL is asked: a call that is authorised meanwhile would seem to have no hold.
        settled = self._with_a_hold(switch)
        with self._db.read(BULK_BOUND_S) as conn:
            held = list(unhurried(holds.outlines(conn, switch), self._breathe))
        asked_us = self._meter.now_us(switch)
        core_uuid = node.core_uuid()
        self._meter.signs.heard(switch, asked_us)
        listed = node.live_uuids()
        unheld = set(listed)
        doubtful: list[str] = []
        for outline in unhurried(held, self._breathe):
            session = self._meter.calls.get((switch, outline.uuid))
            settled.discard((switch, outline.uuid))
            unheld.discard(session.leg_uuid if session else outline.leg_uuid)
            if session is None or not _is_well(session, core_uuid, listed, take_up=take_up):
                doubtful.append(outline.uuid)
        strays = _Strays(node, unheld, self._breathe)
        missed: dict[CallKey, int] = {}
        for hold in map(self._as_metered, read_holds(self._db, switch, doubtful)):
            key = hold.call.key
            if hold.call.core_uuid != core_uuid:
                self._end(key, hold)
            elif not self._lives(key, hold, node, take_up=take_up):
                since_us = self._missed_us[switch].get(key, self._clock.now_us())
                if self._clock.now_us() - since_us >= GONE_FOR_US:
                    self._give_up(key, hold, strays)
                else:
                    missed[key] = since_us
        self._missed_us[switch] = missed
        self._forget_settled(settled)
        self._look_at_unheld(switch, node, unheld)
        return len(missed)

    def _with_a_hold(self, switch: str) -> set[CallKey]:
        """Name the calls that have a hold, as far as the meter knows at this moment."""
        return {
            session.call.key
            for session in unhurried(self._meter.calls.on(switch), self._breathe)
            if session.phase is not Phase.SETTLING and not self._meter.is_at_risk(session.call.key)
        }

    def _forget_settled(self, settled: AbstractSet[CallKey]) -> None:
        """Drop calls whose hold another daemon has settled while we thought them ours.

        What has been hung up since we looked at the calls is settled by ourselves.
        """
        for key in settled:
            session = self._meter.calls.get(key)
            if session is None or session.phase is Phase.SETTLING:
                continue
            log.warning("settled by another daemon", call_uuid=key[1])
            self._meter.post(key, Settled())

    def _as_metered(self, hold: Hold) -> Hold:
        """Give the hold with the leg that the meter follows: SQL may have failed to note it."""
        session = self._meter.calls.get(hold.call.key)
        return msgspec.structs.replace(hold, leg_uuid=session.leg_uuid) if session else hold

    def _look_at_unheld(self, switch: str, node: Node, unheld: AbstractSet[str]) -> None:
        """Find a dialler's call that began while nobody listened: it has a payer and no hold.

        Each channel is looked at once; most of them are the other legs of calls that are held.
        """
        looked_at = self._looked_at[switch]
        looked_at &= unheld
        for uuid in _first_of(unheld - looked_at, self._breathe):
            channel = node.dump(uuid)
            if channel is None or channel.hungup_us or not channel.variable("fsbilling_account"):
                looked_at.add(uuid)
            else:
                self._meter.signs.observe(switch, channel.stamped_us)
                self._on_unheld(switch, channel)

    def _lives(self, key: CallKey, hold: Hold, node: Node, *, take_up: bool) -> bool:
        """Tell whether the call is in good hands: its leg lives, and the meter knows it."""
        session = self._meter.calls.get(key)
        if session is not None and session.phase not in LIVE:
            return True
        leg = node.dump(hold.leg_uuid)
        if leg is None:
            return False
        if not leg.hungup_us:
            self._meter.signs.observe(key[0], leg.stamped_us)
            answered_us = hold.answered_us or leg.answered_us
            if session is None or take_up or (answered_us and not session.answered_us):
                self._meter.take_up(key, answered_us=answered_us, leg_uuid=hold.leg_uuid)
        return True

    def _give_up(self, key: CallKey, hold: Hold, strays: _Strays) -> None:
        leg_uuid = strays.of_call(hold.call.uuid)
        if leg_uuid is None:
            self._end(key, hold)
            return
        self._meter.take_up(key, answered_us=hold.answered_us, leg_uuid=leg_uuid)

    def _end(self, key: CallKey, hold: Hold) -> None:
        """End a call that is over: by the switch's own record, else at its last sign of life."""
        witness = self._witnesses.get(key[0])
        record = witness.find(hold.leg_uuid) if witness else None
        if record is not None:
            ending = read_ending(record, source=EndSource.WITNESS, at_us=hold.seen_us)
        else:
            ending = HungUp(
                leg_uuid=hold.leg_uuid,
                ended_us=hold.seen_us,
                answered_us=hold.answered_us,
                source=EndSource.ESTIMATE,
            )
        log.warning(
            "ended unseen", call_uuid=key[1], account=hold.call.account, source=ending.source.value
        )
        self._meter.post(key, ending)


def _is_well(session: Session, core_uuid: str, listed: frozenset[str], *, take_up: bool) -> bool:
    """Tell whether what the meter knows of a call needs no closer look."""
    if session.call.core_uuid != core_uuid:
        return False
    if session.phase not in LIVE:
        return True
    return bool(session.answered_us) and not take_up and session.leg_uuid in listed


def _first_of(uuids: AbstractSet[str], breathe: Callable[[], object]) -> list[str]:
    """Give the first `MAX_STRAYS`, in order, so that the same set gives the same ones."""
    first: list[str] = []
    for some in in_batches(uuids):
        first = sorted(chain(first, some))[:MAX_STRAYS]
        breathe()
    return first


class _Strays:
    """Channels that are nobody's leg so far: one of them may be what a transfer left behind."""

    def __init__(self, node: Node, uuids: AbstractSet[str], breathe: Callable[[], object]) -> None:
        self._node = node
        self._uuids = uuids
        self._breathe = breathe
        self._leg_of_call: dict[str, str] | None = None

    def of_call(self, call_uuid: str) -> str | None:
        """Give the living channel that carries this call's `fsbilling_call`; None if none does."""
        if self._leg_of_call is None:
            self._leg_of_call = {}
            for uuid in _first_of(self._uuids, self._breathe):
                channel = self._node.dump(uuid)
                if channel is not None and not channel.hungup_us:
                    self._leg_of_call[channel.variable("fsbilling_call")] = uuid
        return self._leg_of_call.get(call_uuid)
