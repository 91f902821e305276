"""All tests on Airflow 3.3 and all but the slow ones on the 3.4 beta, in two lanes side by side.

Most of the time tests wait for Airflow's processes, so two at once take little longer than one; a third would
make them wait for each other. Arguments go to all. The first suite's output comes as it is made, the others'
after it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[1]
NO_TESTS = 5
"""Pytest's exit code when nothing was selected: of the arguments, a suite may have no test."""


class Suite(NamedTuple):
    title: str
    environment: str
    part: str
    """See ``tests/conftest.py``; empty: all tests."""
    arguments: tuple[str, ...] = ()


LANES = (
    (Suite("Airflow 3.3", ".venv", "shared"),),
    (
        Suite("Airflow 3.4 beta", ".venv-34", "", ("-m", "not slow", "-o", "cache_dir=.pytest_cache/34")),
        Suite(
            "Airflow 3.3: faults, schema, chart, demo", ".venv", "own", ("-o", "cache_dir=.pytest_cache/own")
        ),
    ),
)


class Results:
    """Of suites in lanes: their exit codes, and what they wrote."""

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments
        self.codes: list[int] = []
        self.interrupted = False

    def run(self, lane: dict[Suite, IO[bytes] | None]) -> None:
        for suite, output in lane.items():
            if not self.interrupted:
                self.codes.append(abs(start(suite, self.arguments, output).wait()))


def start(suite: Suite, arguments: list[str], output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    home = ROOT / suite.environment
    activated = {"VIRTUAL_ENV": str(home), "PATH": os.pathsep.join([str(home / "bin"), os.environ["PATH"]])}
    # As for a user: an installed Airflow has its bytecode, and Dags' modules get theirs. Without, each of
    # hundreds of processes would compile all of Airflow.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(
        [str(home / "bin/python"), "-m", "pytest", *suite.arguments, *arguments],
        cwd=ROOT,
        # The lanes share the machine: waits give up later.
        env={
            "PINWHEEL_TEST_TIMEOUT_FACTOR": "4",
            **inherited,
            **activated,
            "PINWHEEL_TEST_PART": suite.part,
        },
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )


def main(arguments: list[str]) -> int:
    results = Results(arguments)
    with contextlib.ExitStack() as stack:
        outputs: dict[Suite, IO[bytes] | None] = {
            suite: stack.enter_context(tempfile.TemporaryFile()) for lane in LANES for suite in lane
        }
        outputs[LANES[0][0]] = None
        lanes = [{suite: outputs[suite] for suite in lane} for lane in LANES]
        threads = [threading.Thread(target=results.run, args=(lane,)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            # Ctrl-C reaches the running suites by itself: they end, and what they said so far is shown.
            while thread.is_alive():
                try:
                    thread.join()
                except KeyboardInterrupt:
                    results.interrupted = True
        for suite, output in outputs.items():
            if output:
                print(f"\n{suite.title}:", flush=True)
                output.seek(0)
                shutil.copyfileobj(output, sys.stdout.buffer)
                sys.stdout.buffer.flush()
    if len(results.codes) < len(outputs):
        return 1  # Interrupted, or one could not be started.
    return max((code for code in results.codes if code != NO_TESTS), default=NO_TESTS)


if __name__ == "__main__":
    # A shell that put us into the background has made us deaf to Ctrl-C, and the tests' processes with us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
