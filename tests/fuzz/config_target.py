"""The configuration file: a Config, or one line for each fault."""

from __future__ import annotations

import atexit
import functools
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fsbilling.config import Config, load
from fsbilling.config.risks import warnings
from fsbilling.errors import ConfigError

from .target import check_fault

MAX_BYTES = 8192
TEMPLATE = Path(__file__).parents[2] / "contrib" / "fsbilling.toml"
PASSWORD = "hunter2-hunter2"
WORDS = (
    b"[database]\n",
    b"[hook]\n",
    b"[[switch]]\n",
    b"[metering]\n",
    b"[numbering]\n",
    b"[log]\n",
    b'url = "sqlite:///x"\n',
    b"url_file = ",
    b"password_file = ",
    b"password_env = ",
    b'password = "' + PASSWORD.encode() + b'"\n',
    b'name = "fs1"\n',
    b'listen = "127.0.0.1:8084"\n',
    b"slice_s = ",
    b'emergency = ["110"]\n',
    b'"\\u0000"',
    b"1e9999",
    b"1979-05-27",
    b"[[[[",
    b"'''",
)


def seeds() -> Iterator[bytes]:
    yield TEMPLATE.read_bytes()[:MAX_BYTES]
    active = re.sub(r"(?m)^#\s?(?=[a-z_]+ = )", "", TEMPLATE.read_text())
    yield "\n".join(line for line in active.splitlines() if not line.startswith("#")).encode()
    yield b'[[switch]]\nname = "a"\npassword = "hunter2-hunter2"\n[[switch]]\nname = "a"\n'
    yield b"[hook]\ndeadline_ms = 1" + b"0" * 5000  # more than Python turns into a number
    yield b"[hook]\nlisten = 5\nlitsen = 1\n[nope]\n"


@functools.cache
def _path() -> Path:
    shm = "/dev/shm" if Path("/dev/shm").is_dir() else None
    handle, name = tempfile.mkstemp(prefix="fsbilling-fuzz-", suffix=".toml", dir=shm)
    os.close(handle)
    path = Path(name)
    atexit.register(path.unlink, missing_ok=True)
    return path


def check(data: bytes) -> None:
    path = _path()
    path.write_bytes(data)
    try:
        config = load(path, {"SECRET": "from the environment"})
    except ConfigError as fault:
        check_fault(fault, 50_000)
        _check_shown(str(fault))
        return
    assert isinstance(config, Config)
    assert all(repr(switch.password) in {"'***'", "''"} for switch in config.switches)
    assert all(isinstance(risk, str) for risk in warnings(config))
    assert 0 <= config.hook.address[1] < 65_536


def _check_shown(text: str) -> None:
    """Nothing in the file reaches a terminal as a control character."""
    assert all(line.isprintable() for line in text.split("\n"))
