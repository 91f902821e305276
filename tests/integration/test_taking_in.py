"""What the Dag processor parses of each push: the real loop, in this process, carries the plan out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import bundles, dags
from harness.gitrepo import GitRepo
from harness.loop import Loop, processor_loop
from pinwheel.core.parse.plan import KnownFile
from pinwheel.store import files

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

    def processor(self) -> AbstractContextManager[Loop]:
        bundle = bundles.git("b", self.repo.url, refresh_interval=0)
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
        second = bundle.commit(one="m2")
        assert bundle.parsed(loop, second) == ["one.py"]
        assert bundle.parsed(loop, bundle.commit(one="m1", two=None)) == []
        assert known(loop).keys() == {"one.py", "three.py"}
        assert bundle.parsed(loop, bundle.commit(two="m1")) == []
        assert bundle.parsed(loop, bundle.commit(two="m2", three="m2")) == ["three.py", "two.py"]
    # One that starts anew knows all from the tables
    last = bundle.commit(one="m2", three="m3")
    with bundle.processor() as loop:
        assert bundle.parsed(loop, last) == ["three.py"]
        assert {name: loop.released_from(name) for name in NAMES} == {
            "one": second,
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
        touch, calls = files.touch, list[dict[str, KnownFile]]()

        def fails(*args: Any, **kwargs: Any) -> None:
            calls.append(known(loop))
            if len(calls) < 3:
                raise OSError("the database was away")
            touch(*args, **kwargs)

        monkeypatch.setattr(files, "touch", fails)
        last = bundle.commit(one="m2", two=None)
        loop.turn_until(lambda: len(calls) == 2, what="the second failure")
        assert loop.manager.heads["b"] == head
        assert known(loop) == before == calls[1]
        assert bundle.parsed(loop, last) == ["one.py"]
        assert known(loop).keys() == {"one.py", "three.py"}
