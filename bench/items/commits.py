"""(l) Bytes that each commit costs which changes nothing traced: in the bundle's store and in the tables.

In process: each commit is fetched and laid out by a GitBundle and taken in by the service that the Dag
processor calls, from a repository on the same disk. What the first and the last quarter of the commits cost
is compared, so that what a commit costs does not grow with the number of those before it. Before each
measurement the tables are written anew without the room that old rows leave (how much that was is measured
too), what the processor protects is protected, and the mirror is repacked by the command that it uses itself
from time to time. Nothing removes versions meanwhile: Airflow's clean-up removes those that nobody has used
for hours.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.inprocess import bound
from bench.report import Row
from bench.seed import BUNDLE, EMPTY, files_of, seed
from bench.setting import Setting
from harness.databases import Database
from harness.taking import take_in

TITLE = "bytes a commit"
PER_SIDE = False
DAGS, NOTES = 150, 50
WARM_UP = 20
"""Commits before the first that is measured: by then rows that are written anew have their room."""
SLACK = 1.1
"""So much more the last quarter may cost than the first: pages are filled and packs deltified unevenly."""
ROUNDING = 16 * 1024
"""Bytes more, whatever the number of commits: tables and files grow by whole pages and blocks."""
AIRFLOW_TABLES = ("dag", "dag_version", "serialized_dag", "dag_code")
_ALL = "refs/bench/all"


def measure(setting: Setting) -> dict[str, Any]:
    count = max(1, setting.options.commits // 4)
    repo = setting.folder("repo") / "repo.git"
    with setting.database("commits") as database, bound(database):
        dag_ids = seed(setting.folder("seed"), DAGS, revisions=1, template=EMPTY, dags_per_file=1)
        files = list(files_of(dag_ids, 1))
        commits = _repository(repo, files, WARM_UP + 4 * count)
        follower = _Follower(setting, database, repo, files)
        for sha in commits[: WARM_UP + 1]:
            follower.take(sha)
        marks = [follower.mark()]
        seconds = []
        for quarter in range(4):
            began = time.perf_counter()
            for sha in commits[WARM_UP + 1 :][quarter * count : (quarter + 1) * count]:
                follower.take(sha)
            seconds.append((time.perf_counter() - began) / count)
            marks.append(follower.mark())
    return {
        "commits": 4 * count,
        "files": DAGS + NOTES,
        "dags": DAGS,
        "marks": marks,
        "seconds": [round(value, 3) for value in seconds],
        "slopes": {
            name: [round((after[name] - before[name]) / count, 1) for before, after in pairwise(marks)]
            for name in ("mirror", "versions", "rows", "tables")
        },
    }


class _Follower:
    """What a Dag processor does with each new commit of a bundle, without parsing."""

    def __init__(self, setting: Setting, database: Database, repo: Path, files: list[str]) -> None:
        from pinwheel.airflow3.host import airflow_host
        from pinwheel.bundles import GitBundle

        self.host = airflow_host()
        self.host.deployment.versioned |= {BUNDLE: True}
        self.bundle = GitBundle(name=BUNDLE, tracking_ref="main", repo_url=str(repo), git_conn_id="none")
        self.repo = repo
        self.files = files
        self.taken: set[str] = set()
        self.execute = lambda statement: setting.server.execute(statement, database.name)
        own = self.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'pinwheel\\_%'")
        self.tables = [*AIRFLOW_TABLES, *sorted(name for (name,) in own)]

    def take(self, sha: str) -> None:
        """Push one commit, fetch it and take it in; all Dags must follow to it."""
        from pinwheel.airflow3.processor.head import about_version

        self.taken.add(sha)
        _git(self.repo, "update-ref", "refs/heads/main", sha)
        if self.bundle.is_initialized:
            self.bundle.refresh()
        else:
            self.bundle.initialize()
        version = self.bundle.get_current_version()
        found = getattr(version, "version", version)
        assert found == sha, f"{found} was fetched, and not {sha}"
        take_in(
            self.host,
            BUNDLE,
            sha,
            files=self.files,
            changed=(),
            path=str(self.bundle.path),
            about=about_version(self.bundle, sha),
        )
        left = self.execute(f"SELECT count(*) FROM dag WHERE bundle_version IS DISTINCT FROM '{sha}'")
        assert left[0][0] == 0, f"{left[0][0]} Dags do not follow to {sha}"

    def mark(self) -> dict[str, int]:
        """Bytes so far."""
        from pinwheel.services.release import keeping

        # Without the version from which the Dags were seeded: no repository has it
        needed = self.taken & self.host.unit.run(
            lambda session: keeping.protected(self.host, session, BUNDLE)
        )
        failed = self.bundle.protect(needed)
        assert not failed, f"not protected: {sorted(failed)}"
        loose = _disk(self.bundle.mirror.path)
        _git(self.bundle.mirror.path, "gc", "--quiet", "--prune=90.days.ago")
        with_room = self._tables()
        self.execute(f"VACUUM FULL {', '.join(self.tables)}")
        mirror = _disk(self.bundle.mirror.path)
        return {
            "mirror": mirror,
            "mirror_before_gc": loose,
            "versions": _disk(self.bundle.base_dir) - mirror,
            "tables": self._tables(),
            "tables_with_room": with_room,
            "rows": sum(
                int(self.execute(f"SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM {name} t")[0][0])
                for name in self.tables
            ),
        }

    def _tables(self) -> int:
        names = ", ".join(f"'{name}'" for name in self.tables)
        query = f"SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(ARRAY[{names}]) t"
        return int(self.execute(query)[0][0])


def _disk(root: Path) -> int:
    """Bytes on disk of everything below a folder, directories too, what is linked often once."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(root):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            facts = os.lstat(path)
            seen[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(seen.values())


def _repository(repo: Path, dag_files: list[str], count: int) -> list[str]:
    """A bare repository of these files and some notes; the first commit and *count* that change a note each.

    No branch has them yet.
    """
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(repo)], check=True)
    command = ["git", "-C", str(repo), "fast-import", "--quiet"]
    stream = b"".join(_stream(dag_files, count))
    subprocess.run(command, input=stream, check=True)
    return _git(repo, "rev-list", "--reverse", _ALL).split()


def _stream(dag_files: list[str], count: int) -> Iterator[bytes]:
    first = {path: f"# The Dag of {path}\n" * 40 for path in dag_files}
    notes = [f"notes/part_{number:02d}.md" for number in range(NOTES)]
    yield _commit(0, {**first, **{path: _note(path, 0) for path in notes}})
    for number in range(1, count + 1):
        path = notes[number % NOTES]
        yield _commit(number, {path: _note(path, number)})


def _note(path: str, number: int) -> str:
    return f"# {path}\n" + f"A line of {path} that stays.\n" * 40 + f"Corrected {number} times.\n"


def _commit(number: int, files: dict[str, str]) -> bytes:
    message = f"Correct a note, for the {number}th time"
    lines = [
        f"commit {_ALL}",
        f"committer Ada Author <ada@example.org> {1_700_000_000 + 60 * number} +0000",
        f"data {len(message)}",
        message,
    ]
    for path, text in files.items():
        lines += [f"M 644 inline {path}", f"data {len(text)}", text]
    return ("\n".join(lines) + "\n").encode()


def _git(repo: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repo), *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def rows(found: dict[str, Any]) -> list[Row]:
    slopes, seconds = found["slopes"], found["seconds"]
    first, last = (
        (mark["tables_with_room"] - mark["tables"]) / 1e6 for mark in found["marks"][:: len(seconds)]
    )
    room = f"room of old rows {first:.1f} MB, at the end {last:.1f} MB"

    def cell(name: str) -> str:
        return f"{slopes[name][0]:,.0f} then {slopes[name][-1]:,.0f}"

    def row(what: str, name: str, more: str = "") -> Row:
        first, last = slopes[name][0], slopes[name][-1]
        return Row(
            item="l",
            what=f"bytes a commit {what}, {found['commits']:,} commits of {found['files']} files,"
            " first quarter then last",
            target="flat",
            pinwheel=cell(name) + more,
            ratio=f"ratio {last / first:.2f}" if first > 0 else "",
            met=last <= SLACK * max(first, 0) + ROUNDING / (found["commits"] / len(seconds)),
        )

    return [
        row("in the mirror", "mirror"),
        row("in versions on disk, of which none is removed", "versions"),
        row("in the tables with indexes", "tables", f" ({cell('rows')} of rows); {room}"),
        Row(
            item="l",
            what=f"time to take in a commit, {found['dags']} Dags, first quarter then last",
            target="flat",
            pinwheel=f"{seconds[0]:.2f} s then {seconds[-1]:.2f} s",
            ratio=f"ratio {seconds[-1] / seconds[0]:.2f}",
        ),
    ]
