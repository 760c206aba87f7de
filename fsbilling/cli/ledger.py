"""`fsbilling ledger verify`: has anybody changed what was posted?"""

from __future__ import annotations

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, account, pass_invocation


@click.group("ledger")
def command() -> None:
    """The ledger: verify that nothing was changed."""


@command.command("verify")
@click.option("--account", "code", help="Only this account's.")
@output.json_option
@pass_invocation
def verify(invocation: Invocation, code: str | None, *, as_json: bool) -> None:
    """Check every entry's hash, order and amount, and every balance; exit 1 on any fault."""
    from fsbilling.store import accounts, entries

    with invocation.read() as conn:
        checked = [account(conn, code)] if code is not None else accounts.list_all(conn)
        faults = entries.verify(conn, code)
    if as_json:
        output.dump(
            {
                "accounts": len(checked),
                "faults": [
                    {
                        "account": fault.account,
                        "kind": fault.kind,
                        "seq": fault.seq,
                        "detail": fault.detail,
                    }
                    for fault in faults
                ],
            }
        )
    else:
        for fault in faults:
            output.say(f"account {fault.account}: {fault.detail}")
    if faults:
        raise Refusal(f"{len(faults)} faults; compare with a backup before the account is used")
    if not as_json:
        output.say(f"OK: {len(checked)} accounts, every entry as it was posted")
