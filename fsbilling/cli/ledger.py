"""`fsbilling ledger verify`: has anybody changed what was posted?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, account, pass_invocation

if TYPE_CHECKING:
    from fsbilling.ledger.chain import Fault


@click.group("ledger")
def command() -> None:
    """The ledger: verify that nothing was changed."""


@command.command("verify")
@click.option("--account", "code", help="Only this account's.")
@output.json_option
@pass_invocation
def verify(invocation: Invocation, code: str | None, *, as_json: bool) -> None:
    """Check every entry's hash, order and amount, and every balance; exit 1 on any fault.

    With --json each account's last hash is told: kept elsewhere, it proves that the entries up
    to it were not rewritten as a whole.
    """
    from fsbilling.store import accounts, entries

    with invocation.read() as conn:
        checked = [account(conn, code)] if code is not None else accounts.list_all(conn)
        last = {one.code: next(iter(entries.entries(conn, one.code, 1)), None) for one in checked}
        faults = entries.verify(conn, code)
    count = sum(entry.seq for entry in last.values() if entry is not None)
    if as_json:
        output.dump(
            {
                "accounts": len(checked),
                "entries": count,
                "last_hashes": {name: entry.hash for name, entry in last.items() if entry},
                "faults": [_fields(fault) for fault in faults],
            }
        )
    for fault in () if as_json else faults:
        output.say(f"account {fault.account}: {fault.detail}")
    if faults:
        raise Refusal(f"{len(faults)} faults; compare with a backup before the account is used")
    if not as_json:
        output.say(f"OK: {len(checked)} accounts, {count} entries, each as it was posted")


def _fields(fault: Fault) -> output.Fields:
    return {
        "account": fault.account,
        "kind": fault.kind,
        "seq": fault.seq,
        "detail": fault.detail,
    }
