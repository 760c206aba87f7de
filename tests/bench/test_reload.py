"""How long a reload keeps live calls waiting: the longest silence, printed; no time is asserted."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

PROBE = Path(__file__).with_name("reload_probe.py")
RATES = 100_000
SEGMENTS = 100_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def site(tmp_path, store_url):
    """A configuration, and files of 100,000 rates and 100,000 regions."""
    config = tmp_path / "fsbilling.toml"
    config.write_text(
        f'[database]\nurl = "{store_url}"\n[hook]\nlisten = "127.0.0.1:{free_port()}"\n'
        f'[[switch]]\nname = "none"\nport = {free_port()}\npassword = "secret"\n'
        '[log]\nlevel = "error"\n'
    )
    config.chmod(0o600)
    rates = tmp_path / "rates.csv"
    lines = (f"prefix:86{1_000_000 + n},0.15,6,6,深圳" for n in range(RATES))
    head = "destination,price_per_min,first_increment_s,next_increment_s,note\n"
    rates.write_text(head + "\n".join(lines))
    regions = tmp_path / "regions.csv"
    segments = (f"{1_300_000 + n},0755,深圳,广东" for n in range(SEGMENTS))
    regions.write_text("prefix,area_code,city,province\n" + "\n".join(segments))
    return config, rates, regions


def test_a_reload_lets_live_calls_have_their_turn(site, store_url):
    done = subprocess.run(
        [sys.executable, str(PROBE), *map(str, site)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("rates") == RATES
    print(f"\nlongest silence of live calls on {store_url.partition(':')[0]} (target 20 ms)")
    for phase, gap in told.items():
        print(
            f"  {phase}: {gap['longest_ms']} ms, {gap['own_ms']} ms of them computed here, "
            f"p99.9 {gap['p999_ms']} ms, in {gap['seconds']} s"
        )
