"""(j) Large versions: what a bundle needs of memory and time for a very large file, and for very many.

Each measurement is a process of its own that does nothing but refresh the bundle (``bench/refresher.py``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.report import Row
from bench.setting import SIDES, Setting

TITLE = "large versions"
PER_SIDE = False
SECONDS, MIB = 10.0, 200
CLASSES = {
    "stock": "airflow.providers.git.bundles.git.GitDagBundle",
    "pinwheel": "pinwheel.bundles.GitBundle",
}
_PIECE = 1 << 20


def measure(setting: Setting) -> dict[str, Any]:
    options = setting.options
    large, many = setting.folder("large") / "repo", setting.folder("many") / "repo"
    _commit(
        large,
        [("large.bin", (os.urandom(_PIECE) for _ in range(options.large_mib)), options.large_mib * _PIECE)],
    )
    _commit(many, ((_name(n), [b"N = %08d\n" % n], 13) for n in range(options.many)))
    found: dict[str, Any] = {"large_mib": options.large_mib, "many": options.many, "large": {}, "changed": {}}
    for side in SIDES:
        found["large"][side] = _refreshed(setting.folder(f"large-{side}"), side, large)
    storages = {side: setting.folder(f"many-{side}") for side in SIDES}
    for side in SIDES:
        _refreshed(storages[side], side, many)
    _commit(many, [(_name(options.many // 2), [b"N = 'changed'\n"], 14)], onto="refs/heads/main^0")
    for side in SIDES:
        found["changed"][side] = _refreshed(storages[side], side, many)
    return found


def _name(number: int) -> str:
    return f"d{number // 400:04}/s{number // 40 % 10}/f{number}.py"


def _commit(repo: Path, files: Iterable[tuple[str, Iterable[bytes], int]], onto: str | None = None) -> None:
    if onto is None:
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(repo)], check=True)
    command = ["git", "-C", str(repo), "-c", "core.compression=0", "fast-import", "--quiet", "--force"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as importing:
        if importing.stdin is None:
            raise RuntimeError("git has no input")
        importing.stdin.writelines(_stream(files, onto))
        importing.stdin.close()
    if importing.returncode:
        raise RuntimeError(f"git fast-import ended with {importing.returncode}")


def _stream(files: Iterable[tuple[str, Iterable[bytes], int]], onto: str | None) -> Iterator[bytes]:
    yield b"commit refs/heads/main\ncommitter Bench <bench@localhost> 1700000000 +0000\ndata 1\nx\n"
    if onto is not None:
        yield f"from {onto}\n".encode()
    for path, pieces, size in files:
        yield f"M 644 inline {path}\ndata {size}\n".encode()
        yield from pieces
        yield b"\n"


def _refreshed(storage: Path, side: str, repo: Path) -> dict[str, float]:
    program = [sys.executable, "-m", "bench.refresher", CLASSES[side], str(repo)]
    environment = {**os.environ, "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(storage)}
    done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    def cell(side: dict[str, float]) -> str:
        memory = f"{side['peak_mib']:.0f} MiB ({side['before_mib']:.0f} before)"
        return f"{side['seconds']:.1f} s, {side['cpu_seconds']:.1f} CPU s, {memory}"

    large, changed = found["large"], found["changed"]
    return [
        Row(
            item="j",
            what=f"a version with a file of {found['large_mib']:,} MiB taken in: time, peak memory",
            target=f"{MIB} MiB",
            stock=cell(large["stock"]),
            pinwheel=cell(large["pinwheel"]),
            met=large["pinwheel"]["peak_mib"] <= MIB,
        ),
        Row(
            item="j",
            what=f"one file of {found['many']:,} changed: time, peak memory",
            target=f"{SECONDS:.0f} s, {MIB} MiB",
            stock=cell(changed["stock"]),
            pinwheel=cell(changed["pinwheel"]),
            met=changed["pinwheel"]["seconds"] <= SECONDS and changed["pinwheel"]["peak_mib"] <= MIB,
        ),
    ]
