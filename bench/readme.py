"""``python -m bench.readme JSON…``: the table of one or several runs, for README.md and docs/benchmark.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.report import markdown


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python -m bench.readme bench-results/<run>.json…")
    print(markdown([json.loads(Path(path).read_text()) for path in sys.argv[1:]]))


if __name__ == "__main__":
    main()
