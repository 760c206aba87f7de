"""`fsbilling calls`: the calls that hold credit now, and how to end one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, account, now_us, pass_invocation
from fsbilling.clock import US_PER_S
from fsbilling.money import format_micros

if TYPE_CHECKING:
    from fsbilling.config import Switch
    from fsbilling.store.hold_rows import Hold


@click.group("calls")
def command() -> None:
    """Live calls: list, end one."""


@command.command("list")
@click.option("--account", "code", help="Only this account's.")
@click.option("--switch", help="Only this FreeSWITCH's, by its name in the configuration.")
@output.json_option
@pass_invocation
def list_live(
    invocation: Invocation, code: str | None, switch: str | None, *, as_json: bool
) -> None:
    """List live calls with what they were granted and what is held for them."""
    from fsbilling.store import holds

    with invocation.read() as conn:
        if code is not None:
            account(conn, code)
        live = holds.live(conn, account=code)
    if switch is not None:
        live = [hold for hold in live if hold.call.switch == switch]
        if not live:
            # One that the configuration names no more may have calls; one of neither is misspelt.
            _switch(invocation, switch)
    at_us = now_us()
    if as_json:
        output.dump([_fields(hold, at_us) for hold in live])
        return
    output.table(
        ["account", "service", "caller", "callee", ">talked", ">granted", ">held", "uuid"],
        [
            (
                hold.call.account,
                hold.call.service,
                hold.call.caller.dialled,
                hold.call.callee.dialled,
                f"{_talked_s(hold, at_us)} s" if hold.answered_us else "ringing",
                f"{hold.granted_s} s",
                format_micros(hold.amount_micros),
                hold.call.uuid,
            )
            for hold in live
        ],
    )


@command.command("kill")
@click.argument("uuid")
@click.option("--switch", help="The FreeSWITCH that has it; by default the one that billing knows.")
@pass_invocation
def kill(invocation: Invocation, uuid: str, switch: str | None) -> None:
    """End one call on its FreeSWITCH; it is settled like any other."""
    from fsbilling.store import holds

    node = None if switch is None else _switch(invocation, switch)
    with invocation.read() as conn:
        held = [hold for hold in holds.live(conn, switch=switch) if hold.call.uuid == uuid]
    if node is None:
        if len(held) != 1:
            why = "no live call has it" if not held else "it lives on several"
            raise Refusal(f"cannot tell which switch has call {uuid}: {why}; give --switch NAME")
        node = _switch(invocation, held[0].call.switch)
    leg_uuid = held[0].leg_uuid if held else uuid
    if not _killed(node, leg_uuid):
        raise Refusal(f"switch {node.name} has no call {uuid}; it has ended already")
    output.say(f"ended call {uuid} on switch {node.name}")


def _switch(invocation: Invocation, name: str) -> Switch:
    switches = {node.name: node for node in invocation.config.switches}
    if name not in switches:
        known = ", ".join(switches) or "none"
        raise Refusal(f"there is no switch {name!r} in the configuration; it names {known}")
    return switches[name]


def _killed(node: Switch, uuid: str) -> bool:
    """Hang the leg up over a connection of our own; False when the switch does not have it."""
    from fsbilling.calls.cause import MANAGER_REQUEST
    from fsbilling.switch.link import InboundConnection
    from fsbilling.switch.node import Node

    connection = InboundConnection(node.host, node.port, node.password)

    def api(command: str, timeout_s: float = 5.0) -> str:
        reply = connection.send(f"api {command}", timeout_s)
        return str(reply.body.decode("utf-8", "replace"))

    connection.connect()
    try:
        return Node(node.name, api).kill(uuid, MANAGER_REQUEST)
    finally:
        connection.stop()


def _talked_s(hold: Hold, at_us: int) -> int:
    return max(at_us - hold.answered_us, 0) // US_PER_S if hold.answered_us else 0


def _fields(hold: Hold, at_us: int) -> output.Fields:
    call = hold.call
    return {
        "account": call.account,
        "service": call.service,
        "caller": call.caller.dialled,
        "callee": call.callee.dialled,
        "talked_s": _talked_s(hold, at_us),
        "granted_s": hold.granted_s,
        **output.money("held", hold.amount_micros),
        "included_s": hold.included_s,
        "month": hold.call.month,
        **output.moment("authorised", hold.authorised_us),
        **output.moment("answered", hold.answered_us),
        "tariff": hold.terms.tariff,
        "tariff_version": hold.terms.version,
        **output.money("price", hold.terms.rate.rate_micros_per_min, "_per_min"),
        "switch": call.switch,
        "uuid": call.uuid,
        "leg_uuid": hold.leg_uuid,
    }
