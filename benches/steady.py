"""`benches/compare --steady`: what the code costs that a program ends up in, without what it takes to get there.

Each workload runs in two sizes, and what counts is how much more processor time the larger one takes: starting, compiling and
running in code that is replaced later are in both, and cancel out. Both sides run at the same time, on one processor, which
the system gives to each in turn for some milliseconds. So both see the same machine even where its speed changes from one
second to the next, and a few pairs tell differences of some hundredths apart.

The invariant others rely on: as for every comparison, what both sides print is the same before any number counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from measuring import Failure, Measurement, Result, Runner, check_same_output, launch_as
from selection import Workload

# A smaller and a larger size of each compute workload: the smaller one takes longer than it takes to compile what is hot.
SIZES: dict[str, tuple[str, str]] = {
    "dispatch": ("20000", "100000"),
    "fannkuch": ("2", "5"),
    "hashmap": ("6000", "30000"),
    "interp": ("150000", "750000"),
    "matmul": ("800", "1280"),
    "matmul_simd": ("800", "1280"),
    "memops": ("900", "4500"),
    "nbody": ("2000000", "10000000"),
    "recursion": ("20", "100"),
    "sha256": ("750", "3750"),
    "sort": ("400", "2000"),
    "spectral_norm": ("1100", "5500"),
    "strings": ("110", "550"),
}


def sized(workload: Workload) -> list[Workload]:
    """The workload in its smaller and its larger size: its arguments, when there are any, or those that are known here."""
    sizes: Sequence[str] = workload.arguments or SIZES.get(workload.module.stem, ())
    if len(sizes) != 2:
        raise Failure("needs two sizes: quote them together with the name, the smaller one first")
    return [replace(workload, arguments=[size]) for size in sizes]


@contextmanager
def one_processor() -> Iterator[None]:
    """Has this process, and all that it starts, run on one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def at_once(sides: Sequence[Runner], commands: Sequence[list[str]]) -> list[Measurement]:
    """Runs the commands of all sides at the same time."""
    running = [launch_as(runner, command) for runner, command in zip(sides, commands, strict=True)]
    try:
        return [each.finish() for each in running]
    finally:
        # When one failed, the other one goes on to its end.
        for each in running:
            each.launcher.wait()


def compare_steady(workload: Workload, a: Runner, b: Runner, pairs: int, *, images: Path) -> Result:
    """Measures one workload under both runners. Seconds of the result are of processor time: the larger size's less the smaller's."""
    prepared = [[size.prepare(runner, images) for runner in (a, b)] for size in sized(workload)]
    more: tuple[list[Measurement], list[Measurement]] = ([], [])
    with one_processor():
        # Once more than asked for: the first round warms up.
        for number in range(pairs + 1):
            # Whoever is started first is ahead for a moment.
            order = slice(None, None, -1 if number % 2 else 1)
            smaller, larger = (at_once((a, b)[order], commands[order])[order] for commands in prepared)
            for runs in (smaller, larger):
                check_same_output(runs[0].output, runs[1].output, "output")
            if number == 0:
                continue
            for side, (less, much) in enumerate(zip(smaller, larger, strict=True)):
                seconds = much.cpu_seconds - less.cpu_seconds
                if seconds <= 0:
                    raise Failure(f"{(a, b)[side].name} takes no longer for the larger size: it must be larger by more")
                more[side].append(replace(much, seconds=seconds, cpu_seconds=seconds))
    return Result.of(workload.name, *more)
