"""All tests on Airflow 3.3 and, beside them, all but the slow ones on the 3.4 beta.

Most of the time they wait for Airflow's processes, so two suites take little longer than one. Arguments go to
both. The 3.4 suite's output comes after the other's.
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

ROOT = Path(__file__).parents[1]
SUITES = {".venv": (), ".venv-34": ("-m", "not slow", "-o", "cache_dir=.pytest_cache/34")}


def suite(environment: str, arguments: list[str], output: object = None) -> subprocess.Popen[bytes]:
    home = ROOT / environment
    activated = {"VIRTUAL_ENV": str(home), "PATH": os.pathsep.join([str(home / "bin"), os.environ["PATH"]])}
    return subprocess.Popen(
        [str(home / "bin/python"), "-m", "pytest", *SUITES[environment], *arguments],
        cwd=ROOT,
        # Two suites share the machine: waits give up later.
        env={"PINWHEEL_TEST_TIMEOUT_FACTOR": "3", **os.environ, **activated},
        stdin=subprocess.DEVNULL,
        stdout=output,  # type: ignore[arg-type]
        stderr=subprocess.STDOUT if output else None,
    )


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryFile() as beside:
        suites = [suite(".venv", arguments), suite(".venv-34", arguments, beside)]
        codes = []
        for place, process in enumerate(suites):
            # Ctrl-C reaches both suites by itself: they end, and what they said so far is shown.
            while process.poll() is None:
                with contextlib.suppress(KeyboardInterrupt):
                    process.wait()
            codes.append(process.returncode)
            if place == 0:
                print("\nAirflow 3.4 beta:", flush=True)
        beside.seek(0)
        shutil.copyfileobj(beside, sys.stdout.buffer)
    return max(abs(code) for code in codes)


if __name__ == "__main__":
    # A shell that put us into the background has made us deaf to Ctrl-C, and the tests' processes with us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
