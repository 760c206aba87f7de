"""Text that must not be shown: passwords, and URLs that may contain one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from fsbilling.errors import ConfigError

MAX_SECRET = 4096


class Secret(str):
    """A string whose `repr` says nothing, so that no log line, traceback or dump tells it.

    `str()` and formatting give the text: that is what it is for.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Three stars, or an empty text as such: that it is missing is no secret."""
        return "'***'" if self else "''"


def secret_from_file(path: Path) -> Secret:
    """Read a secret that is a file's only content; white space around it does not count.

    Raises ConfigError, without a place, when there is no usable text.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SECRET + 1).decode()
    except OSError as fault:
        raise ConfigError(f"{path}: {(fault.strerror or 'cannot be read').lower()}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except ValueError as fault:  # a NUL in the path
        raise ConfigError(f"{str(path)!r}: {fault}") from None
    return _checked(text, str(path))


def secret_from_environment(name: str, environ: Mapping[str, str]) -> Secret:
    """Read a secret from an environment variable; raises ConfigError, without a place."""
    return _checked(environ.get(name, ""), f"the environment variable {name}")


def without_password(url: str) -> str:
    """Write a URL for people: the password in it becomes three stars."""
    url = re.sub(r"(?<=://)([^/@:]*):.*@", r"\1:***@", url)
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", url)


def _checked(text: str, origin: str) -> Secret:
    text = text.strip()
    if not text:
        raise ConfigError(f"{origin} is empty")
    if len(text) > MAX_SECRET or not text.isprintable():
        raise ConfigError(f"{origin} is not one line of at most {MAX_SECRET} characters")
    return Secret(text)
