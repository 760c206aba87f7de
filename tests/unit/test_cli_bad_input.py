"""Every command, each of its words in turn something that nobody meant: one clear line, no fault."""

import click
import pytest
from commands import Commands

from fsbilling.cli.main import fsbilling

STARTS_SOMETHING = {("serve",), ("demo",), ("sim",)}
WRONG = ["", "\udcff", "' OR 1=1 --", "9" * 400, "2026-13-45"]
NEEDED = {"mode": "prepaid", "amount": "1"}


def commands(command, path=()):
    """Every command that does something and ends, by its words."""
    if not isinstance(command, click.Group):
        if path not in STARTS_SOMETHING:
            yield path, command
        return
    ctx = click.Context(command)
    for name in command.list_commands(ctx):
        yield from commands(command.get_command(ctx, name), (*path, name))


COMMANDS = dict(commands(fsbilling))


def lines_with(command, value):
    """Give command lines with this value in the place of each option's and argument's."""
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [
        each for each in command.params if isinstance(each, click.Option) and not each.is_flag
    ]
    for odd in (*arguments, *options):
        words = []
        for option in options:
            if option is odd or option.required:
                words += [option.opts[-1], value if option is odd else NEEDED.get(option.name, "r")]
        yield [
            *words,
            "--",
            *(value if each is odd else NEEDED.get(each.name, "acme") for each in arguments),
        ]


@pytest.fixture
def shell(sqlite_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shell = Commands(sqlite_url, STATE_DIRECTORY=str(tmp_path))
    shell.open_for_business(tmp_path)
    return shell


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_word_that_nobody_meant_is_one_line_or_nothing(shell, path):
    for value in WRONG:
        for words in lines_with(COMMANDS[path], value):
            result = shell.run(*path, *words)
            what = (words, result.output)
            assert result.exit_code in {0, 1, 2}, what
            assert "unexpected" not in result.stderr, what
            if result.exit_code:
                assert result.stderr.startswith("fsbilling: "), what
                assert result.stderr.count("\n") == 1, what


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_option_that_is_not_there_is_misuse(shell, path):
    shell.misused(*path, "--nonsense")


def test_a_switch_that_nobody_knows_is_refused(shell):
    assert "there is no switch 'fs-1'" in shell.refused("calls", "list", "--switch", "fs-1")
