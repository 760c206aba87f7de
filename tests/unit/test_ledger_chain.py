"""The ledger's chain: every way of changing the past shows (DESIGN rule 9)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbilling.ledger.chain import GENESIS, MAX_FAULTS, Books, FaultKind, hash_of, verify
from fsbilling.ledger.entry import Entry, EntryKind

replace = msgspec.structs.replace


def signed(entry: Entry) -> Entry:
    return replace(entry, hash=hash_of(entry))


def ledger(*amounts_micros: int) -> list[Entry]:
    entries: list[Entry] = []
    balance_micros = 0
    for seq, amount_micros in enumerate(amounts_micros, 1):
        balance_micros += amount_micros
        entry = Entry(
            account_id=7,
            seq=seq,
            kind=EntryKind.TOPUP,
            amount_micros=amount_micros,
            balance_after_micros=balance_micros,
            ref=f"ref-{seq}",
            note="",
            at_us=1_000 + seq,
            prev_hash=entries[-1].hash if entries else GENESIS,
            hash="",
        )
        entries.append(signed(entry))
    return entries


def books_of(entries: list[Entry]) -> Books:
    last = entries[-1]
    return Books(
        account="acme",
        balance_micros=last.balance_after_micros,
        last_seq=last.seq,
        last_hash=last.hash,
    )


def found(entries: list[Entry], books: Books) -> list[tuple[FaultKind, int]]:
    return [(fault.kind, fault.seq) for fault in verify(entries, books)]


FIVE = ledger(100, -20, 30, -5, 60)
BOOKS = books_of(FIVE)


def test_an_untouched_ledger_has_no_fault():
    assert verify(FIVE, BOOKS) == []


def test_an_account_without_entries_has_no_fault():
    assert verify([], Books(account="a", balance_micros=0, last_seq=0, last_hash=GENESIS)) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_micros", 31),
        ("balance_after_micros", 111),
        ("kind", EntryKind.CHARGE),
        ("ref", "ref-4"),
        ("note", "!"),
        ("at_us", 1),
        ("account_id", 8),
    ],
)
def test_an_edited_field_is_found_where_it_stands(field, value):
    edited = [*FIVE[:2], replace(FIVE[2], **{field: value}), *FIVE[3:]]
    assert found(edited, BOOKS) == [(FaultKind.EDITED, 3)]


def test_an_edited_entry_with_a_new_hash_is_found_by_the_entry_after_it():
    forged = signed(replace(FIVE[2], amount_micros=31, balance_after_micros=111))
    assert (FaultKind.INSERTED, 3) in found([*FIVE[:2], forged, *FIVE[3:]], BOOKS)


def test_an_edited_last_entry_with_a_new_hash_is_found_by_the_account():
    forged = signed(replace(FIVE[4], note="forged"))
    assert found([*FIVE[:4], forged], BOOKS) == [(FaultKind.INSERTED, 5)]


@pytest.mark.parametrize("index", [0, 2])
def test_a_removed_entry_is_found(index):
    rest = FIVE[:index] + FIVE[index + 1 :]
    assert (FaultKind.REMOVED, index + 1) in found(rest, BOOKS)


def test_a_removed_tail_is_found():
    assert found(FIVE[:3], BOOKS)[0] == (FaultKind.REMOVED, 4)


def test_a_ledger_emptied_is_found():
    assert found([], BOOKS)[0] == (FaultKind.REMOVED, 1)


def test_an_entry_appended_behind_the_accounts_back_is_found():
    extra = ledger(100, -20, 30, -5, 60, 999)
    assert found(extra, BOOKS)[0] == (FaultKind.INSERTED, 6)


def test_an_entry_inserted_with_a_right_hash_and_the_rest_renumbered_is_found():
    forged = signed(replace(FIVE[2], amount_micros=999, balance_after_micros=1079))
    moved = [replace(entry, seq=entry.seq + 1) for entry in FIVE[2:]]
    kinds = found([*FIVE[:2], forged, *moved], BOOKS)
    assert (FaultKind.REORDERED, 4) in kinds
    assert (FaultKind.INSERTED, 6) in kinds


def test_the_same_number_twice_is_found():
    assert (FaultKind.INSERTED, 3) in found([*FIVE[:3], FIVE[2], *FIVE[3:]], BOOKS)


def test_entries_that_changed_places_are_found():
    swapped = [FIVE[0], replace(FIVE[2], seq=2), replace(FIVE[1], seq=3), *FIVE[3:]]
    kinds = found(swapped, BOOKS)
    assert (FaultKind.REORDERED, 2) in kinds
    assert (FaultKind.REORDERED, 3) in kinds


def test_a_changed_balance_is_found():
    books = replace(BOOKS, balance_micros=BOOKS.balance_micros + 1)
    assert found(FIVE, books) == [(FaultKind.BALANCE, 0)]


def test_a_chain_whose_sums_are_wrong_is_found_although_every_hash_is_right():
    wrong = signed(replace(FIVE[4], balance_after_micros=1_000))
    assert (FaultKind.BALANCE, 5) in found([*FIVE[:4], wrong], books_of([*FIVE[:4], wrong]))


def test_the_number_of_faults_is_bounded():
    broken = [replace(entry, note="x") for entry in ledger(*range(1, 200))]
    assert len(verify(broken, BOOKS)) == MAX_FAULTS


def test_fields_cannot_flow_into_each_other():
    one = replace(FIVE[0], ref="ab", note="c")
    other = replace(FIVE[0], ref="a", note="bc")
    assert hash_of(one) != hash_of(other)


def test_the_encoding_never_changes():
    """A new encoding would condemn every ledger there is."""
    assert hash_of(FIVE[0]) == "004e08dbba6c4e433b734e11329c823d37ceffa17d455ee80c1015b87fbdb42b"


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.integers(0, 4), TEXT, TEXT, st.integers(-(10**15), 10**15))
def test_any_other_text_or_amount_is_found(index, ref, note, amount_micros):
    edited = replace(FIVE[index], ref=ref, note=note, amount_micros=amount_micros)
    ledger_now = [*FIVE[:index], edited, *FIVE[index + 1 :]]
    assert (verify(ledger_now, BOOKS) == []) == (edited == FIVE[index])
