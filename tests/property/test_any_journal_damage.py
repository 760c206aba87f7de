"""Whatever happens to the journal's bytes: no crash, and each whole record is played once."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fsbilling.store.journal import Journal

records = st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=12, unique=True)


def written(path, payloads):
    """The file, and where each record's line lies in it."""
    journal, places, at = Journal(path, max_bytes=1_000_000), [], 0
    for payload in payloads:
        journal.append(payload)
        places.append(range(at, journal.used_bytes))
        at = journal.used_bytes
    journal.close()
    return places


def played(path):
    journal, found = Journal(path, max_bytes=1_000_000), []
    while (record := journal.first()) is not None:
        found.append(record)
        journal.drop_first()
    journal.append(b"goes on")
    assert journal.first() == b"goes on"
    journal.close()
    return found


@given(payloads=records, data=st.data())
def test_any_truncation_leaves_the_records_before_it(payloads, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        places = written(path, payloads)
        size = data.draw(st.integers(0, path.stat().st_size))
        with path.open("r+b") as file:
            file.truncate(size)
        whole = [p for p, place in zip(payloads, places, strict=True) if place.stop - 1 <= size]
        assert played(path) == whole


@given(payloads=records, data=st.data())
def test_any_flipped_bit_costs_at_most_its_own_record(payloads, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        places = written(path, payloads)
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        found = played(path)
        intact = [p for p, place in zip(payloads, places, strict=True) if at not in place]
        assert found in (intact, payloads)


@given(garbage=st.binary(max_size=2_000))
def test_any_bytes_at_all_are_survived(garbage):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        path.write_bytes(garbage)
        played(path)
