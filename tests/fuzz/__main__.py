"""Fuzz one target, or all of them; or run one input again."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
MEMORY_MB = 512
INPUT_S = 10
LINES_SHARE = 0.7
"""How often an input of header lines has lines changed, and how often that is all."""


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("target", help="a target's name, or all")
    options.add_argument("--seconds", type=int, default=60, help="how long, all in all")
    options.add_argument("--replay", type=Path, help="run this one input and show what happens")
    options.add_argument(
        "--corpus",
        type=Path,
        default=Path(tempfile.gettempdir()) / "fsbilling-fuzz",
        help="a folder that keeps what was found, between runs",
    )
    asked = options.parse_args()
    sys.path.insert(0, str(HERE.parent))  # where the other suites have their world
    if asked.replay:
        return replay(asked.target, asked.replay)
    if asked.target == "all":
        return fuzz_all(asked.seconds, asked.corpus)
    fuzz(asked.target, asked.seconds, asked.corpus)
    return 0


def replay(name: str, path: Path) -> int:
    from .target import Target

    data = path.read_bytes()
    print(f"{len(data)} bytes; as a line of tests/fuzz/corpus/{name}.txt:\n{data!r}")
    Target.named(name).run(data)
    print("every promise kept")
    return 0


def fuzz_all(seconds: int, corpus: Path) -> int:
    from .target import NAMES

    share = str(max(seconds // len(NAMES), 1))
    program = [sys.executable, "-m", "tests.fuzz"]
    broken = []
    for name in NAMES:
        print(f"--- {name}", flush=True)
        command = [*program, name, "--seconds", share, "--corpus", str(corpus)]
        if subprocess.run(command, cwd=HERE.parent.parent, check=False).returncode:
            broken.append(name)
    print(f"broken: {', '.join(broken)}" if broken else f"all {len(NAMES)} targets hold")
    return 1 if broken else 0


def fuzz(name: str, seconds: int, corpus: Path) -> None:
    """Run libFuzzer; it ends the process, with 0 when nothing was found."""
    import atheris

    with atheris.instrument_imports(include=["fsbilling"], enable_loader_override=False):
        from .target import Target

        target = Target.named(name)
        target.run(next(iter(target.seeds())))  # what is imported late is instrumented as well
    folder = corpus / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.corpus()):
        (folder / f"seed-{number:04}").write_bytes(data[: target.max_bytes])
    words = corpus / f"{name}.dict"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in target.words))
    arguments = [
        f"tests.fuzz {name}",
        str(folder),
        f"-dict={words}",
        f"-max_len={target.max_bytes}",
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-timeout={INPUT_S}",
        f"-artifact_prefix={corpus}/{name}-",
        "-print_final_stats=1",
    ]
    mutators = {"custom_mutator": _line_mutator(target.words)} if target.of_lines else {}
    atheris.Setup(arguments, target.run, **mutators)
    atheris.Fuzz()


def _line_mutator(words: Sequence[bytes]) -> Callable[[bytes, int, int], bytes]:
    """Let whole lines change, then often some bytes, as libFuzzer would by itself."""
    import atheris

    from .mutation import change_lines

    def mutate(data: bytes, max_bytes: int, seed: int) -> bytes:
        draw = random.Random(seed)
        if draw.random() < LINES_SHARE:
            data = change_lines(data, words, draw)[:max_bytes]
            if draw.random() < LINES_SHARE:
                return data
        return atheris.Mutate(data, max_bytes)

    return mutate


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main())
