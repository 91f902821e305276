"""The line of a Dag and the comparison of two builds, from the rows of SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, update

from harness import asked
from harness.asked import clear, trigger
from harness.inprocess import bound_airflow
from harness.seed import Seeder
from pinwheel.core.errors import InvalidInput, NotFound, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.show import compare
from pinwheel.services.show.builds import build, builds
from pinwheel.services.show.line import line
from pinwheel.store import tables as t

DAG = """
    from airflow.sdk import DAG, task

    with DAG("d", schedule=None, tags={tags!r}):
        {tasks}
"""


def dag(*task_ids: str, mark: str = "m", tags: tuple[str, ...] = ()) -> str:
    body = "".join(
        f"\n        @task\n        def {name}():\n            print('{mark}')\n        {name}()\n"
        for name in task_ids
    )
    return DAG.format(tasks=body, tags=tags)


@pytest.fixture
def seeder(database_source: Any, tmp_path: Path) -> Iterator[Seeder]:
    database = database_source.create()
    with bound_airflow(database):
        yield Seeder(tmp_path)
    database.drop()


def do(seeder: Seeder, verb: Verb, **more: Any) -> None:
    change.apply(seeder.host, asked.change(verb=verb, dag_ids=["d"], actor="ada", **more))


def set_run(seeder: Seeder, run_id: str, **values: Any) -> None:
    from airflow.models.dagrun import DagRun

    seeder.host.unit.run(lambda s: s.execute(update(DagRun).where(DagRun.run_id == run_id).values(**values)))


@pytest.fixture
def story(seeder: Seeder) -> Seeder:
    """Builds 1, 2, broken, 3 (held by a rollback); runs on each."""
    seeder.push({"d.py": dag("a", tags=("version:1.0",))})
    trigger(seeder.host, "d", actor="ada", run_id="on_1")
    set_run(seeder, "on_1", state="success")
    seeder.push({"d.py": dag("a", "b")})
    for name, state in (("bad", "failed"), ("good", "success")):
        trigger(seeder.host, "d", actor="ada", run_id=f"on_2_{name}")
        set_run(seeder, f"on_2_{name}", state=state)
    seeder.push({"d.py": dag("a", "b") + "\n    oops("}, errors={"d.py": "Traceback\nSyntaxError: oops"})
    do(seeder, Verb.ROLLBACK, reason="wrong totals")
    trigger(seeder.host, "d", actor="ada", run_id="after")
    set_run(seeder, "after", state="running")
    seeder.push({"d.py": dag("a", "c")})
    trigger(seeder.host, "d", actor="ada", run_id="tried", build=3)
    return seeder


def test_the_line_says_which_build_was_active_when_and_what_its_runs_came_to(story: Seeder) -> None:
    found = line(story.host, "d")
    shown = [(r.release, r.build, r.kind, r.active, r.runs) for r in found.releases]
    assert shown == [
        (3, 1, "rollback", True, {"running": 1}),
        (2, 2, "auto", False, {"failed": 1, "success": 1}),
        (1, 1, "auto", False, {"success": 1}),
    ]
    newest, second, first = found.releases
    assert (newest.until, second.until, first.until) == (
        None,
        newest.created_at,
        second.created_at,
    )
    assert (newest.reason, newest.actor, newest.label, newest.message) == (
        "wrong totals",
        "ada",
        "1.0",
        "push 1",
    )
    assert [(b.build, b.status, list(b.releases), b.runs) for b in found.builds] == [
        (3, "good", [], {"queued": 1}),
        (None, "broken", [], {}),
        (2, "good", [2], {"failed": 1, "success": 1}),
        (1, "good", [1, 3], {"running": 1, "success": 1}),
    ]
    assert found.builds[1].error == "Traceback\nSyntaxError: oops"
    assert [(r.run_id, r.state, r.release, r.build, r.bound_by) for r in found.runs] == [
        ("tried", "queued", None, 3, "trial"),
        ("after", "running", 3, 1, "active"),
        ("on_2_good", "success", 2, 2, "active"),
        ("on_2_bad", "failed", 2, 2, "active"),
        ("on_1", "success", 1, 1, "active"),
    ]
    assert (found.since, found.before, found.in_force, found.more_runs) == (
        None,
        None,
        None,
        False,
    )
    assert found.runs_before_pinwheel == {}


def test_the_line_tells_builds_newer_than_the_active_one_as_promote_does(story: Seeder) -> None:
    def newer() -> tuple[dict[int, bool], dict[int, bool]]:
        shown = line(story.host, "d")
        return (
            {each.build: each.newer for each in shown.builds},
            {each.release: each.newer for each in shown.releases},
        )

    assert newer() == ({3: True, 2: True, None: False, 1: False}, {3: False, 2: True, 1: False})
    do(story, Verb.PROMOTE, reason="it was the data")
    assert newer()[0] == {3: False, 2: False, None: False, 1: False}
    story.push({"d.py": dag("a", "b")})
    assert newer()[0] == {3: False, 2: True, None: False, 1: False}, "a revert brought 2 back"
    do(story, Verb.PROMOTE, build=2, reason="it was the data")
    assert newer()[0] == {3: False, 2: False, None: False, 1: False}
    with pytest.raises(Refused):
        do(story, Verb.PROMOTE, build=3)


def test_a_run_that_was_cleared_on_another_build_counts_there(story: Seeder) -> None:
    clear(story.host, "d", ["on_2_bad"], actor="ada", build=1)
    found = {r.release: r.runs for r in line(story.host, "d").releases}
    assert found == {3: {"running": 1, "queued": 1}, 2: {"success": 1}, 1: {"success": 1}}


def test_runs_from_before_pinwheel_are_told_apart(story: Seeder) -> None:
    from airflow.models.dagrun import DagRun

    def forget(session: Any) -> None:
        session.execute(delete(t.binding).where(t.binding.c.run_id == "on_1"))
        session.execute(update(DagRun).where(DagRun.run_id == "on_1").values(created_dag_version_id=None))

    story.host.unit.run(forget)
    found = line(story.host, "d")
    assert found.runs_before_pinwheel == {"success": 1}
    assert [(r.release, r.build) for r in found.runs if r.run_id == "on_1"] == [(None, None)]


def test_the_pages_of_the_line_together_hold_everything_once(story: Seeder) -> None:
    whole = line(story.host, "d")
    for limit in (1, 2, 3, 5):
        pages = [line(story.host, "d", limit=limit)]
        while pages[-1].since is not None:
            pages.append(line(story.host, "d", before=pages[-1].since, limit=limit))
        for name in ("releases", "builds", "runs"):
            together = [item for page in pages for item in getattr(page, name)]
            assert together == [*getattr(whole, name)], (name, limit)
        for page in pages:
            # A build and its release are of one instant and stay together.
            assert len(page.releases) + len(page.builds) <= limit + 1
            if page.since:
                earlier = [r for r in whole.releases if r.created_at < page.since]
                assert page.in_force == (earlier[0] if earlier else None)


def test_a_long_line_is_read_with_few_statements(seeder: Seeder) -> None:
    from airflow import settings
    from airflow.models.dagrun import DagRun
    from sqlalchemy import insert, select

    seeder.push({"d.py": dag("a")})
    trigger(seeder.host, "d", actor="ada", run_id="r0")
    now = seeder.host.unit.now()

    def grow(session: Any) -> None:
        build = dict(session.execute(select(t.build)).one()._mapping)
        release = dict(session.execute(select(t.release)).one()._mapping)
        run = dict(session.execute(select(DagRun.__table__)).one()._mapping)
        builds = [{**build, "id": 1000 + n, "build": n, "digest": f"{n:064}"} for n in range(2, 301)]
        session.execute(insert(t.build), [{**b, "created_at": now + timedelta(b["build"])} for b in builds])
        releases = [
            {**release, "id": 1000 + n, "release": n, "build_id": 1000 + n, "created_at": now + timedelta(n)}
            for n in range(2, 301, 2)
        ]
        session.execute(insert(t.release), releases)
        for name in ("id", "logical_date", "log_template_id"):
            run.pop(name, None)
        runs = [
            {**run, "run_id": f"r{n}", "queued_at": now + timedelta(n / 4), "state": "success"}
            for n in range(1, 1200)
        ]
        session.execute(insert(DagRun.__table__), runs)

    seeder.host.unit.run(grow)
    statements: list[str] = []
    engine = settings.engine
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    found = line(seeder.host, "d", limit=500)
    assert (len(found.builds), len(found.releases)) == (300, 151)
    assert (len(found.runs), found.more_runs) == (1000, True)
    assert sum(sum(release.runs.values()) for release in found.releases) == 1200
    assert len(statements) <= 20, statements


def test_two_builds_are_compared_as_one_graph_with_all_their_files(story: Seeder) -> None:
    found = compare.compare(story.host, "d")
    assert (found.from_.build, found.to.build) == (1, 3)
    assert (found.from_.label, found.to.releases) == ("1.0", ())
    assert {node.id: node.change for node in found.graph.nodes} == {"a": "same", "c": "added"}
    assert found.structure.tasks_added == ("c",)
    assert [(f.path, f.change) for f in found.files] == [("d.py", "modified")]
    assert all(f.from_size and f.to_size for f in found.files)
    assert found.command == "pinwheel diff d 1 3"
    same = compare.compare(story.host, "d", 2, 2)
    assert [(f.path, f.change) for f in same.files] == [("d.py", "same")]


def test_one_build_is_shown_with_its_releases_and_every_file_that_it_used(story: Seeder) -> None:
    found = build(story.host, "d", 1)
    assert (found.build, found.status, found.releases, found.label) == (1, "good", (1, 3), "1.0")
    assert (found.digest, found.untraced) == (builds(story.host, "d")[-1].digest, False)
    compared = compare.compare(story.host, "d", 1, 1)
    assert [(f.path, f.size, f.read_at_parse) for f in found.files] == [
        (f.path, f.to_size, f.read_at_parse) for f in compared.files
    ]

    def known_otherwise(session: Any) -> None:
        files = {"z.py": "f" * 64, "read.txt": "f" * 64}
        values = {"files": files, "reach": {"read_at_parse": ["read.txt"]}, "adopted": True}
        session.execute(update(t.build).where(t.build.c.build == 1).values(**values, inputs_digest=""))

    story.host.unit.run(known_otherwise)
    found = build(story.host, "d", 1)
    shown = [(f.path, f.size, f.read_at_parse) for f in found.files]
    assert shown == [("read.txt", None, True), ("z.py", None, False)]
    assert found.untraced, "no parse told which files the adopted build used"


def test_a_build_that_there_is_not_is_refused_in_words(story: Seeder) -> None:
    with pytest.raises(NotFound, match="Cannot show build 4 of d: it has no good build 4") as refused:
        build(story.host, "d", 4)
    assert refused.value.facts == {"dag_id": "d", "build": 4}
    with pytest.raises(NotFound, match="Cannot find Dag nothing"):
        build(story.host, "nothing", 1)


def test_a_file_is_shown_as_each_build_had_it(story: Seeder) -> None:
    found = compare.file(story.host, "d", "d.py", 1, 3)
    assert "def c" in found.to.text and "def c" not in found.from_.text
    assert (found.change, found.from_.why_not) == ("modified", None)
    with pytest.raises(NotFound, match="neither build 1 nor build 3 used it"):
        compare.file(story.host, "d", "../../etc/passwd", 1, 3)


def test_a_file_that_is_no_text_or_too_large_or_not_kept_says_so(story: Seeder) -> None:
    def contents(session: Any) -> None:
        files = {"b.bin": "b" * 64, "large.txt": "c" * 64, "gone.txt": "d" * 64, "latin.txt": "e" * 64}
        for name, content in (("b", b"\0x"), ("c", b"x" * (compare.SHOWN + 1)), ("e", b"\xff\xfe")):
            session.execute(t.source.insert().values(digest=name * 64, content=content, size=len(content)))
        session.execute(update(t.build).where(t.build.c.build == 3).values(files=files))

    story.host.unit.run(contents)
    found = {
        path: compare.file(story.host, "d", path, 1, 3).to.why_not
        for path in ("b.bin", "large.txt", "gone.txt", "latin.txt")
    }
    assert found == {
        "b.bin": "binary",
        "large.txt": "too large",
        "gone.txt": "not kept",
        "latin.txt": "binary",
    }
    shown = compare.file(story.host, "d", "d.py", 1, 3)
    assert (shown.change, shown.to) == ("removed", None)


def test_what_there_is_not_is_refused_in_words(story: Seeder) -> None:
    with pytest.raises(NotFound, match="Cannot find Dag nothing"):
        line(story.host, "nothing")
    with pytest.raises(InvalidInput):
        line(story.host, "d", limit=0)
    with pytest.raises(NotFound, match="no good build 99"):
        compare.compare(story.host, "d", 1, 99)


def test_a_planned_run_is_not_made(story: Seeder) -> None:
    planned = trigger(story.host, "d", actor="ada", run_id="planned", build=2, plan=True)
    assert (planned.run_id, planned.build) == ("planned", 2)
    assert "planned" not in {run.run_id for run in line(story.host, "d").runs}
