"""Started beside a local deployment: waits for the end of the process that started it, then ends the rest.

The only message is the end of standard input, which comes however the other side ends.
"""

from __future__ import annotations

import signal
import sys

from pinwheel.standalone.processes import end_all


def main() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_all(sys.argv[1], grace_seconds=5)


if __name__ == "__main__":
    main()
