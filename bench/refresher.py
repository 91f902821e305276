"""``python -m bench.refresher CLASS REPOSITORY``: take in a git bundle's newest version, and tell the cost.

Prints one line of JSON: seconds, CPU seconds (git's too), the process's memory in MiB before and at its peak.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from importlib import import_module
from pathlib import Path


def main() -> None:
    path, repository = sys.argv[1:]
    logging.disable(logging.INFO)
    module, _, name = path.rpartition(".")
    bundle = getattr(import_module(module), name)(
        name="bench", tracking_ref="main", repo_url=repository, git_conn_id="none"
    )
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _mib("VmRSS")
    cpu, began = sum(os.times()[:4]), time.monotonic()
    bundle.initialize()
    found = {"seconds": time.monotonic() - began, "cpu_seconds": sum(os.times()[:4]) - cpu}
    print(json.dumps({**found, "before_mib": before, "peak_mib": _mib("VmHWM")}))


def _mib(name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
