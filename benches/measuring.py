"""Measuring one process, and what the modes of `benches/compare` share: runners, pairs of runs, aligned tables.

Nothing here knows which workloads there are. The invariant others rely on: a `Measurement` is of a process that ended
with exit code 0, so no number is ever of a program that failed early.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

# What starts a measured process. A process inherits the peak memory of the one that it was forked from, so forking from
# here would hide everything below the size of this program; a bare interpreter with no library loaded is far smaller, and
# smaller by half when it forks than when it spawns. Forking takes as long as running `true`: the clock, which is the
# same in all processes, is read behind it.
LAUNCHER = """
import posix, sys, time
report = int(sys.argv[1])
pid = posix.fork()
if pid == 0:
    try:
        posix.set_inheritable(report, False)
        posix.write(report, f"{time.perf_counter()} ".encode())
        posix.execv(sys.argv[2], sys.argv[2:])
    finally:
        posix._exit(127)
_, status, usage = posix.wait4(pid, 0)
end = time.perf_counter()
cpu = usage.ru_utime + usage.ru_stime
posix.write(report, f"{end} {cpu} {usage.ru_maxrss} {posix.waitstatus_to_exitcode(status)}".encode())
"""

# The unit of ru_maxrss differs by system.
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class Failure(Exception):
    """What makes the numbers of one workload meaningless; its text is for the user."""


@dataclass(frozen=True)
class Runner:
    """One side of the comparison: the words of its command, and of the one that makes an image, if it has one."""

    name: str
    command: list[str]
    compile: list[str] | None
    # How a directory is given to the guest.
    directory: list[str] = field(default_factory=lambda: ["--dir", "{host}::{guest}"])

    def run_command(self, module: Path, arguments: Sequence[str], options: Sequence[str] = ()) -> list[str]:
        """The command that runs `module` with a workload's arguments; `options` are put in front of the module."""
        place = next((at for at, word in enumerate(self.command) if "{}" in word), None)
        if place is None:
            return [*self.command, *options, str(module), *arguments]
        before, behind = self.command[:place], self.command[place:]
        return [*before, *options, *(word.replace("{}", str(module)) for word in behind), *arguments]

    def directory_options(self, host: Path, guest: str) -> list[str]:
        """The options that let the guest see a directory of the host."""
        return [word.replace("{host}", str(host)).replace("{guest}", guest) for word in self.directory]

    def compile_command(self, module: Path, image: Path) -> list[str]:
        """The command that makes `image` from `module`; only for a runner that has one."""
        assert self.compile is not None
        return [word.replace("{in}", str(module)).replace("{out}", str(image)) for word in self.compile]


@dataclass(frozen=True)
class Measurement:
    """One finished process."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: bytes = field(repr=False)


@dataclass(frozen=True)
class Result:
    """All counted runs of one workload, pair by pair."""

    workload: str
    a_seconds: list[float]
    b_seconds: list[float]
    a_cpu_seconds: list[float]
    b_cpu_seconds: list[float]
    a_peak_bytes: list[int]
    b_peak_bytes: list[int]

    @classmethod
    def of(cls, workload: str, a: Sequence[Measurement], b: Sequence[Measurement]) -> Result:
        """From the runs of both sides, of which those at the same place are a pair."""
        return cls(
            workload,
            [run.seconds for run in a],
            [run.seconds for run in b],
            [run.cpu_seconds for run in a],
            [run.cpu_seconds for run in b],
            [run.peak_bytes for run in a],
            [run.peak_bytes for run in b],
        )

    @property
    def ratios(self) -> list[float]:
        """A's time by B's, pair by pair: below 1 where A was faster."""
        return [a / b for a, b in zip(self.a_seconds, self.b_seconds, strict=True)]

    @property
    def peak_ratios(self) -> list[float]:
        """A's peak memory by B's, pair by pair."""
        return [a / b for a, b in zip(self.a_peak_bytes, self.b_peak_bytes, strict=True)]


@dataclass
class Running:
    """A process that has been started and is measured."""

    command: Sequence[str]
    launcher: subprocess.Popen[bytes]
    report: IO[bytes]
    output: IO[bytes]
    errors: IO[bytes]
    # Whose it is, for messages.
    owner: str = ""

    def finish(self) -> Measurement:
        """Waits for its end, and fails unless it ends with exit code 0."""
        with self.launcher, self.report, self.output, self.errors:
            report = self.report.read().split()
            if self.launcher.wait() != 0:
                raise Failure(f"{self.owner}could not be measured: {shlex.join(self.command)}")
            start, end, cpu, peak, exit_code = report
            self.output.seek(0)
            self.errors.seek(0)
            if int(exit_code) != 0:
                how = f"exit code {int(exit_code)}" if int(exit_code) > 0 else f"signal {-int(exit_code)}"
                told = textwrap.indent(self.errors.read().decode(errors="replace").strip(), "  ")
                raise Failure(f"{self.owner}ended with {how}: {shlex.join(self.command)}\n{told}".rstrip())
            return Measurement(float(end) - float(start), float(cpu), int(peak) * RSS_UNIT_BYTES, self.output.read())


def launch(command: Sequence[str], environment: Mapping[str, str] | None = None, owner: str = "") -> Running:
    """Starts a command, standard input empty."""
    program = shutil.which(command[0])
    if program is None:
        raise Failure(f"{owner}cannot be started, no such program: {command[0]}")
    read_end, write_end = os.pipe()
    # Into files and not into pipes: nobody then has to keep reading beside the process that is measured.
    output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    try:
        launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(write_end), program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            pass_fds=[write_end],
            env=environment,
        )
    finally:
        os.close(write_end)
    return Running(command, launcher, open(read_end, "rb"), output, errors, owner)


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measurement:
    """Runs a command to its end, standard input empty, and fails unless it ends with exit code 0."""
    return launch(command, environment).finish()


def check_same_output(a: bytes, b: bytes, what: str) -> None:
    """Fails, with the first lines that differ, unless both sides printed the same."""
    if a == b:
        return
    a_lines, b_lines = a.splitlines(), b.splitlines()
    for number in range(max(len(a_lines), len(b_lines))):
        a_line, b_line = a_lines[number : number + 1], b_lines[number : number + 1]
        if a_line != b_line:
            raise Failure(f"{what} differs in line {number + 1}:\n  A: {shown(a_line)}\n  B: {shown(b_line)}")
    raise Failure(f"{what} differs in its line ends")


def shown(line: list[bytes]) -> str:
    """A line of output for a message, or that there is none."""
    return line[0][:200].decode(errors="backslashreplace") if line else "(no such line)"


def launch_as(runner: Runner, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Running:
    """Starts a command; a failure says whose it was."""
    return launch(command, environment, f"{runner.name} ")


def measure_as(runner: Runner, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measurement:
    """Measures a command; a failure says whose it was."""
    return launch_as(runner, command, environment).finish()


def memory_note(results: Sequence[Result]) -> str | None:
    """A warning when a peak is as small as what any process appears to need here."""
    floor = measure(["true"]).peak_bytes
    smallest = min(min(result.a_peak_bytes + result.b_peak_bytes) for result in results)
    if smallest > floor * 1.05:
        return None
    return f"note: memory below {math.ceil(floor / 2**20)} MiB cannot be told apart here"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, names to the left and numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([row[0].ljust(widths[0]), *numbers]).rstrip())
    return "\n".join(lines)
