"""Started by processes.Reaper: waits for the end of pytest, then kills and deletes what it left."""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def marked(marker: bytes) -> list[int]:
    """Live processes with the marker in their environment; none where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(entry.name) != os.getpid() and marker in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def main() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    marker = f"{sys.argv[1]}={sys.argv[2]}".encode()
    pid_files, folders = [], []
    for line in sys.stdin:
        word, _, path = line.strip().partition(" ")
        {"pidfile": pid_files, "remove": folders}[word].append(Path(path))

    for path in pid_files:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(path.read_text().split()[0])
            if str(path.parent) in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"):
                os.kill(pid, signal.SIGQUIT)  # PostgreSQL: immediate shutdown
    for _ in range(50):
        left = marked(marker)
        if not left:
            break
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    for folder in folders:
        for _ in range(20):  # a dying PostgreSQL still writes
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.25)


if __name__ == "__main__":
    main()
