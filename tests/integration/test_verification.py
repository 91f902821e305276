"""What a parse asked in a way that nobody sees takes effect all the same: files are verified meanwhile.

The real processor's loop in this process, over git repositories. A Dag's file asks for the size of a file by
a name that it computes and through ``posix``, past all tracing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import bundles, dags
from harness.gitrepo import GitRepo
from harness.loop import Loop, processor_loop
from pinwheel.airflow3.parsing import TracingProcess
from pinwheel.airflow3.processor.verifier import Verification

pytestmark = pytest.mark.postgres

HIDDEN = """
import datetime
import posix

from airflow.sdk import DAG, task

HERE = __file__.rpartition("/")[0]
SIZE = posix.stat(HERE + "/" + "tad.neddih"[::-1]).st_size
# {mark}

with DAG({dag_id!r}, schedule=None, start_date=datetime.datetime(2024, 1, 1), description=f"{{SIZE}} bytes"):
    @task
    def t(): ...
    t()
"""
DATA = "hidden.dat"
THERE = """
def is_there(path):
    try:
        return bool(posix.stat(path))
    except FileNotFoundError:
        return False
"""


class Deployment:
    """One git bundle under one processor, which verifies as fast as it can."""

    def __init__(self, loop: Loop, repo: GitRepo, name: str = "one") -> None:
        self.loop, self.repo, self.name = loop, repo, name
        self.parses: list[tuple[str, str]] = []

    def push(self, files: dict[str, str | None]) -> str:
        sha = self.repo.commit(files)
        self.loop.turn_until(lambda: self.loop.settled(self.name, sha), what=f"settling {sha}")
        return sha

    def verified(self) -> bool:
        return self.loop.manager.verifier._asleep

    def until_verified(self) -> None:
        self.loop.turn_until(self.verified, what="the verification of all files")

    def description(self, dag_id: str) -> str | None:
        found = self.loop.rows("SELECT description FROM dag WHERE dag_id = :d", d=dag_id)
        return found[0]["description"] if found else None

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        from pinwheel.store import events

        found = self.loop.manager.host.unit.run(events.listed)
        return [{"dag_id": e.dag_id, **e.details} for e in reversed(found) if e.kind in kinds]

    def file(self, path: str) -> dict[str, Any]:
        (row,) = self.loop.rows("SELECT * FROM pinwheel_file WHERE relative_fileloc = :p", p=path)
        return row

    def spans(self, dag_id: str) -> list[tuple[Any, ...]]:
        rows = self.loop.rows(
            "SELECT first_seq, last_seq, last_version, verified_seq FROM pinwheel_stand"
            " WHERE dag_id = :d ORDER BY first_seq",
            d=dag_id,
        )
        return [tuple(row.values()) for row in rows]

    def seq(self) -> int:
        (row,) = self.loop.rows("SELECT head_seq FROM pinwheel_bundle WHERE name = :n", n=self.name)
        return int(row["head_seq"])

    def new_runs_take(self, dag_id: str) -> str:
        (row,) = self.loop.rows("SELECT bundle_version FROM dag WHERE dag_id = :d", d=dag_id)
        return str(row["bundle_version"])


@contextlib.contextmanager
def deployed(
    database: Any, root: Path, files: dict[str, str | None], *, verify: float = 1.0, slots: int = 2
) -> Iterator[Deployment]:
    """The deployment after its first push, everything verified; parses that begin are noted."""
    repo = GitRepo(root / "one")
    repo.commit(files)
    with pytest.MonkeyPatch.context() as patch:
        genuine = TracingProcess.create.__func__
        begun: list[tuple[str, str]] = []

        def create(cls: Any, manager: Any, dag_file: Any, super_create: Any) -> Any:
            kind = "verification" if isinstance(dag_file, Verification) else "parse"
            begun.append((kind, str(dag_file.rel_path)))
            return genuine(cls, manager, dag_file, super_create)

        patch.setattr(TracingProcess, "create", classmethod(create))
        with started(database, root, repo, patch, verify=verify, slots=slots) as at:
            at.parses = begun
            at.until_verified()
            yield at


@contextlib.contextmanager
def started(
    database: Any, root: Path, repo: GitRepo, patch: pytest.MonkeyPatch, **options: Any
) -> Iterator[Deployment]:
    """A processor over what is there."""
    entry = bundles.git("one", repo.url, refresh_interval=0)
    with processor_loop(database, patch, root / "airflow", entry, **options) as loop:
        loop.turn_until(lambda: loop.settled("one", repo.head()), what="the newest version")
        yield Deployment(loop, repo)


@pytest.fixture(scope="module")
def shared(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    database = postgres.create()
    with deployed(database, tmp_path_factory.mktemp("verification"), dags.dag("other")) as at:
        yield at
    database.drop()


@pytest.fixture
def at(shared: Deployment) -> Deployment:
    """The deployment as it is when nothing is left to be verified. Each test has its own files."""
    shared.until_verified()
    shared.parses.clear()
    return shared


def hidden(dag_id: str = "hidden", mark: str = "m1") -> dict[str, str | None]:
    return {f"{dag_id}.py": HIDDEN.format(dag_id=dag_id, mark=mark)}


@pytest.mark.acceptance("pushes", 27)
def test_a_dependency_hidden_from_all_tracing_takes_effect_by_itself(at: Deployment) -> None:
    at.push({**hidden(), DATA: "1"})
    at.until_verified()
    first, seq = at.repo.head(), at.seq()
    assert at.parses.count(("parse", "hidden.py")) == 1
    assert ("verification", "hidden.py") not in at.parses, "what was parsed is verified"
    at.parses.clear()
    at.push({DATA: "22", "README.md": "read me"})
    at.loop.turn_until(lambda: at.description("hidden") == "2 bytes", what="the verification")
    assert ("parse", "hidden.py") not in at.parses
    assert at.parses.count(("verification", "hidden.py")) == 2, "a difference is confirmed by a second parse"
    (missed,) = at.events("missed")
    assert missed["dag_id"] == "hidden" and missed["attributes"] == ["description"]
    assert missed["paths"] == ["README.md", DATA] and missed["changed"] == 2
    assert missed["path"] == "hidden.py" and missed["build"] == 2
    assert at.spans("hidden") == [(seq, seq, first, seq), (seq + 1, None, None, seq + 1)]
    at.until_verified()
    assert [e["dag_id"] for e in at.events("build")].count("hidden") == 2
    # From then on the next such push is parsed at once
    at.parses.clear()
    at.push({DATA: "333"})
    assert at.description("hidden") == "3 bytes"
    assert at.parses[0] == ("parse", "hidden.py")
    assert len(at.events("missed")) == 1
    # Until the file itself changes
    at.push(hidden(mark="m2"))
    assert at.file("hidden.py")["always"] is None
    at.parses.clear()
    at.push({DATA: "4444"})
    assert ("parse", "hidden.py") not in at.parses
    at.loop.turn_until(lambda: at.description("hidden") == "4 bytes", what="the next verification")
    at.push({"hidden.py": None})


def test_what_is_parsed_in_each_tree_goes_back_to_a_build_of_before_without_a_step_back(
    at: Deployment,
) -> None:
    """The parse of before the miss saw the same, as far as anybody sees: it is not taken over."""
    at.push({**hidden("back"), DATA: "1"})
    at.push({DATA: "22"})
    at.loop.turn_until(lambda: at.description("back") == "2 bytes", what="the verification")
    at.push({DATA: "333"})
    assert at.description("back") == "3 bytes"
    at.push({DATA: "1"})
    assert at.description("back") == "1 bytes"
    assert [e["dag_id"] for e in at.events("build")].count("back") == 3, "the first build stands again"
    at.push({"back.py": None})


@pytest.mark.acceptance("pushes", 27)
def test_a_file_that_broke_unseen_sends_its_dag_back_to_the_version_in_which_it_was_known_good(
    at: Deployment,
) -> None:
    at.push({**hidden("breaks"), DATA: "1"})
    good, seq = at.repo.head(), at.seq()
    at.push({DATA: None})
    at.loop.turn_until(lambda: at.file("breaks.py")["error"], what="the verification")
    assert at.parses.count(("verification", "breaks.py")) == 2
    missed = at.events("missed")[-1]
    assert missed["dag_id"] == "breaks" and missed["paths"] == [DATA]
    assert "FileNotFoundError" in missed["error"]
    assert at.spans("breaks") == [(seq, seq, good, seq)]
    assert at.new_runs_take("breaks") == good
    assert "FileNotFoundError" in at.loop.import_errors("one")["breaks.py"]
    # It is parsed at each push now, so what mends it is seen at once
    back = at.push({DATA: "1"})
    assert at.loop.import_errors("one") == {}
    at.loop.turn_until(lambda: at.new_runs_take("breaks") == back, what="following")
    at.push({"breaks.py": None})


def test_a_parse_that_fails_once_changes_nothing(at: Deployment, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    fails = f"{THERE}if is_there({str(flag)!r}):\n    raise MemoryError"
    body = HIDDEN.format(dag_id="once", mark="m1").replace("# m1", fails)
    at.push({"once.py": body, DATA: "1"})
    flag.touch()
    take = at.loop.manager.verifier.take

    def take_and_mend(verification: Any, *args: Any) -> Any:
        found = take(verification, *args)
        if str(verification.rel_path) == "once.py":
            flag.unlink(missing_ok=True)
        return found

    at.loop.manager.verifier.take = take_and_mend
    before = len(at.events("missed"))
    at.push({"README.md": "once"})
    at.until_verified()
    at.loop.manager.verifier.take = take
    assert at.parses.count(("verification", "once.py")) == 2
    assert len(at.events("missed")) == before and at.loop.import_errors("one") == {}
    assert at.file("once.py")["verified_seq"] == at.seq()
    at.push({"once.py": None})


def test_other_questions_with_the_same_answer_are_taken_over_silently(at: Deployment) -> None:
    body = HIDDEN.format(dag_id="asks", mark="m1").replace(
        "# m1", "import os\nif SIZE > 1:\n    os.path.exists(HERE + '/' + 'tod'[::-1])\nSIZE = 0"
    )
    at.push({"asks.py": body, DATA: "1"})
    before = at.events("missed", "build", "unstable")
    at.push({DATA: "22"})
    at.until_verified()
    assert at.parses.count(("verification", "asks.py")) == 1
    assert at.file("asks.py")["always"] is None
    assert at.events("missed", "build", "unstable") == before
    at.parses.clear()
    at.push({"dot": "it is there"})
    assert ("parse", "asks.py") in at.parses, "the question that was seen then is asked since"
    at.push({"asks.py": None})


@pytest.mark.acceptance("pushes", 30)
def test_when_all_is_verified_nothing_is_parsed_and_nothing_asked_for_an_hour(at: Deployment) -> None:
    more = {
        **dags.dag_with_helper("helped"),
        **dags.dag_with_sql("templated"),
        **dags.dag_from_yaml("configured"),
    }
    at.push(dict(more))
    known = at.events("missed", "build", "unstable")
    at.parses.clear()
    at.push({"README.md": "all"})
    at.until_verified()
    own = {
        path
        for path in more
        if at.loop.rows("SELECT 1 FROM pinwheel_file WHERE relative_fileloc = :p", p=path)
    }
    assert len(own) == 3
    assert sorted(at.parses) == sorted(("verification", path) for path in {*own, "other.py"})
    assert at.events("missed", "build", "unstable") == known, "each gave what it gave before"
    assert {at.spans(dag_id)[-1][-1] for dag_id in ("helped", "templated", "configured")} == {at.seq()}
    at.parses.clear()
    verifier = at.loop.manager.verifier
    host, clock = verifier.host, verifier.clock
    later = iter(range(0, 3600, 60))
    now = clock()
    verifier.clock = lambda: now + next(later)
    verifier.host = verifier._lease.host = None
    try:
        turns = iter(range(6))
        at.loop.turn_until(lambda: next(turns, None) is None, what="some turns")
    finally:
        verifier.host = verifier._lease.host = host
        verifier.clock = clock
    assert at.parses == [] and at.loop.faults() == {}
    at.push(dict.fromkeys(more))


UNSTABLE = HIDDEN.replace("SIZE = ", "SIZE = posix.urandom(8).hex() # ")


@pytest.mark.acceptance("pushes", 31)
def test_an_unstable_dag_is_not_verified_over_and_over(at: Deployment) -> None:
    at.push({"unstable.py": UNSTABLE.format(dag_id="unstable", mark="m1")})
    missed = len(at.events("missed"))
    at.push({"README.md": "unstable 1"})
    at.until_verified()
    assert at.parses.count(("verification", "unstable.py")) == 2
    assert [e for e in at.events("unstable") if e["dag_id"] == "unstable"] == [
        {"dag_id": "unstable", "attributes": ["description"]}
    ]
    assert len(at.events("missed")) == missed
    at.parses.clear()
    at.push({"README.md": "unstable 2"})
    at.until_verified()
    assert ("verification", "other.py") in at.parses
    assert ("verification", "unstable.py") not in at.parses
    at.push({"unstable.py": UNSTABLE.format(dag_id="unstable", mark="m2")})
    at.parses.clear()
    at.push({"README.md": "unstable 3"})
    at.until_verified()
    assert at.parses.count(("verification", "unstable.py")) == 2, "its inputs have changed"
    at.push({"unstable.py": None})


@pytest.mark.acceptance("pushes", 31)
def test_another_order_of_a_list_is_no_missed_dependency(at: Deployment) -> None:
    """As a list that is made from a set has after a restart: with another hash seed."""
    body = HIDDEN.format(dag_id="order", mark="m1").replace(
        'description=f"{SIZE} bytes"', 'default_args={"queues": ["a", "b"][:: 1 if SIZE < 2 else -1]}'
    )
    at.push({"order.py": body, DATA: "1"})
    missed = len(at.events("missed"))
    at.push({DATA: "22"})
    at.until_verified()
    assert at.parses.count(("verification", "order.py")) == 2
    assert len(at.events("missed")) == missed
    assert "order" in [e["dag_id"] for e in at.events("unstable")]
    at.push({"order.py": None})


def test_a_file_that_imports_another_files_dag_is_compared_without_that(at: Deployment) -> None:
    at.push({"defined.py": "from airflow.sdk import DAG\n\ndefined = DAG('defined', schedule=None)\n"})
    body = HIDDEN.format(dag_id="imports", mark="m1").replace("# m1", "from defined import defined")
    at.push({"imports.py": body, DATA: "1"})
    missed = len(at.events("missed"))
    at.push({DATA: "22"})
    at.loop.turn_until(lambda: at.description("imports") == "2 bytes", what="the verification")
    assert [e["dag_id"] for e in at.events("missed")[missed:]] == ["imports"]
    assert "imports" not in [e["dag_id"] for e in at.events("unstable")]
    at.push({"imports.py": None, "defined.py": None})


@pytest.mark.acceptance("pushes", 33)
def test_an_equal_tree_is_not_verified_again(at: Deployment) -> None:
    at.push({"README.md": "before"})
    at.until_verified()
    at.parses.clear()
    at.push({})
    at.until_verified()
    assert at.parses == [], "another commit of the same tree"
    verifier = at.loop.manager.verifier
    verifier.next, genuine = (lambda: None), verifier.next
    at.push({"README.md": "between"})
    at.push({"README.md": "before"})
    verifier.next = genuine
    at.until_verified()
    assert at.parses == [], "what was verified is back"
    at.push({"README.md": "after"})
    at.until_verified()
    assert at.parses == [("verification", "other.py")]


SLOW = HIDDEN.replace(
    "SIZE = ",
    THERE
    + "import time\nwhile is_there({hold!r}):\n    sum(range(20_000))\n    time.sleep(0.01)\nSIZE = 0 # ",
)


@pytest.mark.acceptance("pushes", 29)
def test_with_one_slot_a_push_does_not_wait_for_a_verification(postgres: Any, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    slow = SLOW.format(hold=str(hold), dag_id="slow", mark="m1")
    database = postgres.create()
    with deployed(database, tmp_path, {"slow.py": slow, **dags.dag("other")}, slots=1) as at:
        verifier = at.loop.manager.verifier
        charged: list[float] = []
        put_back = verifier.put_back
        verifier.put_back = lambda info, used=0.0: (charged.append(used), put_back(info, used))
        hold.touch()
        at.push({"README.md": "read me"})

        def hangs() -> bool:
            running = list(at.loop.manager._processors)
            return [str(info.rel_path) for info in running if isinstance(info, Verification)] == ["slow.py"]

        at.loop.turn_until(hangs, what="the verification")
        (process,) = at.loop.manager._processors.values()
        at.push(dags.dag("other", "m2"))
        assert at.loop.released_from("other") == at.repo.head(), "it did not wait for what hangs"
        assert process._exit_code == -9, "it was killed"
        assert charged[0] > 0, "and charged"
        assert at.file("slow.py")["error"] is None and at.loop.import_errors("one") == {}
        # It is asked for again, and done when it can be
        hold.unlink()
        at.until_verified()
        assert at.file("slow.py")["verified_seq"] == at.seq()
        assert at.events("missed") == []
    database.drop()


@pytest.mark.acceptance("pushes", 32)
def test_a_restart_is_no_burst(postgres: Any, tmp_path: Path) -> None:
    files = {path: text for i in range(3) for path, text in dags.dag(f"dag_{i}").items()}
    database = postgres.create()
    with deployed(database, tmp_path, files, verify=0.001) as at, pytest.MonkeyPatch.context() as patch:
        at.push({"README.md": "read me"})
        at.loop.turn_until(lambda: at.parses[-1][0] == "verification", what="the first verification")
        at.loop.turn_until(lambda: at.loop.manager.verifier.at_work is None, what="its end")
        repo, parses = at.repo, at.parses

        def after_a_restart() -> list[tuple[str, str]]:
            parses.clear()
            with started(database, tmp_path, repo, patch, verify=0.001) as again:
                turns = iter(range(4))
                again.loop.turn_until(lambda: next(turns, None) is None, what="some turns")
                return list(parses)

        at.loop.close()
        assert after_a_restart() == [], "it goes on with the debt that there was"
        now = at.loop.manager.host.unit.now()
        with at.loop.database.engine().begin() as connection:
            connection.execute(sa.text("UPDATE pinwheel_budget SET level = 30, at = :now"), {"now": now})
        begun = after_a_restart()
        assert [kind for kind, _ in begun] == ["verification"], "what was saved up is not used up at once"
    database.drop()


def test_status_says_the_oldest_unverified_version_and_when_it_will_be_done(at: Deployment) -> None:
    from rich.console import Console

    from pinwheel.cli import bundles as cli
    from pinwheel.services.show.bundles import standings
    from pinwheel.services.show.plain import plain

    host, verifier = at.loop.manager.host, at.loop.manager.verifier

    def unverified() -> Any:
        return standings(host).only(["one"]).bundles[0].unverified

    assert unverified() is None
    genuine, verifier.next = verifier.next, lambda: None
    try:
        first = at.push({"README.md": "not verified"})
        at.push({"README.md": "nor this"})
        told = unverified()
        assert (told.files, told.version) == (1, first)
        assert told.done_at >= host.unit.now() - timedelta(minutes=1)
        with Console(width=200, record=True) as console:
            cli.show_unverified(console, plain(standings(host)))
        assert f"1 file judged unchanged and not verified yet, the oldest at {first[:8]} since" in (
            console.export_text()
        )
    finally:
        verifier.next = genuine
    at.until_verified()
    assert unverified() is None
