"""The journal's file: what was appended comes back in order, within its bound, by one process."""

import os
import subprocess
import sys

import pytest

from fsbilling.errors import ConfigError, StoreError
from fsbilling.store.journal import Journal, JournalFull


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def opened(path, **more):
    return Journal(path, **({"max_bytes": 10_000} | more))


def played(journal):
    records = []
    while (record := journal.first()) is not None:
        records.append(record)
        journal.drop_first()
    return records


def test_records_come_back_in_order_and_once(path):
    journal = opened(path)
    for word in (b"one", b"two\nlines", b"three"):
        journal.append(word)
    assert played(journal) == [b"one", b"two\nlines", b"three"]
    assert (played(journal), journal.is_empty, path.stat().st_size) == ([], True, 0)


def test_what_was_not_played_is_there_after_a_restart(path):
    journal = opened(path)
    for word in (b"one", b"two"):
        journal.append(word)
    journal.drop_first()
    journal.close()
    again = opened(path)
    assert played(again) == [b"one", b"two"], "a crash before the end plays all of it again"


def test_what_was_not_played_can_be_looked_through_and_stays(path):
    journal = opened(path)
    for word in (b"one", b"damaged", b"two\nlines", b"three"):
        journal.append(word)
    os.pwrite(journal._fd, b"!", path.read_bytes().index(b"damaged"))
    journal.drop_first()
    assert list(journal.records()) == [b"two\nlines", b"three"]
    assert played(journal) == [b"two\nlines", b"three"]
    assert list(journal.records()) == []


def test_a_torn_tail_is_cut_and_appending_goes_on_behind_it(path):
    journal = opened(path)
    journal.append(b"whole")
    journal.append(b"torn by a power cut")
    journal.close()
    os.truncate(path, path.stat().st_size - 7)
    again = opened(path)
    again.append(b"after")
    assert played(again) == [b"whole", b"after"]


def test_a_record_is_whole_without_its_line_end(path):
    journal = opened(path)
    journal.append(b"whole")
    journal.close()
    os.truncate(path, path.stat().st_size - 1)
    again = opened(path)
    again.append(b"after")
    again.close()
    assert played(opened(path)) == [b"whole", b"after"]


def test_a_full_journal_says_so_and_keeps_what_it_has(path):
    journal = opened(path, max_bytes=100)
    journal.append(b"x" * 70)
    with pytest.raises(JournalFull):
        journal.append(b"y" * 70)
    assert played(journal) == [b"x" * 70]
    journal.append(b"y" * 70)


def test_a_full_disk_is_a_full_journal(path, monkeypatch):
    journal = opened(path)
    journal.append(b"whole")
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:5], at))
    with pytest.raises(JournalFull, match="disk is full"):
        journal.append(b"half")
    monkeypatch.undo()
    journal.append(b"after")
    assert played(journal) == [b"whole", b"after"]


def test_a_disk_that_cannot_sync_is_a_fault_and_not_a_promise(path):
    def broken(_job):
        raise OSError(5, "Input/output error")

    journal = opened(path, run=broken)
    with pytest.raises(StoreError, match="Input/output error"):
        journal.append(b"one")
    journal._run = lambda job: job()
    journal.append(b"two")
    assert played(journal) == [b"one", b"two"], "twice is once, to the player"


def test_a_record_is_on_the_disk_before_it_counts(path, monkeypatch):
    """The real sync, of the file itself: when it fails the record is no promise."""
    journal = opened(path)
    synced = []

    def sync(fd):
        synced.append((os.fstat(fd).st_ino, os.fstat(fd).st_size))

    monkeypatch.setattr(os, "fsync", sync)
    journal.append(b"one")
    assert synced == [(path.stat().st_ino, path.stat().st_size)]

    def broken(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreError, match="No space left"):
        journal.append(b"two")


SHARING = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from pathlib import Path
from fsbilling.store.journal import Journal
syncs = []
def slow(job):
    syncs.append(1)
    gevent.sleep(0.02)
    job()
journal = Journal(Path(sys.argv[1]), max_bytes=1_000_000, run=slow)
def write(n):
    for m in range(5):
        journal.append(b"%d %d" % (n, m))
gevent.joinall([gevent.spawn(write, n) for n in range(50)], raise_error=True)
print(len(syncs))
"""


def test_writers_share_a_sync(path):
    """While one sync is under way others write; the next sync is theirs together."""
    done = subprocess.run(
        [sys.executable, "-c", SHARING, path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) <= 15
    assert len(played(opened(path))) == 250


def test_two_processes_never_share_a_journal(path):
    journal = opened(path)
    with pytest.raises(ConfigError, match="another daemon's"):
        opened(path)
    journal.close()
    opened(path)


def test_a_path_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(ConfigError, match="missing/journal"):
        opened(tmp_path / "missing" / "journal")


def test_a_record_set_aside_is_kept_for_a_person(path):
    journal = opened(path)
    journal.append(b"odd")
    journal.append(b"good")
    journal.set_aside()
    assert played(journal) == [b"good"]
    assert (path.parent / "journal.aside").read_bytes() == b"odd\n"


@pytest.mark.parametrize("why", ["no room", "no file"])
def test_a_record_that_cannot_be_set_aside_stays_where_it_was(path, monkeypatch, why):
    journal = opened(path)
    journal.append(b"odd")
    aside = path.parent / "journal.aside"
    with monkeypatch.context() as patch:
        if why == "no file":
            aside.mkdir()
        else:
            patch.setattr(os, "write", lambda _fd, line: len(line) - 1)
        with pytest.raises(StoreError, match=r"journal\.aside"):
            journal.set_aside()
    assert journal.first() == b"odd"
    if why == "no file":
        aside.rmdir()
    journal.set_aside()
    assert journal.is_empty
    assert aside.read_bytes().endswith(b"odd\n")
