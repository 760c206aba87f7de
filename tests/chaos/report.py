"""The table of figures of one trial, and its breaches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from witness import US_PER_S

from .audit import CENT, Audit
from .storm import Kind
from .traffic import Emergency
from .trial import Trial
from .vigil import Outage

DEAD_BEFORE_US, DEAD_AFTER_US = 5 * US_PER_S, 20 * US_PER_S
"""When an emergency call may fail: FreeSWITCH itself was killed under it, and was not up yet."""

NOTICED_US = 3 * US_PER_S
"""How long after a blow the hook may close by it."""

Figure = tuple[str, object]


class Report:
    """Figures and breaches of a trial that is over."""

    def __init__(self, trial: Trial, audit: Audit) -> None:
        self._trial = trial
        self._audit = audit
        self.breaches = [*audit.breaches(), *self._more_breaches()]

    def figures(self) -> Iterator[Figure]:
        yield from self._blows()
        yield from self._calls()
        yield from self._money()

    def _blows(self) -> Iterator[Figure]:
        hit = Counter(struck.kind for struck in self._trial.storm.struck if struck.part)
        closed = defaultdict(list)
        for outage in self._trial.vigil.outages:
            closed[self._cause(outage)].append(outage.length_s)
        for kind in Kind:
            yield kind.value, f"{hit[kind]:>4}   {_longest(closed[kind])}"
        yield "several of them within an outage", f"       {_longest(closed[None])}"
        closed_s = sum(outage.length_s for outage in self._trial.vigil.outages)
        yield "hook closed in all", f"{closed_s:.0f} s"
        exits = {service.name: service.exits for service in self._services() if service.exits}
        yield "exits that were no blow", exits or "none"

    def _calls(self) -> Iterator[Figure]:
        audit, trial = self._audit, self._trial
        yield "calls placed", trial.traffic.placed
        yield "legs in mod_json_cdr, of which pay", f"{len(audit.legs)}, {len(audit.billed_legs)}"
        yield "CDRs of calls", len(audit.books.cdrs)
        for name, count in sorted(audit.counts.items()):
            yield f"  {name}", count
        reasons = Counter(row["refusal"] for row in audit.books.refusals)
        yield "refused, by reason", dict(reasons)
        away = [leg for leg in audit.legs.values() if leg.cause == "NORMAL_TEMPORARY_FAILURE"]
        yield "refused because nobody answered (503)", sum(not leg.answered_us for leg in away)
        kinds = Counter(each["kind"] for each in trial.reconciled)
        applied = sum(each["applied"] for each in trial.reconciled)
        yield "reconcile --apply found", f"{dict(kinds)}, {applied} put right"
        failed = [call for call in trial.traffic.emergencies if call.phone.exit_code]
        excused = len(failed) - len(self._unexcused(failed))
        placed = len(trial.traffic.emergencies)
        yield "calls to 110", f"{placed}, {len(failed)} failed, {excused} with FreeSWITCH killed"

    def _money(self) -> Iterator[Figure]:
        audit = self._audit
        for code, row in sorted(audit.books.accounts.items()):
            of_account = [cdr for cdr in audit.books.cdrs if cdr["account"] == code]
            charged_s = sum(cdr["charge_micros"] for cdr in of_account) // CENT
            waived_s = sum(cdr["waived_micros"] for cdr in of_account) // CENT
            least = self._trial.vigil.least_free.get(code, 0) / 1e6
            left = (row["balance_micros"] + row["credit_limit_micros"]) / 1e6
            seconds = f"{charged_s} s charged, {waived_s} s begun and waived"
            credit = f"{left:.2f} left, {least:.2f} at least"
            yield f"account {code}", f"{len(of_account)} calls, {seconds}, {credit}"
        yield "samples of every account", self._trial.vigil.samples
        estimated = {uuid for uuid in audit.overtalk_us if uuid in audit.estimated}
        yield "talk beyond what was paid", _beyond(audit, audit.overtalk_us.keys() - estimated)
        yield "  where an estimate was made exact", _beyond(audit, estimated)
        topups = self._trial.topups
        yield "top-ups meanwhile", f"{len(topups.paid)}, {topups.repeated} commands repeated"

    def _more_breaches(self) -> Iterator[str]:
        trial = self._trial
        least = trial.vigil.least_free.items()
        yield from (f"below its limit: {code} at {micros}" for code, micros in least if micros < 0)
        yield from (f"top-up never went through: {ref}" for ref in trial.topups.unpaid)
        for call in self._unexcused([c for c in trial.traffic.emergencies if c.phone.exit_code]):
            yield f"emergency failed, placed at {call.at_us}: exit code {call.phone.exit_code}"
        for leg in self._audit.legs.values():
            if leg.called == "110" and not leg.answered_us:
                yield f"emergency not answered: {leg.uuid} {leg.cause}"
        for daemon in trial.daemons:
            if not daemon.has_settled_all:
                yield f"journal not played: {daemon.journal}"
            if faults := daemon.log.count("Traceback"):
                yield f"daemon {daemon.name} stumbled {faults} times: see its log"
        verified = trial.daemons[0].command("ledger", "verify")
        if verified.returncode:
            yield f"ledger verify: {verified.stdout}{verified.stderr}"
        for each in trial.reconciled:
            if not each["applied"] and each["kind"] != "missing_there":
                yield f"reconcile cannot put right: {each}"

    def _cause(self, outage: Outage) -> Kind | None:
        """What closed the hook; None when it was more than one blow."""
        within_us = range(outage.began_us - NOTICED_US, outage.ended_us)
        kinds = [s.kind for s in self._trial.storm.struck if s.part and s.at_us in within_us]
        return kinds[0] if len(kinds) == 1 else None

    def _unexcused(self, failed: list[Emergency]) -> list[Emergency]:
        killed_us = [s.at_us for s in self._trial.storm.struck if s.kind is Kind.SWITCH and s.part]
        return [
            call
            for call in failed
            if not any(
                -DEAD_BEFORE_US <= call.at_us - at_us <= DEAD_AFTER_US for at_us in killed_us
            )
        ]

    def _services(self) -> list:
        trial = self._trial
        return [trial.database, trial.switch, *(daemon.service for daemon in trial.daemons)]


def _longest(lengths_s: list[float]) -> str:
    if not lengths_s:
        return "-"
    return f"hook closed {len(lengths_s)} times, {max(lengths_s):.1f} s at most"


def _beyond(audit: Audit, uuids: set[str]) -> str:
    over_ms = [audit.overtalk_us[uuid] / 1e3 for uuid in uuids if audit.overtalk_us[uuid]]
    return f"{len(over_ms)} of {len(uuids)} calls, at most {max(over_ms, default=0):.0f} ms"
