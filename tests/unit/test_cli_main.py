"""The command as a shell sees it: exit codes, one line, no traceback, a quick start."""

import os
import signal
import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from fsbilling import __version__
from fsbilling.cli import main as entry
from fsbilling.errors import StoreError

HEAVY = ("sqlalchemy", "alembic", "gevent", "greenswitch", "rich", "structlog", "psycopg")


@pytest.fixture
def shell(sqlite_url):
    def run(*words, **options):
        return subprocess.run(
            [sys.executable, "-m", "fsbilling", *words],
            env={**os.environ, "FSBILLING_DATABASE_URL": sqlite_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    return run


def test_the_version_is_told_without_any_heavy_import():
    program = (
        "import sys; from fsbilling.cli.main import fsbilling\n"
        "try: fsbilling.main(['--version'])\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"fsbilling {__version__}\n[]\n"


def test_the_help_names_every_noun_without_importing_it():
    program = (
        "import sys; from fsbilling.cli.main import fsbilling\n"
        "try: fsbilling.main(['--help'])\n"
        "finally: print(sorted(m for m in sys.modules if m.startswith('fsbilling.cli.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert all(f"  {noun} " in done.stdout for noun in entry.NOUNS)
    assert "['fsbilling.cli.context', 'fsbilling.cli.main']" in done.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("account", "list"), 0),
        (("account", "show", "nobody"), 1),
        (("account", "add", "acme"), 2),
        (("nosuch",), 2),
        (("--nosuch",), 2),
        (("account",), 2),
    ],
)
def test_exit_codes_tell_done_refused_and_misused_apart(shell, words, code):
    done = shell(*words)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_pipe_that_closes_early_is_quiet(shell, sqlite_url, tmp_path):
    table = tmp_path / "long.csv"
    rows = "\n".join(f"prefix:86{number},0.10" for number in range(100_000, 120_000))
    table.write_text(f"destination,price_per_min\n{rows}\n")
    assert shell("rates", "import", "std", str(table)).returncode == 0
    done = subprocess.run(
        f"{sys.executable} -m fsbilling rates export std | head -n 1",
        shell=True,
        env={**os.environ, "FSBILLING_DATABASE_URL": sqlite_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("origin,destination,")
    assert done.stderr == ""


def test_an_interrupt_is_quiet_and_exits_130(sqlite_url, tmp_path):
    fifo = tmp_path / "rates.csv"
    os.mkfifo(fifo)
    waiting = subprocess.Popen(
        [sys.executable, "-m", "fsbilling", "rates", "import", "std", str(fifo)],
        env={**os.environ, "FSBILLING_DATABASE_URL": sqlite_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with fifo.open("w"):  # opens when the command has begun to read
        time.sleep(0.2)
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, out, err.strip()) == (130, "", "")


def _failing(fault: BaseException) -> click.Command:
    @click.command("nosuch")
    def command() -> None:
        raise fault

    return command


@pytest.fixture
def raising(monkeypatch):
    """Run a command that raises."""

    def run(fault, *words):
        monkeypatch.setattr(entry.Nouns, "get_command", lambda *_: _failing(fault))
        return CliRunner().invoke(entry.fsbilling, [*words, "account"])

    return run


def test_an_unexpected_exception_is_one_line_and_says_how_to_see_more(raising):
    result = raising(KeyError("x"))
    assert result.exit_code == 1
    assert result.stderr == (
        "fsbilling: unexpected KeyError: 'x' (run again with --debug to see where)\n"
    )


def test_debug_shows_where_it_happened(raising):
    result = raising(KeyError("x"), "--debug")
    assert isinstance(result.exception, KeyError)


def test_a_fault_of_several_lines_is_told_in_one(raising):
    result = raising(StoreError("first\nsecond"))
    assert (result.exit_code, result.stderr) == (1, "fsbilling: first second\n")


def test_an_interrupt_inside_a_command_exits_130(raising):
    result = raising(KeyboardInterrupt())
    assert (result.exit_code, result.output) == (130, "")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts_call_back_for_our_words(shell, name):
    assert "_FSBILLING_COMPLETE" in shell("completion", name).stdout


def test_the_shell_completes_nouns_and_verbs():
    def complete(typed: str) -> list[str]:
        words = typed.split(" ")
        done = subprocess.run(
            [sys.executable, "-c", "from fsbilling.cli.main import main; main()"],
            env={
                **os.environ,
                "_FSBILLING_COMPLETE": "bash_complete",
                "COMP_WORDS": typed,
                "COMP_CWORD": str(len(words) - 1),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return [line.removeprefix("plain,") for line in done.stdout.splitlines()]

    assert complete("fsbilling acc") == ["account"]
    assert complete("fsbilling account sus") == ["suspend"]
    assert "--mode" in complete("fsbilling account add --")
