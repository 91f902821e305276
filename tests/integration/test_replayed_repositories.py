"""Made-up repositories replayed commit by commit, against an oracle that knows nothing of Pinwheel.

The oracle runs the files of each commit as plain Python and calls their tasks. No push may be ignored and no
Dag may step back; which builds were missed and which are false is counted and told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from harness import bundles
from harness.gitrepo import GitRepo
from harness.loop import Loop, processor_loop
from harness.monorepo import UNSEEN, Monorepo
from harness.plain_dags import BROKEN, Oracle
from harness.soak import SOAK, size

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

REPOSITORIES = size(4, gate=2)
ROUNDS = 60 if SOAK else size(16, gate=12)
"""Commits of each repository after the first."""
COMMITS = REPOSITORIES * ROUNDS


@define
class Tally:
    """What became of the pushes, by what a commit was about and the kind of Dag."""

    pushes: int = 0
    compared: int = 0
    ignored: list[str] = field(factory=list)
    back: list[str] = field(factory=list)
    missed: Counter[tuple[str, str]] = field(factory=Counter)
    false: Counter[tuple[str, str]] = field(factory=Counter)
    builds: int = 0

    def report(self) -> str:
        lines = [
            f"{self.pushes} commits, {self.compared} Dags before and after one; {self.builds} new builds",
            f"{len(self.ignored)} pushes ignored, {len(self.back)} steps back",
        ]
        for name, found in (("missed", self.missed), ("false", self.false)):
            lines.append(f"{found.total()} {name} builds")
            lines += [f"  {n:4} {what} / {kind}" for (what, kind), n in sorted(found.items())]
        return "\n".join(lines)


class Replay:
    """One repository, what its commits give by the oracle, and what Pinwheel has shown of it."""

    def __init__(self, repo: Monorepo, git: GitRepo, oracle: Oracle, root: Path) -> None:
        self.repo, self.git, self._oracle, self._root = repo, git, oracle, root
        self.shas: list[str] = []
        self.truths: list[dict[str, Any]] = []
        self.builds: dict[str, int] = {}
        self.rows: dict[str, int] = {}
        self.good: dict[str, Any] = {}
        self.what = "first"

    def commit(self) -> str:
        changes: Mapping[str, str | None] = self.repo.files
        if self.shas:
            self.what, changes = self.repo.change()
        self.shas.append(self.git.commit(dict(changes), message=self.what))
        folder = self._root / str(len(self.shas))
        for path, content in self.repo.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        self.truths.append(self._oracle.ask(folder / self.repo.subdir))
        return self.shas[-1]

    def compare(self, loop: Loop, tally: Tally) -> None:
        """After the newest commit is settled: what new runs would take, and which builds stand."""
        truth, head = self.truths[-1], len(self.shas) - 1
        name = self.repo.name
        query = "SELECT dag_id, bundle_version FROM dag WHERE bundle_name = :b AND NOT is_stale"
        rows = {row["dag_id"]: self.shas.index(row["bundle_version"]) for row in loop.rows(query, b=name)}
        query = "SELECT dag_id, build_id FROM pinwheel_stand WHERE bundle_name = :b AND last_seq IS NULL"
        stands = {row["dag_id"]: row["build_id"] for row in loop.rows(query, b=name)}
        broken = {dag_id for dag_id in truth if dag_id.startswith(BROKEN)}
        dags = truth.keys() - broken
        assert dags <= rows.keys() and (broken or rows.keys() == dags), (self.what, rows.keys() ^ dags)
        tally.pushes += head > 0
        for dag_id in sorted(dags):
            place = f"{name} {self.what} {head} {dag_id}"
            if self.truths[rows[dag_id]].get(dag_id) != truth[dag_id] or rows[dag_id] != head:
                tally.ignored.append(place)
            if dag_id in self.good and head:
                self._count(tally, dag_id, truth, stands)
            self.good[dag_id] = truth[dag_id]
            self.builds[dag_id] = stands[dag_id]
        for dag_id, row in rows.items():
            if row < self.rows.get(dag_id, 0):
                tally.back.append(f"{name} {self.what} {head} {dag_id}")
        self.rows = rows

    def _count(self, tally: Tally, dag_id: str, truth: Mapping[str, Any], stands: Mapping[str, int]) -> None:
        tally.compared += 1
        other, new = self.good[dag_id] != truth[dag_id], self.builds[dag_id] != stands[dag_id]
        place = (self.what, self.repo.kind_of(dag_id))
        tally.builds += new
        if other and not new:
            tally.missed[place] += 1
        if new and not other:
            tally.false[place] += 1


@pytest.fixture(scope="module")
def tally(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tally]:
    root = tmp_path_factory.mktemp("replay")
    made, database = Tally(), postgres.create()
    with Oracle(root / "oracle") as oracle, pytest.MonkeyPatch.context() as patch:
        replays = []
        for seed in range(REPOSITORIES):
            repo = Monorepo(f"r{seed}", seed, subdir="airflow" if seed % 2 else "")
            replays.append(Replay(repo, GitRepo(root / repo.name), oracle, root / f"plain{seed}"))
        for replay in replays:
            replay.commit()
        entries = [
            bundles.git(
                *(replay.repo.name, replay.git.url),
                refresh_interval=0,
                **({"subdir": replay.repo.subdir} if replay.repo.subdir else {}),
            )
            for replay in replays
        ]
        with processor_loop(database, patch, root / "airflow", *entries) as loop:
            for number in range(ROUNDS + 1):
                if number:
                    for replay in replays:
                        replay.commit()
                for replay in replays:
                    name, sha = replay.repo.name, replay.shas[-1]
                    loop.turn_until(
                        lambda name=name, sha=sha: _settled(loop, name, sha),
                        turns=300,
                        what=f"settling {name}",
                    )
                for replay in replays:
                    replay.compare(loop, made)
        print(made.report())
        yield made
    database.drop()


def _settled(loop: Loop, name: str, sha: str) -> bool:
    head = loop.manager.heads.get(name)
    known = loop.manager.intake.files_of(name).values()
    return loop.settled(name, sha) and head is not None and all(file.seq == head.seq for file in known)


def test_no_push_of_a_replayed_repository_is_ignored_and_no_dag_steps_back(tally: Tally) -> None:
    assert tally.pushes >= COMMITS - 4 and tally.compared > 8 * COMMITS - 12
    assert tally.ignored == [], tally.report()
    assert tally.back == [], tally.report()


def test_what_a_parse_can_see_or_a_repository_declares_is_a_new_build_when_tasks_print_something_else(
    tally: Tally,
) -> None:
    """Missed builds of what nobody can see are told; their runs were on the newest commit all the same."""
    assert tally.builds > COMMITS // 2 - 2
    seen = {place: n for place, n in tally.missed.items() if place[1] not in UNSEEN}
    assert seen == {}, tally.report()


def test_a_build_that_changes_nothing_for_its_dag_has_a_reason(tally: Tally) -> None:
    """A comment in a file of its code; other configs of a factory; code of a helper that it does not call."""
    reasons = {
        "comment",
        "helper",
        "one config",
        "config comes",
        "config goes",
        "revert",
        "Dag file",
        "mended",
        "sql",  # beside the one that is read by a computed name
    }
    assert {place for place in tally.false if place[0] not in reasons} == set(), tally.report()
