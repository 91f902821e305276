"""``python -m bench.readme JSON``: the table of a run as Markdown, for README.md and docs/benchmark.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.report import markdown


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.readme bench-results/<run>.json")
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
