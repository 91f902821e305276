"""Runs at the start of each Python process of a measured deployment, which has this folder on its path."""

import os
import sys

# Airflow forks once for each file that it parses and for nothing else in the processor: one byte a fork.
_counter = os.environ.get("PINWHEEL_BENCH_FORKS")
if _counter and any(argument == "dag-processor" for argument in sys.orig_argv):

    def _count() -> None:
        with open(_counter, "ab") as stream:
            stream.write(b".")

    os.register_at_fork(after_in_parent=_count)

# Stock means without our listener: Airflow logs that the plugin can not be imported, and goes on without.
if os.environ.get("PINWHEEL_BENCH_NO_PLUGIN"):
    sys.modules["pinwheel.airflow3.plugin"] = None  # type: ignore[assignment]
