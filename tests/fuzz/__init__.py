"""Hostile input: coverage-guided fuzzing, and a replay of all that it has taught us.

    python -m tests.fuzz hook --seconds 120        one target (needs `pip install .[fuzz]`: atheris)
    python -m tests.fuzz all --seconds 600         every target, the time shared equally
    python -m tests.fuzz hook --replay FILE        one input again, with its traceback

A target is a module with `check(data: bytes)`, which raises when a promise is broken, and with
`seeds()` and `WORDS` to begin from. `test_corpus` runs the same targets over the recordings, the
hand-made nasties and every input that ever broke one (`corpus/*.txt`), without atheris.
"""
