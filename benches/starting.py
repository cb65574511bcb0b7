"""`benches/compare --start`: how long programs take from the command to their answer, with and without a cache.

A program has up to three rows. A *first run* finds an empty cache, the *second run* what the first one left, and *later
runs* what `SETTLING` runs left, after which a cache that grows with use should hold all there is to hold. Caches are found by
the convention of XDG: each side gets directories of its own in `XDG_CACHE_HOME` and `XDG_CONFIG_HOME`, so no run sees
the user's cache, and none a cache of another row.

The invariant others rely on: what both sides print is compared, run by run, before any number counts.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import geometric_mean, median

from measuring import Failure, Measurement, Result, Runner, aligned, check_same_output, measure_as
from selection import Workload, compute_workloads, find_workload

# Runs before those that count as later ones.
SETTLING = 4

# `read_file` reads a file of this size so often that it is 1 GiB: a file that large need not fit where files are temporary.
FILE_BYTES = 64 << 20
FILE_TIMES = (1 << 30) // FILE_BYTES

PYTHON = "python-3.11.3.wasm"

# One query that is not only a constant.
QUERY = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000) select sum(i * i) from n"


@dataclass(frozen=True)
class Target:
    """At most so much of B's time, and of B's memory where that matters."""

    time: float
    memory: float | None = None


# What `wrun` as A has to reach, by who is B.
TARGETS: dict[str, dict[str, Target]] = {
    "wasmtime": {
        "python, first run": Target(0.20, 0.5),
        "python, second run": Target(0.45, 0.8),
        "python, later runs": Target(0.45, 0.8),
        "sqlite, first run": Target(0.25),
        "clang, second run": Target(0.25),
        "hello, later runs": Target(0.5),
        "compile python": Target(1.0, 1.0),
        "compute, geometric mean": Target(0.95),
        "compute, worst": Target(1.05),
        "fd_write_bytes": Target(1.0),
        "read_file": Target(1.0),
    },
    "node": {"python, first run": Target(1.0)},
    "wasmi": {"python, first run": Target(1.5)},
}


class Skip(Exception):
    """Why rows are left out that nobody asked for by name."""


@dataclass(frozen=True)
class Program:
    """What is run: `first` and `second` say whether those rows are of interest, `later` how many later runs a pair is."""

    name: str
    module: Path
    arguments: Sequence[str] = ()
    directories: Mapping[Path, str] = field(default_factory=dict)
    first: bool = False
    second: bool = False
    later: int = 0

    def command(self, runner: Runner) -> list[str]:
        """The command of a run."""
        options = [word for host, guest in self.directories.items() for word in runner.directory_options(host, guest)]
        return runner.run_command(self.module, self.arguments, options)


@dataclass(frozen=True)
class Sides:
    """Both runners, and where their caches and files go."""

    a: Runner
    b: Runner
    work: Path

    def __iter__(self) -> Iterator[Runner]:
        return iter((self.a, self.b))

    def fresh_caches(self) -> dict[str, dict[str, str]]:
        """The environment for each side, with an empty cache."""
        return {runner.name: fresh_cache(Path(tempfile.mkdtemp(dir=self.work))) for runner in self}


def fresh_cache(directory: Path) -> dict[str, str]:
    """This process's environment, with all caches and configurations in `directory`."""
    ours = ("WRUN_CACHE_DIR", "WRUN_CACHE_SIZE")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        place = directory / name
        place.mkdir(mode=0o700)
        environment[name] = str(place)
    return environment


def pair(sides: Sides, commands: Mapping[str, list[str]], caches: Mapping[str, dict[str, str]]) -> list[Measurement]:
    """A run of A and one of B, which must print the same."""
    runs = [measure_as(side, commands[side.name], caches[side.name]) for side in sides]
    check_same_output(runs[0].output, runs[1].output, "output")
    return runs


def measure_program(program: Program, sides: Sides, pairs: int) -> list[Result]:
    """All rows of a program."""
    commands = {side.name: program.command(side) for side in sides}
    rows: dict[str, list[list[Measurement]]] = {}
    # What the first run of all reads, and files that a program writes once, is no part of any row.
    caches = sides.fresh_caches()
    pair(sides, commands, caches)
    if program.first or program.second:
        for _ in range(pairs):
            fresh = sides.fresh_caches()
            for state in ("first run", "second run"):
                rows.setdefault(state, []).append(pair(sides, commands, fresh))
    if program.later:
        for _ in range(SETTLING - 1):
            pair(sides, commands, caches)
        rows["later runs"] = [pair(sides, commands, caches) for _ in range(pairs * program.later)]
    wanted = {"first run": program.first, "second run": program.second, "later runs": program.later > 0}
    alone = sum(wanted.values()) == 1
    return [
        Result.of(program.name if alone else f"{program.name}, {state}", *zip(*runs, strict=True))
        for state, runs in rows.items()
        if wanted[state]
    ]


class Setup:
    """Where the programs are, and what they need."""

    def __init__(self, programs: Path | None, sides: Sides) -> None:
        self.programs = programs
        self.sides = sides

    def program(self, name: str) -> Path:
        """The file of a program."""
        if self.programs is None:
            raise Skip("--programs does not say where the programs are")
        for place in (self.programs, self.programs / "dist/langs", self.programs / "package/dist/langs"):
            if (place / name).is_file():
                return place / name
        raise Skip(f"no {name} in {self.programs}")

    def python(self, pairs: int) -> list[Result]:
        module, archive = self.program(PYTHON), self.program("python-3.11.3.tar.gz")
        library = self.sides.work / "python-library"
        with tarfile.open(archive) as tar:
            tar.extractall(library, filter="data")
        program = Program("python", module, ["-c", "print(1+1)"], {library: "/"}, first=True, second=True, later=2)
        return measure_program(program, self.sides, pairs)

    def sqlite(self, pairs: int) -> list[Result]:
        module = self.program("sqlite.wasm")
        program = Program("sqlite", module, [":memory:", QUERY], first=True, second=True, later=2)
        return measure_program(program, self.sides, pairs)

    def clang(self, pairs: int) -> list[Result]:
        program = Program("clang", self.program("clang.wasm"), ["--version"], first=True, second=True, later=2)
        return measure_program(program, self.sides, pairs)

    def hello(self, pairs: int) -> list[Result]:
        module = find_workload("hello").module
        return measure_program(Program("hello", module, first=True, second=True, later=10), self.sides, pairs)

    def compile(self, pairs: int) -> list[Result]:
        """Compiling ahead of time. A compiler that reuses what it has compiled before gets no chance to."""
        module = self.program(PYTHON)
        if any(side.compile is None for side in self.sides):
            raise Skip("it takes both --a-compile and --b-compile")
        runs: list[list[Measurement]] = []
        for _ in range(pairs + 1):
            caches = self.sides.fresh_caches()
            commands = {side.name: side.compile_command(module, self.sides.work / "image") for side in self.sides}
            runs.append([measure_as(side, commands[side.name], caches[side.name]) for side in self.sides])
        return [Result.of("compile python", *zip(*runs[1:], strict=True))]

    def compute(self, pairs: int) -> list[Result]:
        return [result for workload in compute_workloads() for result in self.workload(workload, pairs)]

    def fd_write_bytes(self, pairs: int) -> list[Result]:
        return self.workload(find_workload("fd_write_bytes 1000000"), pairs)

    def read_file(self, pairs: int) -> list[Result]:
        data = self.sides.work / "data"
        data.mkdir()
        (data / "file").write_bytes(bytes(FILE_BYTES))
        workload = find_workload(f"read_file /data/file {FILE_TIMES}")
        return self.workload(workload, pairs, {data: "/data"})

    def workload(self, workload: Workload, pairs: int, directories: Mapping[Path, str] | None = None) -> list[Result]:
        """A workload as it runs when it has been run before."""
        program = Program(workload.module.stem, workload.module, workload.arguments, directories or {}, later=1)
        return measure_program(program, self.sides, pairs)


# In the order of the table.
ROWS: dict[str, Callable[[Setup, int], list[Result]]] = {
    name: getattr(Setup, name)
    for name in ("python", "sqlite", "clang", "hello", "compile", "compute", "fd_write_bytes", "read_file")
}


@dataclass
class Report:
    """The table, line by line, and what is to be said of it."""

    targets: Mapping[str, Target]
    results: list[Result] = field(default_factory=list)
    lines: list[list[str]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    HEAD = ["", "A ms", "B ms", "A/B", "min", "max", "at most", "A MiB", "B MiB", "A/B", "at most"]

    def add(self, result: Result) -> None:
        """A line for a row that was measured."""
        self.results.append(result)
        target = self.targets.get(result.workload)
        times, peaks = result.ratios, result.peak_ratios
        self.lines.append(
            [
                result.workload,
                *(f"{median(seconds) * 1000:.1f}" for seconds in (result.a_seconds, result.b_seconds)),
                *(f"{ratio:.3f}" for ratio in (median(times), min(times), max(times))),
                self.bound(f"{result.workload}: time", median(times), target.time if target else None),
                *(f"{median(peak) / 2**20:.1f}" for peak in (result.a_peak_bytes, result.b_peak_bytes)),
                f"{median(peaks):.3f}",
                self.bound(f"{result.workload}: memory", median(peaks), target.memory if target else None),
            ]
        )

    def add_compute(self, results: Sequence[Result]) -> None:
        """Two lines for the compute workloads together, behind one for each."""
        for result in results:
            self.add(result)
        worst = max(results, key=lambda result: median(result.ratios))
        mean = geometric_mean(median(result.ratios) for result in results)
        for name, ratio in (("compute, geometric mean", mean), ("compute, worst", median(worst.ratios))):
            target = self.targets.get(name)
            bound = self.bound(f"{name}: time", ratio, target.time if target else None)
            self.lines.append([name, "", "", f"{ratio:.3f}", "", "", bound, "", "", "", ""])

    def bound(self, what: str, ratio: float, at_most: float | None) -> str:
        """The cell with a bound, marked when it is missed."""
        if at_most is None:
            return ""
        if ratio <= at_most:
            return f"{at_most:.2f}"
        self.missed.append(f"{what} is {ratio:.3f} of B's, at most {at_most:.2f}")
        return f"{at_most:.2f} !"

    def show(self) -> str:
        """The table; without targets it has no columns for them."""
        rows = [self.HEAD, *self.lines]
        if not self.targets:
            rows = [[cell for column, cell in enumerate(row) if self.HEAD[column] != "at most"] for row in rows]
        return aligned(rows)


def compare_starts(
    a: Runner, b: Runner, pairs: int, *, rows: Sequence[str], programs: Path | None, peer: str | None
) -> tuple[Report, int]:
    """Measures the rows, all when none is named, and gives the report and how many of them failed."""
    report, failed = Report(TARGETS[peer] if peer else {}), 0
    for number, name in enumerate(rows or ROWS, start=1):
        print(f"[{number}/{len(rows or ROWS)}] {name}", file=sys.stderr)
        # A directory for each: what a row has left must not fill the disk for the next.
        with tempfile.TemporaryDirectory(prefix="compare-") as work:
            try:
                results = ROWS[name](Setup(programs, Sides(a, b, Path(work))), pairs)
            except Skip as reason:
                if name in rows:
                    failed += 1
                print(f"{name}: skipped: {reason}", file=sys.stderr)
                continue
            except Failure as failure:
                failed += 1
                print(f"error: {name}: {failure}", file=sys.stderr)
                continue
        if name == "compute":
            report.add_compute(results)
        else:
            for result in results:
                report.add(result)
    return report, failed
