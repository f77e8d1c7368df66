"""Fuzz the files that a stranger may hand over: `python -m tests.fuzz --cases 3000`; exit status 1 where one breaks."""

import argparse
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from interfuse.core.errors import InterfuseError
from tests.fuzz.targets import SHARES, Target, list_targets, write_sound
from tests.fuzz.watch import Watch

LONGEST_S = 10.0
LARGEST_BYTES = 2 << 30


def deal(cases: int, seed: int) -> list[tuple[int, str]]:
    """Return the number and the kind of every case."""
    names = [name for name in list_targets() for _ in range(SHARES.get(name, 1))]
    return [(seed * 1_000_000 + number, names[number % len(names)]) for number in range(cases)]


def run_case(number: int, target: Target, sound: Path, home: Path, watch: Watch) -> tuple[str, str]:
    """Change one file, let the library have it, and put it back; return the outcome in a word, and what it was."""
    file, whole = home / target.file, (sound / target.file).read_bytes()
    file.write_bytes(target.change(random.Random(number), sound / target.file))
    try:
        with watch.case() as reached:
            try:
                target.use(home)
                word, said = "answered", ""
            except InterfuseError as error:
                word, said = "refused", str(error)
                said.encode()  # what cannot be printed is a traceback
        if reached:
            return "outside", "; ".join(sorted(set(reached))[:3])
        return word, said
    except BaseException as error:  # a panic of a library in Rust is no Exception
        place = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in place if "/interfuse/" in frame.filename or "/tests/fuzz/targets" in frame.filename]
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
        return "traceback", f"{type(error).__name__} at {where}: {str(error)[:160]}"
    finally:
        file.write_bytes(whole)


def work(todo: list[tuple[int, str]], sound: Path, home: Path, results: Connection) -> None:
    """Run cases one after another; each is announced before it begins."""
    import torch

    torch.set_num_threads(1)
    targets, watch = list_targets(), Watch(home)
    for name in sorted({name for _, name in todo}):  # a sound file is answered; what is imported on the way, is now
        targets[name].use(home)
    for number, name in todo:
        results.send(("begin", number, name))
        start = time.monotonic()
        word, said = run_case(number, targets[name], sound, home, watch)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        results.send(("end", number, name, word, said, time.monotonic() - start, peak))
    results.send(None)


def fuzz(cases: int, seed: int, folder: Path) -> tuple[Counter[str], list[str], dict[str, float]]:
    """Run all cases in processes of their own; one that hangs or crashes ends its process, and the next begins."""
    fork = multiprocessing.get_context("fork")  # threads of this process are not in a fork: nothing may start one here
    writer = fork.Process(target=write_sound, args=(folder / "sound",))
    writer.start()
    writer.join()
    todo, outcomes, broken = deal(cases, seed), Counter[str](), list[str]()
    worst = {"seconds": 0.0, "bytes": 0.0}
    while todo:
        home = folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(folder / "sound", home)
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=work, args=(todo, folder / "sound", home, theirs))
        process.start()
        theirs.close()
        done = _follow(ours, outcomes, broken, worst)
        process.kill()
        process.join()
        todo = todo[done:]
    return outcomes, broken, worst


def _follow(results: Connection, outcomes: Counter[str], broken: list[str], worst: dict[str, float]) -> int:
    """Count outcomes until the process is done or gone; return how many cases it had."""
    done, current = 0, ""
    while True:
        message: Any = None
        try:
            if not results.poll(2 * LONGEST_S):
                outcomes["hang"] += 1
                broken.append(f"{current}: hang")
                return done + 1
            message = results.recv()
        except EOFError:
            if not current:
                raise RuntimeError("A sound file is not answered; what was printed above says why.") from None
            outcomes["crash"] += 1
            broken.append(f"{current}: the process ended")
            return done + 1
        if message is None:
            return done
        if message[0] == "begin":
            current = f"case {message[1]}, {message[2]}"
            continue
        done += 1
        _, _, _, word, said, seconds, peak = message
        worst["seconds"], worst["bytes"] = max(worst["seconds"], seconds), max(worst["bytes"], peak)
        word = "hang" if seconds > LONGEST_S else "memory" if peak > LARGEST_BYTES else word
        outcomes[word] += 1
        if word not in ("answered", "refused"):
            broken.append(f"{current}: {word} {said}")
        if word == "memory":
            return done


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="interfuse-fuzz-") as folder:
        start = time.monotonic()
        outcomes, broken, worst = fuzz(options.cases, options.seed, Path(folder))
    for line in broken:
        print(line)
    counts = ", ".join(f"{word} {count:,}" for word, count in sorted(outcomes.items()))
    print(
        f"{options.cases:,} cases in {time.monotonic() - start:.0f} s: {counts}; slowest {worst['seconds']:.1f} s, "
        f"largest {worst['bytes'] / 2**30:.2f} GiB"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
