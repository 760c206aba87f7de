"""From a TOML file to a `Config`; every fault is named with its place."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from fsbilling.config import settings
from fsbilling.config.fetching import with_secrets
from fsbilling.config.secret import Secret
from fsbilling.config.settings import Config, Switch
from fsbilling.errors import ConfigError

PATH_VARIABLE = "FSBILLING_CONFIG"
STANDARD_PATHS = (Path("fsbilling.toml"), Path("/etc/fsbilling/fsbilling.toml"))

MAX_FILE = 1_000_000
MAX_FAULTS = 50
MAX_FAULT = 500
"""Characters; a fault may quote a key, and a key may be as long as the file."""

_SECTIONS: dict[str, type[Any]] = {
    "database": settings.Database,
    "hook": settings.Hook,
    "metering": settings.Metering,
    "numbering": settings.Numbering,
    "journal": settings.Journal,
    "log": settings.Log,
}
_SWITCH = "switch"
_SHOWN = {**{name: f"[{name}]" for name in _SECTIONS}, _SWITCH: f"[[{_SWITCH}]]"}


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the configuration and fetch the secrets it points to.

    The file is `path`, else the one that FSBILLING_CONFIG names, else the first there is of
    `STANDARD_PATHS`, else none: then every setting has its default. Raises ConfigError with one
    line for each fault.
    """
    found = _find(path, environ)
    if found is None:
        tables: dict[str, Any] = {}
        place = "configuration"
    else:
        tables = _read(found)
        place = str(found)
    faults = list(_faults(tables))
    if not faults:
        config, faults = with_secrets(_build(tables, found), environ)
    if faults:
        more = len(faults) - MAX_FAULTS
        lines = [f"{place}: {_one_line(fault)}" for fault in faults[:MAX_FAULTS]]
        raise ConfigError("\n".join(lines + [f"... and {more} more"] * (more > 0)))
    return config


def _one_line(fault: str) -> str:
    """Quote no control character of the file's to a terminal, and nothing without an end."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in fault[:MAX_FAULT])
    return shown + "..." * (len(fault) > MAX_FAULT)


def _find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is None and environ.get(PATH_VARIABLE):
        path = Path(environ[PATH_VARIABLE])
    if path is not None:
        return path
    return next(filter(Path.is_file, STANDARD_PATHS), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as fault:
        raise ConfigError(f"{path}: {(fault.strerror or 'cannot be read').lower()}") from None
    if len(data) > MAX_FILE:
        raise ConfigError(f"{path}: larger than {MAX_FILE} bytes; this is no configuration")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except (ValueError, RecursionError) as fault:  # also a number of more than 4,300 digits
        raise ConfigError(f"{path}: not TOML: {fault or 'nested too deep'}") from None


def _faults(tables: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong in the file itself."""
    for name, table in tables.items():
        if name == _SWITCH:
            yield from _switch_faults(table)
        elif name not in _SECTIONS:
            yield f"[{name}]: unknown section{_did_you_mean(name, _SHOWN)}"
        elif not isinstance(table, dict):
            yield f"{name}: expected a section, written [{name}]"
        else:
            yield from (f"[{name}] {fault}" for fault in _section_faults(_SECTIONS[name], table))


def _switch_faults(tables: object) -> Iterator[str]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        yield "switch: expected a section for each switch, written [[switch]]"
        return
    seen: set[str] = set()
    for position, table in enumerate(tables, start=1):
        name = str(table.get("name", Switch().name))
        place = f"[[switch]] {name!r}" if "name" in table else f"[[switch]] number {position}"
        yield from (f"{place} {fault}" for fault in _section_faults(Switch, table))
        if name in seen:
            yield f"{place} name: used twice; every switch needs its own"
        seen.add(name)


def _section_faults(section: type[Any], table: dict[str, Any]) -> list[str]:
    """Check each value by itself, and the section as a whole only when all of them pass."""
    fields = {field.name: field for field in msgspec.structs.fields(section)}
    faults = []
    for key, value in table.items():
        if key not in fields:
            faults.append(
                f"{key}: unknown key{_did_you_mean(key, {name: name for name in fields})}"
            )
            continue
        try:
            _convert(value, fields[key].type)
        except msgspec.ValidationError:
            faults.append(f"{key}: expected {_expectation(fields[key].type)}")
    if not faults:
        built = _convert(table, section)
        faults = [f"{key}: {sentence}" for key, sentence in built.faults()]
    return faults


def _expectation(kind: Any) -> str:  # noqa: ANN401 - a type, or what typing wraps it in
    """Say in words what a value must be."""
    match inspect.type_info(kind):
        case inspect.Metadata(extra_json_schema={"description": str(description)}):
            return description
        case inspect.IntType(ge=int(low), le=int(high)):
            return f"a whole number from {low} to {high}"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case _:
            return "text in quotes"


def _did_you_mean(word: str, shown: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(word, shown, n=1)
    return f"; did you mean {shown[close[0]]}?" if close else ""


def _convert(value: object, kind: Any) -> Any:  # noqa: ANN401 - as msgspec.convert
    return msgspec.convert(value, kind, dec_hook=_decode_secret)


def _decode_secret(kind: type, value: object) -> Secret:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("expected text")


def _build(tables: dict[str, Any], path: Path | None) -> Config:
    sections = {name: _convert(tables[name], _SECTIONS[name]) for name in tables if name != _SWITCH}
    if _SWITCH in tables:
        sections["switches"] = _convert(tables[_SWITCH], tuple[Switch, ...])
    return Config(path=path, **sections)
