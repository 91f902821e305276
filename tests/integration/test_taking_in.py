"""What the Dag processor parses of each push: the real loop, in this process, carries the plan out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import bundles, dags
from harness.gitrepo import GitRepo
from harness.loop import Loop, processor_loop
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.airflow3.processor.intake import Intake
from pinwheel.core.parse.plan import KnownFile
from pinwheel.services.ingest import register
from pinwheel.store.types import unpack

NAMES = ("one", "two", "three")


def code(dag_id: str, mark: str) -> str:
    (text,) = dags.dag(dag_id, mark).values()
    return text


class Bundle:
    """One repository; each of its files holds the Dag of its name. Dag processors come and go over it."""

    def __init__(self, database: Any, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.database, self.root, self.patch = database, root, patch
        self.repo = GitRepo(root / "repo")

    def commit(self, **marks: str | None) -> str:
        return self.repo.commit({f"{name}.py": mark and code(name, mark) for name, mark in marks.items()})

    def processor(self, **kind: str) -> AbstractContextManager[Loop]:
        bundle = {**bundles.git("b", self.repo.url, refresh_interval=0), **kind}
        return processor_loop(self.database, self.patch, self.root / "airflow", bundle)

    def parsed(self, loop: Loop, sha: str) -> list[str]:
        """The files that are parsed until this push is settled."""
        before = self._parses(loop)
        loop.turn_until(lambda: loop.settled("b", sha), what="the push")
        return [path for parse_id, path in self._parses(loop).items() if parse_id not in before]

    @staticmethod
    def _parses(loop: Loop) -> dict[int, str]:
        found = loop.rows("SELECT id, relative_fileloc AS path FROM pinwheel_parse ORDER BY relative_fileloc")
        return {row["id"]: row["path"] for row in found}


@pytest.fixture
def bundle(sqlite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
    database = sqlite.create()
    yield Bundle(database, tmp_path, monkeypatch)
    database.drop()


def known(loop: Loop) -> dict[str, KnownFile]:
    return loop.manager.intake.files_of("b")


@contextmanager
def inputs_read() -> Iterator[list[str]]:
    """The statements that read what parses read."""
    from airflow import settings

    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "pinwheel_parse.inputs" in statement:
            seen.append(statement)

    sa.event.listen(settings.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(settings.engine, "before_cursor_execute", note)


def test_a_push_parses_what_it_changed_and_takes_over_what_it_brings_back(bundle: Bundle) -> None:
    first = bundle.commit(**dict.fromkeys(NAMES, "m1"))
    with bundle.processor() as loop:
        assert bundle.parsed(loop, first) == ["one.py", "three.py", "two.py"]
        assert bundle.parsed(loop, bundle.commit(one="m2")) == ["one.py"]
        assert bundle.parsed(loop, bundle.commit(one="m1", two=None)) == []
        assert known(loop).keys() == {"one.py", "three.py"}
        assert bundle.parsed(loop, bundle.commit(two="m1")) == []
        assert bundle.parsed(loop, bundle.commit(two="m2", three="m2")) == ["three.py", "two.py"]
    # One that starts anew knows all from the tables
    last = bundle.commit(one="m2", three="m3")
    with bundle.processor() as loop:
        assert bundle.parsed(loop, last) == ["three.py"]
        assert {name: loop.released_from(name) for name in NAMES} == {
            "one": last,
            "two": bundle.repo.head("HEAD~1"),
            "three": last,
        }


def test_what_a_processor_knows_of_a_file_it_does_not_read_again(bundle: Bundle) -> None:
    first = bundle.commit(**dict.fromkeys(NAMES, "m1"))
    with bundle.processor() as loop:
        bundle.parsed(loop, first)
        # What it parsed itself it does not know by its parse yet
        bundle.parsed(loop, bundle.repo.commit({"README": "one"}))
        with inputs_read() as seen:
            assert bundle.parsed(loop, bundle.repo.commit({"README": "two"})) == []
        assert seen == []


def test_a_version_that_can_not_be_taken_in_for_now_changes_nothing_of_what_is_known(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bundle.commit(**dict.fromkeys(NAMES, "m1"))
    with bundle.processor() as loop:
        bundle.parsed(loop, first)
        before, head = known(loop), loop.manager.heads["b"]
        reuse_all, calls = register.reuse_all, list[dict[str, KnownFile]]()

        def fails(*args: Any, **kwargs: Any) -> set[str]:
            calls.append(known(loop))
            if len(calls) < 3:
                raise OSError("the database was away")
            return reuse_all(*args, **kwargs)

        monkeypatch.setattr(register, "reuse_all", fails)
        last = bundle.commit(one="m2", two=None)
        loop.turn_until(lambda: len(calls) == 2, what="the second failure")
        assert loop.manager.heads["b"] == head
        assert known(loop) == before == calls[1]
        assert bundle.parsed(loop, last) == ["one.py"]
        assert known(loop).keys() == {"one.py", "three.py"}


ASKING = """
import os
from pathlib import Path

from airflow.sdk import DAG, task

HERE = Path(__file__).resolve().parent
with DAG("one", schedule=None):
    names = ["first"]
    if (HERE / "conf" / ("more" + ".yml")).exists():
        names.append("second")
    os.listdir(HERE / "conf")
    for name in names:
        task(task_id=name)(lambda: None)()
"""


@pytest.mark.acceptance("pushes", 22, 25)
def test_what_a_parse_asks_about_is_parsed_again_and_is_a_build_only_where_it_makes_a_difference(
    bundle: Bundle,
) -> None:
    bundle.repo.commit({"one.py": ASKING, "conf/a.yml": "a"})
    with bundle.processor() as loop:
        loop.turn_until(lambda: loop.released_from("one"))
        listed = bundle.repo.commit({"conf/b.yml": "b"})
        assert bundle.parsed(loop, listed) == ["one.py"]
        assert loop.rows("SELECT count(*) AS n FROM pinwheel_build") == [{"n": 1}]
        changed = bundle.repo.commit({"conf/b.yml": "bb", "README": "read"})
        assert bundle.parsed(loop, changed) == [], "it was asked for names only"
        there = bundle.repo.commit({"conf/more.yml": "more"})
        assert bundle.parsed(loop, there) == ["one.py"]
        assert loop.released_from("one") == there
        gone = bundle.repo.commit({"conf/more.yml": None})
        assert bundle.parsed(loop, gone) == [], "an earlier parse of the same answers is known"
        builds = loop.rows(
            "SELECT b.build, b.unstable FROM pinwheel_dag d JOIN pinwheel_build b ON b.id = d.active_build_id"
        )
        assert [row["build"] for row in builds] == [1], "the first is back"
        assert loop.rows("SELECT count(*) AS n FROM pinwheel_build") == [{"n": 2}]


def test_a_version_is_at_the_shared_mirror_before_a_run_can_start_on_it(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared.git"
    subprocess.run(["git", "init", "-q", "--bare", str(shared)], check=True)
    kept: dict[str, bool] = {}
    take = Intake.take

    def look_first(self: Intake, name: str, prepared: Any, expected_seq: int) -> bool:
        asked = subprocess.run(["git", "-C", str(shared), "cat-file", "-e", prepared.version], check=False)
        kept[prepared.version] = asked.returncode == 0
        return take(self, name, prepared, expected_seq)

    monkeypatch.setattr(Intake, "take", look_first)
    entry = bundles.git("b", bundle.repo.url, refresh_interval=0, mirror_url=str(shared))
    first = bundle.commit(one="m1")
    with processor_loop(bundle.database, monkeypatch, tmp_path / "airflow", entry) as loop:
        loop.turn_until(lambda: loop.settled("b", first))
        second = bundle.commit(two="m2")
        loop.turn_until(lambda: loop.settled("b", second))
        assert kept == {first: True, second: True}
        shared.rename(tmp_path / "away")
        third = bundle.commit(three="m3")
        loop.turn_until(lambda: loop.settled("b", third), what="a push while the mirror is away")
        assert kept == {first: True, second: True, third: False}


def contributors(loop: Loop, sha: str) -> Any:
    (row,) = loop.rows("SELECT contributors FROM pinwheel_bundle_version WHERE version = :sha", sha=sha)
    return row["contributors"] and unpack(row["contributors"])


def test_each_version_says_who_changed_what_since_the_one_before(bundle: Bundle) -> None:
    first = bundle.commit(one="m1", two="m1")
    bob = "Bob <bob@example.org>"
    with bundle.processor() as loop:
        bundle.parsed(loop, first)
        assert contributors(loop, first) is None
        bundle.repo.commit({"one.py": code("one", "m2")}, author=bob, push=False)
        second = bundle.commit(two="m2")
        bundle.parsed(loop, second)
        known = contributors(loop, second)
        assert [(each["people"][0], each["paths"]) for each in known] == [
            (["author", "Ada Author <ada@example.org>"], ["two.py"]),
            (["author", bob], ["one.py"]),
        ]
    # A processor that starts on the head takes it in again, and has no news of who made it
    with bundle.processor() as loop:
        loop.turn_until(lambda: loop.settled("b", second), what="the head")
        assert contributors(loop, second) == known
        bundle.repo.reset_to(first)
        bundle.parsed(loop, first)
        taken_back = contributors(loop, first)
        assert [each["people"] for each in taken_back] == [[], []]


class Forgetful(GitBundle):
    """A bundle that fails when it is asked who changed what."""

    def contributors(self, before: str, after: str) -> list[dict[str, Any]] | None:
        raise OSError("no space left")


def test_a_version_is_taken_in_although_nobody_can_say_who_changed_what(bundle: Bundle) -> None:
    first = bundle.commit(one="m1")
    with bundle.processor(classpath=f"{__name__}.Forgetful") as loop:
        bundle.parsed(loop, first)
        second = bundle.commit(one="m2")
        assert bundle.parsed(loop, second) == ["one.py"]
        assert contributors(loop, second) is None
