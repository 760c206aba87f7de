"""Every setting, its type, bounds and default; contrib/fsbilling.toml says what each means.

The template and these structs are held together by a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from fsbilling.config.secret import Secret, without_password

DEFAULT_URL = Secret("sqlite:///fsbilling.db")
STOCK_PASSWORD = Secret("ClueCon")
"""What every FreeSWITCH is installed with (conf/vanilla, event_socket.conf.xml)."""

Fault: TypeAlias = tuple[str, str]
"""A key and a sentence about its value."""

_Folder: TypeAlias = Annotated[str, Meta(max_length=4096)]
_HOME = r"^(0(10|2[0-9]|[3-9][0-9]{2}))?\Z"


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    def faults(self) -> Iterator[Fault]:
        """Yield what no single value is to blame for."""
        yield from ()


class Database(_Section, frozen=True, kw_only=True):
    """`[database]`."""

    url: Secret = DEFAULT_URL
    url_file: _Folder = ""

    @property
    def shown_url(self) -> str:
        """The URL for people: without its password."""
        return without_password(self.url)

    def faults(self) -> Iterator[Fault]:
        """Name a second source of the URL, and a database we do not work with."""
        if self.url_file and self.url != DEFAULT_URL:
            yield "url_file", "url is set too; keep one of them"
        if not self.url.startswith(("sqlite:///", "postgresql://")):
            yield "url", "expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"


class Hook(_Section, frozen=True, kw_only=True):
    """`[hook]`."""

    listen: Annotated[
        str,
        Meta(
            pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}\Z",
            description='an address and a port such as "127.0.0.1:8084"',
        ),
    ] = "127.0.0.1:8084"
    deadline_ms: Annotated[int, Meta(ge=100, le=10_000)] = 2000
    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 1000

    @property
    def address(self) -> tuple[str, int]:
        """Host, without the brackets of IPv6, and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    def faults(self) -> Iterator[Fault]:
        """Name a port that does not exist."""
        if self.address[1] > 65_535:  # noqa: PLR2004 - 16 bits
            yield "listen", "expected a port from 0 to 65535"


class Switch(_Section, frozen=True, kw_only=True):
    """One `[[switch]]`. Once loaded, `password` is the one to use, wherever it came from."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._-]{1,64}\Z",
            description="1 to 64 characters of A-Z a-z 0-9 . _ -",
        ),
    ] = "fs1"
    host: Annotated[
        str, Meta(pattern=r"^[0-9A-Za-z:._-]{1,253}\Z", description="a host name or an IP address")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8021
    password: Secret = Secret("")
    password_file: _Folder = ""
    password_env: Annotated[str, Meta(max_length=256)] = ""
    json_cdr_dir: _Folder = ""

    def faults(self) -> Iterator[Fault]:
        """Name a second source of the password, and a password that ESL cannot carry."""
        if sum(map(bool, (self.password, self.password_file, self.password_env))) > 1:
            yield "password", "expected one of password, password_file, password_env, not several"
        if not self.password.isprintable():
            yield "password", "expected printable characters"


class Metering(_Section, frozen=True, kw_only=True):
    """`[metering]`."""

    slice_s: Annotated[int, Meta(ge=1, le=3600)] = 30
    first_slice_s: Annotated[int, Meta(ge=1, le=3600)] = 15
    renew_lead_s: Annotated[int, Meta(ge=1, le=60)] = 3
    cut_lead_ms: Annotated[int, Meta(ge=0, le=1000)] = 100
    warn_before_s: Annotated[int, Meta(ge=0, le=600)] = 30
    warn_sound: Annotated[
        str,
        Meta(
            # What goes into a uuid_broadcast command: one argument, no second line.
            pattern=r"^[!-~]{1,512}\Z",
            description="a tone or file without spaces, 1 to 512 ASCII characters",
        ),
    ] = "tone_stream://%(200,100,950);loops=3"
    warn_payer: bool = True
    poll_s: Annotated[int, Meta(ge=5, le=3600)] = 30

    def faults(self) -> Iterator[Fault]:
        """Name a lead that leaves no time between two renewals."""
        for slice_name in ("slice_s", "first_slice_s"):
            if self.renew_lead_s >= getattr(self, slice_name):
                yield "renew_lead_s", f"expected less than {slice_name}"


class Numbering(_Section, frozen=True, kw_only=True):
    """`[numbering]`."""

    home_area_code: Annotated[
        str, Meta(pattern=_HOME, description='an area code with its 0, such as "0755", or ""')
    ] = ""
    emergency: Annotated[
        frozenset[Annotated[str, Meta(pattern=r"^[0-9]{3,6}\Z")]],
        Meta(description='a list of numbers of 3 to 6 digits, such as ["110", "119"]'),
    ] = frozenset({"110", "119", "120", "122"})


class Journal(_Section, frozen=True, kw_only=True):
    """`[journal]`."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)] = "fsbilling.journal"
    max_mb: Annotated[int, Meta(ge=1, le=10_000)] = 64


class Log(_Section, frozen=True, kw_only=True):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    mask_numbers: bool = True


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration.

    Attributes:
        path: The file it was read from; None for the defaults.
        switches: One for each `[[switch]]`; with none in the file, the stock one on loopback.
    """

    path: Path | None = None
    database: Database = Database()
    hook: Hook = Hook()
    switches: tuple[Switch, ...] = (Switch(),)
    metering: Metering = Metering()
    numbering: Numbering = Numbering()
    journal: Journal = Journal()
    log: Log = Log()

    def journal_path(self, environ: Mapping[str, str]) -> Path:
        """Where the journal is.

        A relative path starts at the state folder that systemd names (STATE_DIRECTORY), else at
        the configuration's folder.
        """
        folder = self.path.parent if self.path else Path()
        return Path(environ.get("STATE_DIRECTORY") or folder) / self.journal.path
