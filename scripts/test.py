"""All tests on Airflow 3.3 without the full matrices, and on the 3.4 beta what stands on its seams.

With ``--all`` as the first argument the full matrices too, their whole sizes and numbers of examples, and on
the 3.4 beta all that can differ there but for the slow ones. Three suites at a time.

Most of the time tests wait for Airflow's processes: two suites at once would leave a third of two cores idle.
The longest come first, so that none is left alone at the end. Arguments go to all. The first suite's output
comes as it is made, the others' after it.
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
from collections import deque
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
    markers: str = ""
    """Pytest's expression of the markers of its tests; empty: all."""
    arguments: tuple[str, ...] = ()


SECOND = "second"
SUITES = (
    Suite("Airflow 3.3", ".venv", "main"),
    Suite("Airflow 3.4 beta", ".venv-34", SECOND, "not slow", ("-o", "cache_dir=.pytest_cache/34")),
    Suite("Airflow 3.3: deployed", ".venv", "deployed", "", ("-o", "cache_dir=.pytest_cache/deployed")),
    Suite("Airflow 3.3: pages", ".venv", "pages", "", ("-o", "cache_dir=.pytest_cache/pages")),
    Suite("Airflow 3.3: apart", ".venv", "apart", "", ("-o", "cache_dir=.pytest_cache/apart")),
    Suite("Airflow 3.3: schema, chart", ".venv", "schema", "", ("-o", "cache_dir=.pytest_cache/schema")),
    Suite(
        "Airflow 3.3: bundles, faults, demo", ".venv", "faults", "", ("-o", "cache_dir=.pytest_cache/faults")
    ),
)
AT_ONCE = 3


class Results:
    """Exit codes of suites; each thread in :meth:`run` takes the next one until there is none."""

    def __init__(self, arguments: list[str], outputs: dict[Suite, IO[bytes] | None], *, full: bool) -> None:
        self.arguments = arguments
        self.full = full
        self.codes: list[int] = []
        self.interrupted = False
        self._waiting = deque(outputs.items())

    def run(self) -> None:
        while not self.interrupted:
            try:
                suite, output = self._waiting.popleft()
            except IndexError:
                return
            self.codes.append(abs(start(suite, self.arguments, output, full=self.full).wait()))


def start(
    suite: Suite, arguments: list[str], output: IO[bytes] | None, *, full: bool
) -> subprocess.Popen[bytes]:
    home = ROOT / suite.environment
    activated = {"VIRTUAL_ENV": str(home), "PATH": os.pathsep.join([str(home / "bin"), os.environ["PATH"]])}
    # As for a user: an installed Airflow has its bytecode, and Dags' modules get theirs. Without, each of
    # hundreds of processes would compile all of Airflow.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(
        [str(home / "bin/python"), "-m", "pytest", "-m", suite.markers, *suite.arguments, *arguments],
        cwd=ROOT,
        # The suites share the machine: waits give up later.
        env={
            "PINWHEEL_TEST_TIMEOUT_FACTOR": "6",
            **inherited,
            **activated,
            "PINWHEEL_TEST_PART": suite.part,
            # Sizes and numbers of examples, see tests/harness/soak.py: the whole ones on the first version.
            "PINWHEEL_GATE": "" if full and suite.part != SECOND else "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )


def suites(*, full: bool) -> list[Suite]:
    """The suites to run; without *full* no test that is only in the full matrices."""
    if full:
        return list(SUITES)
    return [
        suite._replace(markers=" and ".join(filter(None, (suite.markers, "not full")))) for suite in SUITES
    ]


def checkout(root: Path) -> set[str] | None:
    """What git has to say of the files in a checkout, ignored ones aside; None: it is none."""
    if not (root / ".git").exists() or shutil.which("git") is None:
        return None
    done = subprocess.run(
        ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=all"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines())


def written(root: Path, before: set[str] | None) -> str:
    """How the checkout differs from what it was before, in words; empty: it does not."""
    after = checkout(root)
    if before is None or after is None or before == after:
        return ""
    lines = "".join(f"  {line}\n" for line in sorted(before ^ after))
    return f"The checkout is not as it was before the tests, which write into folders of their own:\n{lines}"


def main(arguments: list[str]) -> int:
    before = checkout(ROOT)
    code = run(arguments)
    if said := written(ROOT, before):
        print(f"\n{said}", file=sys.stderr, flush=True)
        # In CI nobody works beside the tests, so one of them did it.
        if arguments[:1] == ["--all"] and code in (0, NO_TESTS):
            return 1
    return code


def run(arguments: list[str]) -> int:
    full = arguments[:1] == ["--all"]
    arguments = arguments[int(full) :]
    with contextlib.ExitStack() as stack:
        chosen = suites(full=full)
        outputs: dict[Suite, IO[bytes] | None] = {
            suite: stack.enter_context(tempfile.TemporaryFile()) for suite in chosen
        }
        outputs[chosen[0]] = None
        results = Results(arguments, outputs, full=full)
        threads = [threading.Thread(target=results.run) for _ in range(AT_ONCE)]
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
