"""Stock Airflow and Pinwheel side by side in one run: ``python -m bench`` (docs/benchmark.md).

setting     options, and what all items stand on: folders, PostgreSQL, deployments
project     the generated repository of Dag files
fleet       one deployment that follows that repository: the stock side, or Pinwheel's
probe       loaded by each measured process: counts parser processes, leaves Pinwheel's plugin out
meter       CPU seconds of process trees, percentiles
inprocess   Airflow's models in this process
report      rows, table, JSON
items       one module an item
"""

import sys
from pathlib import Path

# The deployments are those of the tests.
_TESTS = str(Path(__file__).resolve().parent.parent / "tests")
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)
