"""What is not documented fails here: commands, options, settings, tables, and queries that run."""

import re
from pathlib import Path

import click
import msgspec
import pytest
from call_records import record
from sqlalchemy import text

from fsbilling.cli.main import fsbilling
from fsbilling.config import Config, Secret
from fsbilling.store import cdrs
from fsbilling.store.schema import metadata

DOCS = Path(__file__).parents[2] / "docs"
NOVEMBER_2026_US = 1_793_462_400_000_000


def sections(page: str, heading: str = "## ") -> dict[str, str]:
    """A page's sections by their headings."""
    parts = re.split(f"(?m)^{heading}", (DOCS / page).read_text(encoding="utf-8"))
    split = (part.partition("\n") for part in parts[1:])
    return {title.strip(): body for title, _, body in split}


def rows(section: str) -> dict[str, list[str]]:
    """A section's tables by the name in their first column."""
    lines = re.findall(r"(?m)^\| `(\w+)` \|(.*)\|$", section)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in lines}


def commands(command: click.Command, path: str = "fsbilling"):
    """Every command that does something, by what is typed."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    ctx = click.Context(command)
    for name in command.list_commands(ctx):
        below = command.get_command(ctx, name)
        assert below is not None
        yield from commands(below, f"{path} {name}")


COMMANDS = dict(commands(fsbilling))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_option_and_argument_is_documented(path):
    section = sections("commands.md")[path]
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            for name in parameter.opts:
                assert re.search(rf"`{name}\b", section), f"{name} is not in docs/commands.md"
        else:
            assert parameter.make_metavar(click.Context(COMMANDS[path])).strip("[]") in section


def test_no_command_is_documented_that_is_not_there():
    assert set(sections("commands.md")) == set(COMMANDS)


def test_every_global_option_is_documented():
    head = (DOCS / "commands.md").read_text(encoding="utf-8").split("\n## ")[0]
    for parameter in fsbilling.params:
        assert f"`{parameter.opts[-1]}" in head


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_help(path):
    command = COMMANDS[path]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.opts[0]}"


def settings() -> dict[str, type]:
    """Each section of the configuration, as it is written, with its struct."""
    named = {field.name: field.default for field in msgspec.structs.fields(Config)}
    found = {f"[{name}]": type(default) for name, default in named.items() if is_section(default)}
    return found | {"[[switch]]": type(named["switches"][0])}


def is_section(default: object) -> bool:
    return isinstance(default, msgspec.Struct)


def shown(default: object) -> str:
    """A default as the page writes it."""
    if isinstance(default, frozenset):
        return " ".join(f"`{value}`" for value in sorted(default))
    if default == "":
        return "empty"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


@pytest.mark.parametrize("section", settings())
def test_every_setting_is_documented_with_its_default(section):
    documented = rows(sections("settings.md")[section])
    fields = msgspec.structs.fields(settings()[section])
    assert list(documented) == [field.name for field in fields]
    for field in fields:
        default = str(field.default) if isinstance(field.default, Secret) else field.default
        assert documented[field.name][0] == shown(default), field.name


@pytest.mark.parametrize("section", settings())
def test_every_range_of_a_setting_is_documented(section):
    documented = rows(sections("settings.md")[section])
    for field in msgspec.structs.fields(settings()[section]):
        kind = msgspec.inspect.type_info(field.type)
        if isinstance(kind, msgspec.inspect.IntType):
            assert documented[field.name][1] == f"{kind.ge} to {kind.le}", field.name


def test_no_section_of_the_configuration_is_missing():
    assert set(sections("settings.md")) == set(settings())


@pytest.mark.parametrize("table", metadata.tables)
def test_every_table_and_column_is_documented(table):
    documented = rows(sections("sql-tables.md")[table])
    assert set(documented) == set(metadata.tables[table].columns.keys())
    assert all(meaning for (meaning,) in documented.values())


def queries(dialect: str) -> list[str]:
    page = (DOCS / "sql-tables.md").read_text(encoding="utf-8")
    found = re.findall(r"(?ms)^```sql ?(\w*)\n(.*?)^```", page)
    return [query for only, query in found if only in {"", dialect}]


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_every_test_that_a_page_names_is_there(page):
    named = re.findall(r"`(tests/[\w/]+\.py)\b", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (DOCS.parent / path).is_file()] == []


def test_every_example_query_runs(db):
    with db.write() as conn:
        assert cdrs.write(conn, record(1))
    found = queries(db.dialect)
    assert len(found) >= 8
    with db.read() as conn:
        for query in found:
            conn.execute(text(query)).all()


def test_the_invoice_query_counts_november_by_chinese_time(db):
    november = [
        record(n, created_us=NOVEMBER_2026_US + moment)
        for n, moment in enumerate((-1, 0, 30 * 86_400_000_000 - 1, 30 * 86_400_000_000))
    ]
    refused = record(9, created_us=NOVEMBER_2026_US, refusal="no_credit", charge_micros=0)
    with db.write() as conn:
        for cdr in (*november, refused):
            assert cdrs.write(conn, cdr)
    with db.read() as conn:
        (row,) = conn.execute(text(queries(db.dialect)[0])).all()
        by_day = conn.execute(text(queries(db.dialect)[1])).all()
    assert (row.account, row.calls, float(row.charge)) == ("acme", 2, 0.305)
    days = ["2026-10-31", "2026-11-01", "2026-11-30", "2026-12-01"]
    assert [str(day.day) for day in by_day] == days
