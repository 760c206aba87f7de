"""The configuration: what can be set, how it is read, what is risky about it."""

from fsbilling.config.reading import load
from fsbilling.config.risks import warnings
from fsbilling.config.secret import Secret
from fsbilling.config.settings import (
    Config,
    Database,
    Hook,
    Journal,
    Log,
    Metering,
    Numbering,
    Switch,
)
from fsbilling.config.template import template

__all__ = [
    "Config",
    "Database",
    "Hook",
    "Journal",
    "Log",
    "Metering",
    "Numbering",
    "Secret",
    "Switch",
    "load",
    "template",
    "warnings",
]
