"""The commented configuration that `fsbilling config init` writes."""

from __future__ import annotations

from pathlib import Path

from fsbilling.errors import ConfigError

_PACKAGE = Path(__file__).parents[1]
_PLACES = (
    _PACKAGE / "_data" / "contrib" / "fsbilling.toml",
    _PACKAGE.parent / "contrib" / "fsbilling.toml",
)
"""In an installed wheel, and in a checkout."""


def template() -> str:
    """Read contrib/fsbilling.toml. Raises ConfigError when the installation lacks it."""
    for path in _PLACES:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigError("contrib/fsbilling.toml is missing; install fsbilling again")
