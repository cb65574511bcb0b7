"""Which modules are run: those of `benches/workloads`, in their sets, or any that is named by its path."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path

from measuring import Runner, measure_as

WORKLOADS = Path(__file__).resolve().parent / "workloads"

# Workloads that measure starting up or the host's functions, and are therefore no part of the default set.
NOT_COMPUTE = {"hello", "fd_write_bytes", "read_file", "write_file"}

# Workloads of the `--features` set that are run with several arguments.
FEATURE_ARGUMENTS = {"throw_catch": ["throw_catch 1", "throw_catch 10", "throw_catch 100"]}


@dataclass(frozen=True)
class Workload:
    """A module to run (or to compile) and the arguments it gets."""

    name: str
    module: Path
    arguments: list[str]

    def prepare(self, runner: Runner, images: Path) -> list[str]:
        """The command to measure; makes the image it runs first, in `images`, where the runner has a command for that."""
        module = self.module
        if runner.compile is not None:
            module = images / f"{runner.name}-{module.stem}"
            measure_as(runner, runner.compile_command(self.module, module))
        return runner.run_command(module, self.arguments)


def find_workload(text: str) -> Workload:
    """A workload from what stands on the command line: a name or a path, and arguments, in one shell word."""
    words = shlex.split(text)
    if not words:
        raise argparse.ArgumentTypeError("a workload needs a name")
    if "/" in words[0] or words[0].endswith((".wasm", ".wat")):
        module = Path(words[0])
    else:
        named = [WORKLOADS / f"{words[0]}.{kind}" for kind in ("wasm", "wat")]
        module = next((path for path in named if path.is_file()), named[0])
    if not module.is_file():
        raise argparse.ArgumentTypeError(f"no such workload: {module}")
    return Workload(" ".join([module.stem, *words[1:]]), module, words[1:])


def compute_workloads() -> list[Workload]:
    """The default set."""
    names = sorted(path.stem for path in WORKLOADS.glob("*.wasm"))
    return [find_workload(name) for name in names if name not in NOT_COMPUTE]


def feature_workloads() -> list[Workload]:
    """What needs more than WebAssembly 2.0: written as text, because no C compiler makes it."""
    names = sorted(path.stem for path in WORKLOADS.glob("*.wat"))
    return [find_workload(text) for name in names for text in FEATURE_ARGUMENTS.get(name, [name])]
