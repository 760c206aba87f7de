"""A log that cannot be written costs a line, never a call."""

import subprocess
import sys
from pathlib import Path

LOGGING = """
import structlog
from fsbilling import log
from fsbilling.config import Log
log.configure(Log())
for _ in range(3):
    structlog.get_logger().warning("settled", call_uuid="x" * 10_000)
print("goes on")
"""


def test_a_full_disk_under_the_log_stops_nothing():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", LOGGING], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert done.stdout == b"goes on\n"
