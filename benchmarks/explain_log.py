"""explain-log against grep and pflogsumm, on the same made-up logs, in the same run.

    python benchmarks/explain_log.py [--size MB] [--growth]

Each program writes into a pipe (GNU grep stops early when it writes to /dev/null). Totals are checked
first. ``--growth`` prints the times for 10 MB, 100 MB, 1 GB and 4 GB instead. Logs lie in the directory for
temporary files and are removed.
"""

import argparse
import compileall
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from explain_log_traffic import Truth, write

MB = 1_000_000
LITERALS = (
    "authentication failed",
    "sasl_method=",
    "cannot connect to saslauthd",
    "no SASL authentication mechanisms",
    "Relay access denied",
    "SASL: Connect to",
    "Password verification failed",
    "unable to open Berkeley db",
    "bad command startup",
    "auth failure:",
)
"""Ten texts of the messages that matter."""
EXPLAIN = (sys.executable, "-m", "maildoctor", "explain-log", "--format", "json")


def grep(count: int, log: Path) -> list[str]:
    """Give the command that counts lines with one of the first ``count`` literals."""
    return ["grep", "-cF", *(word for text in LITERALS[:count] for word in ("-e", text)), str(log)]


class Taken(NamedTuple):
    """Seconds by the clock, and of processor time in all processes together."""

    clock: float
    processor: float


def seconds(commands: Sequence[Sequence[str]], times: int) -> list[Taken]:
    """Run ``commands`` in turns into a pipe; give the medians by the clock, and the least processor times."""
    taken: list[list[Taken]] = [[] for _ in commands]
    for _ in range(times):
        for command, so_far in zip(commands, taken, strict=True):
            so_far.append(_once(command))
    return [
        Taken(statistics.median(each.clock for each in runs), min(each.processor for each in runs))
        for runs in taken
    ]


def _once(command: Sequence[str]) -> Taken:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
    clock = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def checked(log: Path, truth: Truth) -> None:
    """Compare what explain-log says with what was written. Raises AssertionError."""
    answer = json.loads(subprocess.run([*EXPLAIN, str(log)], capture_output=True, check=False).stdout)
    totals = {name: answer["totals"][name] for name in ("lines", "failed", "logins")}
    assert totals == {"lines": truth.lines, "failed": truth.failed, "logins": truth.logins}, totals
    print(f"  totals agree: {totals}, verdict {answer['verdict']}")


def peak_memory(command: Sequence[str]) -> float:
    """Give the peak of the proportional set sizes of a command's processes together, in MiB."""
    peak, done = 0, threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:

        def watch() -> None:
            nonlocal peak
            while not done.is_set():
                peak = max(peak, sum(_pss(pid) for pid in _family(process.pid)))
                time.sleep(0.01)

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert process.stdout is not None
        process.stdout.read()
        done.set()
        watcher.join()
    return peak / 1024


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def compare(folder: Path, size: int, times: int) -> None:
    """Print one quiet log and one under attack, each program on both."""
    for name, attack in (("quiet", False), ("attack", True)):
        log = folder / f"{name}.log"
        truth = write(log, size, attack=attack)
        print(f"{name}: {log.stat().st_size / MB:,.0f} MB, {len(os.sched_getaffinity(0))} processors")
        checked(log, truth)
        programs = ["explain-log", "grep, 4 literals", "grep, 10 literals"]
        rows = seconds([[*EXPLAIN, str(log)], grep(4, log), grep(10, log)], times)
        if attack:
            programs.append("pflogsumm")
            rows += seconds([["pflogsumm", str(log)]], 1)
        ours = rows[0]
        for program, taken in zip(programs, rows, strict=True):
            rate, ratio = log.stat().st_size / taken.clock / 1e9, taken.clock / ours.clock
            cost = f"{taken.clock:7.2f} s {rate:6.3f} GB/s  processors {taken.processor:6.2f} s"
            print(f"  {program:<18} {cost}   {ratio:6.2f} times explain-log")
        print(f"  memory: {peak_memory([*EXPLAIN, str(log)]):.1f} MiB (proportional, all processes)")
        log.unlink()


def growth(folder: Path) -> None:
    """Print the time for logs of growing size, under attack."""
    for size in (10, 100, 1000, 4000):
        log = folder / "growing.log"
        truth = write(log, size * MB, attack=True)
        checked(log, truth)
        taken = seconds([[*EXPLAIN, str(log)]], 1)[0].clock
        memory = peak_memory([*EXPLAIN, str(log)])
        print(f"  {size:5} MB {taken:8.2f} s {size / taken:8.1f} MB/s {memory:6.1f} MiB")
        log.unlink()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1000, metavar="MB")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    # A package that pip or dpkg installed has its bytecode; a checkout has it only if it may write it.
    compileall.compile_dir(Path(__file__).parent.parent / "maildoctor", quiet=2)
    with tempfile.TemporaryDirectory() as folder:
        if options.growth:
            growth(Path(folder))
        else:
            compare(Path(folder), options.size * MB, options.times)


if __name__ == "__main__":
    main()
