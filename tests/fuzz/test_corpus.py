"""Every recorded, hand-made and once-fatal input, through the targets that fuzzing uses."""

import pytest

from .target import CORPUS, NAMES, Target


@pytest.mark.parametrize("name", NAMES)
def test_every_input_in_the_corpus_keeps_the_promises(name):
    target = Target.named(name)
    for number, data in enumerate(target.corpus()):
        try:
            target.run(data)
        except Exception as fault:
            fault.add_note(f"input {number} of {name}: {data[:200]!r}")
            raise


def test_every_corpus_file_belongs_to_a_target_and_holds_something():
    files = {path.stem for path in CORPUS.glob("*.txt")}
    assert files <= set(NAMES)
    assert all(list(Target.named(name).kept()) for name in files)
