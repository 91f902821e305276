"""All tests on Airflow 3.3, in two suites, and beside them all but the slow ones on the 3.4 beta.

Most of the time they wait for Airflow's processes, so three suites at once take little longer than one.
Arguments go to all. The first suite's output comes as it is made, the others' after it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
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


SUITES = (
    Suite("Airflow 3.3", ".venv", "shared"),
    Suite("Airflow 3.3: faults, schema, chart, demo", ".venv", "own", ("-o", "cache_dir=.pytest_cache/own")),
    Suite("Airflow 3.4 beta", ".venv-34", "", ("-m", "not slow", "-o", "cache_dir=.pytest_cache/34")),
)


def start(suite: Suite, arguments: list[str], output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    home = ROOT / suite.environment
    activated = {"VIRTUAL_ENV": str(home), "PATH": os.pathsep.join([str(home / "bin"), os.environ["PATH"]])}
    return subprocess.Popen(
        [str(home / "bin/python"), "-m", "pytest", *suite.arguments, *arguments],
        cwd=ROOT,
        # The suites share the machine: waits give up later.
        env={
            "PINWHEEL_TEST_TIMEOUT_FACTOR": "4",
            **os.environ,
            **activated,
            "PINWHEEL_TEST_PART": suite.part,
        },
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )


def main(arguments: list[str]) -> int:
    with contextlib.ExitStack() as stack:
        outputs = [None, *(stack.enter_context(tempfile.TemporaryFile()) for _ in SUITES[1:])]
        running = [start(suite, arguments, output) for suite, output in zip(SUITES, outputs, strict=True)]
        codes = []
        for suite, process, output in zip(SUITES, running, outputs, strict=True):
            # Ctrl-C reaches all suites by itself: they end, and what they said so far is shown.
            while process.poll() is None:
                with contextlib.suppress(KeyboardInterrupt):
                    process.wait()
            codes.append(process.returncode)
            if output:
                print(f"\n{suite.title}:", flush=True)
                output.seek(0)
                shutil.copyfileobj(output, sys.stdout.buffer)
                sys.stdout.buffer.flush()
    selected = [abs(code) for code in codes if code != NO_TESTS]
    return max(selected, default=NO_TESTS)


if __name__ == "__main__":
    # A shell that put us into the background has made us deaf to Ctrl-C, and the tests' processes with us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
