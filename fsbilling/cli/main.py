"""The command `fsbilling`: finds the noun asked for, and turns every failure into one line.

A noun's module is imported only when it is asked for, so that `fsbilling --version` and shell
completion stay quick. Exit codes: 0 done, 1 refused or failed, 2 wrong usage (arguments, files,
configuration), 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from fsbilling import __version__
from fsbilling.cli.context import Invocation
from fsbilling.errors import ConfigError, FsbillingError, InputError

NOUNS = {
    "account": "Accounts: who pays, how much is free, what was paid.",
    "advise": "Which tariffs would have been cheapest for an account's calls.",
    "balance": "What the hook would answer now, and why.",
    "calls": "Live calls: list, end one.",
    "cdr": "Call detail records: list, show, export, correct.",
    "completion": "Print the completion script of a shell.",
    "config": "The configuration file: write one, check one.",
    "db": "The database: bring its schema up to date, show its state.",
    "demo": "See it work in half a minute, with a simulated switch.",
    "ledger": "The ledger: verify that nothing was changed.",
    "line": "Lines: what an outbound call is recognised by.",
    "number": "400 numbers and who owns them.",
    "rates": "Rate tables: import, list, export, compare, price calls.",
    "reconcile": "Compare records with the switch's own, and settle what was missed.",
    "regions": "Regions of numbers: import, status, look one up.",
    "serve": "Run the billing daemon.",
    "sim": "Run a simulated switch, with traffic to order.",
}
"""Every noun with its one line; its command is `fsbilling.cli.<noun>:command`."""

USAGE_EXIT = 2
INTERRUPTED_EXIT = 130


class Nouns(click.Group):
    """A group whose members are modules, imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every noun, whether its module is imported or not."""
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one noun's module."""
        if cmd_name not in NOUNS:
            return None
        module = importlib.import_module(f"fsbilling.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the nouns in the help without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete nouns without importing them."""
        nouns = [
            CompletionItem(noun, help=line)
            for noun, line in NOUNS.items()
            if noun.startswith(incomplete)
        ]
        return nouns + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command; what it raises becomes one line, unless `--debug` asks for more."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED_EXIT) from None
        except Exception as fault:
            if ctx.params["debug"]:
                raise
            raise _failure(fault) from fault

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's signature
        """Run one command line to its exit code, and exit with it."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as no_command:
            no_command.show()
            code = USAGE_EXIT
        except click.ClickException as failure:
            click.echo(f"fsbilling: {_one_line(failure)}", err=True)
            code = failure.exit_code
        except click.Abort:
            code = INTERRUPTED_EXIT
        sys.exit(code if isinstance(code, int) else 0)


class Misuse(click.ClickException):
    """A file or the configuration is wrong: the person who typed can put it right."""

    exit_code = USAGE_EXIT


def _failure(fault: Exception) -> click.ClickException:
    """Say what went wrong, and whose turn it is (exit code 2: the person who typed)."""
    if isinstance(fault, ConfigError | InputError):
        return Misuse(str(fault))
    if isinstance(fault, FsbillingError):
        return click.ClickException(str(fault))
    what = f"unexpected {type(fault).__name__}: {fault}"
    return click.ClickException(f"{what} (run again with --debug to see where)")


def _one_line(failure: click.ClickException) -> str:
    """The message; several lines only where a file has several faults to list."""
    if isinstance(failure, Misuse):
        return failure.format_message()
    line = " ".join(failure.format_message().split())
    if isinstance(failure, click.UsageError) and failure.ctx is not None:
        command = failure.ctx.command_path.removeprefix("fsbilling").strip()
        line = f"{command}: {line}" if command else line
        line = f"{line} See '{failure.ctx.command_path} --help'."
    return line


@click.command(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="FSBILLING_CONFIG",
    show_envvar=True,
    help="The configuration file.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.version_option(__version__, prog_name="fsbilling", message="%(prog)s %(version)s")
@click.pass_context
def fsbilling(ctx: click.Context, config_path: Path | None, *, debug: bool) -> None:  # noqa: ARG001
    """Billing for FreeSWITCH: 400 numbers and outbound calls, prepaid to the second."""
    ctx.obj = Invocation(config_path)


def main() -> None:
    """Start from the console script."""
    fsbilling.main(prog_name="fsbilling")
