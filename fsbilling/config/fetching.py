"""Fetches the secrets that a configuration points to: from files and from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from fsbilling.config.secret import Secret, secret_from_environment, secret_from_file
from fsbilling.config.settings import STOCK_PASSWORD, Config, Database, Switch
from fsbilling.errors import ConfigError

URL_VARIABLE = "FSBILLING_DATABASE_URL"


def with_secrets(config: Config, environ: Mapping[str, str]) -> tuple[Config, list[str]]:
    """Put the database's URL and the switches' passwords in; also return what went wrong.

    Paths are relative to the configuration's folder.
    """
    folder = config.path.parent if config.path else Path()
    faults: list[str] = []
    database, switches = config.database, []
    try:
        database = _with_url(config.database, folder, environ)
    except ConfigError as fault:
        faults.append(f"[database] {fault}")
    for switch in config.switches:
        try:
            switches.append(_with_password(switch, folder, environ))
        except ConfigError as fault:
            faults.append(f"[[switch]] {switch.name!r} {fault}")
    fetched = msgspec.structs.replace(config, database=database, switches=tuple(switches))
    return fetched, faults


def _with_url(database: Database, folder: Path, environ: Mapping[str, str]) -> Database:
    if environ.get(URL_VARIABLE):
        key, url = URL_VARIABLE, secret_from_environment(URL_VARIABLE, environ)
    elif database.url_file:
        key, url = "url_file", _from_file("url_file", folder / database.url_file)
    else:
        return database
    for _, sentence in Database(url=url).faults():
        raise ConfigError(f"{key}: {sentence}")
    return msgspec.structs.replace(database, url=url)


def _with_password(switch: Switch, folder: Path, environ: Mapping[str, str]) -> Switch:
    if switch.password_file:
        password = _from_file("password_file", folder / switch.password_file)
    elif switch.password_env:
        try:
            password = secret_from_environment(switch.password_env, environ)
        except ConfigError as fault:
            raise ConfigError(f"password_env: {fault}") from None
    else:
        password = switch.password or STOCK_PASSWORD
    return msgspec.structs.replace(switch, password=password)


def _from_file(key: str, path: Path) -> Secret:
    try:
        return secret_from_file(path)
    except ConfigError as fault:
        raise ConfigError(f"{key}: {fault}") from None
